"""Taking records in: checked one by one, added in batches, counted and accounted for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from django.db import IntegrityError

from circulation.imports.formats.rows import Item, Note, Refused, Row, RowError
from events.exceptions import Busy, DomainError
from events.operations import constraint_of

BATCH = 500  # records a transaction, so that no lock is held for long

Outcome = Literal["added", "changed", "unchanged", "left out"]
Told = Refused | Note


class Record(Protocol):
    """A checked row."""

    @property
    def row(self) -> Row: ...

    @property
    def key(self) -> Hashable:
        """Tells it apart from the others of its file, and finds it in the library again."""

    @property
    def notes(self) -> Sequence[str]:
        """What was left out of the row, or put right."""


R = TypeVar("R", bound=Record)
K = TypeVar("K")


@dataclass(frozen=True)
class Taken:
    """What became of a record, and what else there is to say about it."""

    outcome: Outcome
    note: str = ""


class Kind(ABC, Generic[R, K]):
    """A kind of record: how it is read from a row, and how it becomes part of the library."""

    table: ClassVar[str]  # of the rows that are ours, where a format has tables

    def expect(self, row: Row) -> Iterable[str]:
        """Look at the first row of a file. Returns what to note; raises FileError if no row of it will do."""
        return ()

    @abstractmethod
    def parse(self, row: Row) -> R:
        """The record in a row. Raises RowError."""

    @abstractmethod
    def shown(self, record: R) -> str:
        """What its key is called in a message."""

    @abstractmethod
    def known(self, records: Sequence[R]) -> Mapping[Hashable, K]:
        """What the library has, or had, under the keys of these."""

    @abstractmethod
    def add(self, records: Sequence[R], *, at: datetime) -> Sequence[str]:
        """Add records of which none is known, in one transaction. Returns a note, or "", for each.

        Raises RowError if one of them cannot be added at all, IntegrityError and DomainError.
        """

    @abstractmethod
    def revise(self, record: R, known: K, *, at: datetime) -> Taken:
        """Bring what is known up to date, in transactions of its own where it differs.

        Raises RowError where the key belongs to something else, and DomainError.
        """

    def in_order(self, records: Iterable[R]) -> Iterable[R]:
        """The records of a batch in the order in which they go in: the file's, unless there is a better one."""
        return records

    def weight(self, record: R) -> int:
        """How many rows a record will write, at least."""
        return 1


@dataclass
class Report:
    """What became of a file. Whatever there is to say about its rows is told as it comes, batch by batch."""

    tell: Callable[[Told], None]
    counts: Counter[str] = field(default_factory=Counter)
    _waiting: list[Told] = field(default_factory=list)

    def note(self, line: int, text: str) -> None:
        self._waiting.append(Note(line, text))

    def refuse(self, refused: Refused) -> None:
        self.counts["refused"] += 1
        self._waiting.append(refused)

    def count(self, record: Record, taken: Taken) -> None:
        self.counts[taken.outcome] += 1
        for text in (*record.notes, taken.note):
            if text:
                self.note(record.row.line, text)

    def flush(self) -> None:
        """Tell what came up since the last time, by line."""
        for told in sorted(self._waiting, key=lambda told: told.line):
            self.tell(told)
        self._waiting = []

    def __str__(self) -> str:
        names = ["added", "changed", "unchanged", "refused"] + ["left out"] * bool(self.counts["left out"])
        return ", ".join(f"{self.counts[name]} {name}" for name in names)


def load(
    kind: Kind[R, K],
    items: Iterable[Item],
    *,
    at: datetime,
    tell: Callable[[Told], None],
    progress: Callable[[int], object],
) -> Report:
    """Take in whatever is sound of a file; tell of the rest.

    `progress` hears how many more items are done. Batches are transactions of their own: whatever ends the work in
    between leaves the earlier ones in place, and running it again goes on from there.
    """
    report = Report(tell)
    reading = _Reading(kind, report)
    waiting = iter(items)
    while some := list(islice(waiting, BATCH)):
        report.flush()
        for batch in _batches(kind, reading.records(some)):
            _take_batch(kind, batch, report, at=at)
        progress(len(some))
    reading.note_others()
    report.flush()
    return report


class _Reading(Generic[R, K]):
    """From items to records, each key once."""

    def __init__(self, kind: Kind[R, K], report: Report) -> None:
        self._kind, self._report = kind, report
        # Where each key stands, by its hash: a million of them must not take much memory.
        self._lines: dict[int, int] = {}
        self._others: dict[str, list[int]] = {}  # tables: their first line, and how many rows they have

    def records(self, items: Iterable[Item]) -> Iterator[R]:
        for item in items:
            if isinstance(item, Note):
                self._report.note(item.line, item.text)
            elif item.table is not None and item.table != self._kind.table:
                self._others.setdefault(item.table, [item.line, 0])[1] += 1
            elif isinstance(item, Refused):
                self._report.refuse(item)
            else:
                yield from self._record(item)

    def note_others(self) -> None:
        for table, (line, count) in self._others.items():
            self._report.note(line, f"Rows for table {table} are not for {self._kind.table}: {count} left out.")

    def _record(self, row: Row) -> Iterator[R]:
        try:
            record = self._kind.parse(row)
        except RowError as problem:
            self._report.refuse(Refused(row.line, str(problem), row=row))
            return
        if (line := self._lines.setdefault(hash(record.key), row.line)) != row.line:
            reason = f"{self._kind.shown(record)} stands in line {line} already."
            self._report.refuse(Refused(row.line, reason, row=row))
            return
        yield record


def _batches(kind: Kind[R, K], records: Iterable[R]) -> Iterator[list[R]]:
    batch: list[R] = []
    weight = 0
    for record in kind.in_order(records):
        if batch and weight + kind.weight(record) > 10 * BATCH:
            yield batch
            batch, weight = [], 0
        batch.append(record)
        weight += kind.weight(record)
    if batch:
        yield batch


def _take_batch(kind: Kind[R, K], batch: Sequence[R], report: Report, *, at: datetime) -> None:
    known = kind.known(batch)
    _add(kind, [record for record in batch if record.key not in known], report, at=at)
    for record in batch:
        if record.key in known:
            _take(kind, record, known, report, at=at)


def _add(kind: Kind[R, K], new: Sequence[R], report: Report, *, at: datetime) -> None:
    """All at once; or, if one of them is at fault or somebody else was faster, half by half."""
    if len(new) <= 1:
        for record in new:
            _take(kind, record, kind.known([record]), report, at=at)
        return
    try:
        notes = kind.add(new, at=at)
    except Busy:
        raise
    except (IntegrityError, DomainError, RowError):
        middle = len(new) // 2
        _add(kind, new[:middle], report, at=at)
        _add(kind, new[middle:], report, at=at)
    else:
        for record, note in zip(new, notes, strict=True):
            report.count(record, Taken("added", note))


def _take(kind: Kind[R, K], record: R, known: Mapping[Hashable, K], report: Report, *, at: datetime) -> None:
    try:
        if record.key in known:
            taken = kind.revise(record, known[record.key], at=at)
        else:
            (note,) = kind.add([record], at=at)
            taken = Taken("added", note)
    except Busy:
        raise
    except (RowError, DomainError) as problem:
        report.refuse(Refused(record.row.line, str(problem), row=record.row))
    except IntegrityError as problem:
        reason = f"{kind.shown(record)} clashes with another record ({constraint_of(problem)})."
        report.refuse(Refused(record.row.line, reason, row=record.row))
    else:
        report.count(record, taken)
