"""Taking records in: checked one by one, added in batches, counted and accounted for."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from django.db import IntegrityError, reset_queries

from circulation.imports.formats.rows import Item, Note, Refused, Row, RowError
from events.exceptions import Busy, DomainError
from events.operations import constraint_of, undone

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
    source: str = ""  # of rows that do not say where they are from
    # Whether adding locks what others use, so that a rehearsal must not keep it.
    touches_others: ClassVar[bool] = False

    def expect(self, names: tuple[str, ...]) -> Iterable[str]:
        """Look at the names of a file's columns. Returns what to note; raises FileError if no row of it will do."""
        return ()

    def turned_away(self, record: R) -> None:
        """A record was refused: whatever refers to it must be, too."""

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
    table: str | None = None,
) -> Report:
    """Take in whatever is sound of a file; tell of the rest.

    `progress` hears how many more items are done; `table` is the one to read, where a format has tables. Batches are
    transactions of their own: whatever ends the work in between leaves the earlier ones in place, and running it again
    goes on from there.
    """
    report = Report(tell)
    loading = Loading(kind, report, table or kind.table, at)
    waiting = iter(items)
    while some := list(islice(waiting, BATCH)):
        report.flush()
        loading.take_in(some)
        progress(len(some))
    loading.note_others()
    report.flush()
    return report


class Loading(Generic[R, K]):
    """From items to records, each key once, and of records to what became of them.

    `lines` and `others` are all that it remembers of what it took in: with them, and with the counts of its report,
    another one goes on where it was.
    """

    def __init__(
        self,
        kind: Kind[R, K],
        report: Report,
        table: str,
        at: datetime,
        *,
        lines: dict[int, int] | None = None,
        others: dict[str, list[int]] | None = None,
    ) -> None:
        self._kind, self._report, self._table, self._at = kind, report, table, at
        # Where each key stands that was taken in, by its digest: a million of them must not take much memory.
        self.lines: dict[int, int] = {} if lines is None else lines
        # Tables: their first line, and how many rows they have.
        self.others: dict[str, list[int]] = {} if others is None else others

    def take_in(self, some: Iterable[Item]) -> None:
        """Take in what is sound of these items, which follow those before."""
        reset_queries()  # with DEBUG Django keeps them all
        for batch in self.batches(some):
            self.take(batch)

    def batches(self, items: Iterable[Item]) -> Iterator[list[R]]:
        """Each must be taken before the next is asked for, because it may repeat a key that was refused."""
        batch: dict[int, R] = {}
        weight = 0
        for record in self._kind.in_order(self._records(items)):
            key = _digest(record.key)
            if batch and (key in batch or weight + self._kind.weight(record) > 10 * BATCH):
                yield list(batch.values())
                batch, weight = {}, 0
            if (line := self.lines.get(key)) is not None:
                self._refuse(record, f"{self._kind.shown(record)} stands in line {line} already.", seen=True)
                continue
            batch[key] = record
            weight += self._kind.weight(record)
        if batch:
            yield list(batch.values())

    def take(self, batch: Sequence[R]) -> None:
        known = self._kind.known(batch)
        self._add([record for record in batch if record.key not in known])
        for record in batch:
            if record.key in known:
                self._take(record, known)

    def note_others(self) -> None:
        for table, (line, count) in self.others.items():
            self._report.note(line, f"Rows for table {table} are not for {self._table}: {count} left out.")

    def _records(self, items: Iterable[Item]) -> Iterator[R]:
        for item in items:
            if isinstance(item, Note):
                self._report.note(item.line, item.text)
            elif item.table is not None and item.table != self._table:
                self.others.setdefault(item.table, [item.line, 0])[1] += 1
            elif isinstance(item, Refused):
                self._report.refuse(item)
            else:
                try:
                    yield self._kind.parse(item)
                except RowError as problem:
                    self._report.refuse(Refused(item.line, str(problem), row=item))

    def _add(self, new: Sequence[R]) -> None:
        """All at once; or, if one of them is at fault or somebody else was faster, half by half."""
        if len(new) <= 1:
            for record in new:
                self._take(record, self._kind.known([record]))
            return
        try:
            notes = self._added(new)
        except Busy:
            raise
        except (IntegrityError, DomainError, RowError):
            middle = len(new) // 2
            self._add(new[:middle])
            self._add(new[middle:])
        else:
            for record, note in zip(new, notes, strict=True):
                self._count(record, Taken("added", note))

    def _added(self, new: Sequence[R]) -> Sequence[str]:
        if self._kind.touches_others:
            with undone():
                return self._kind.add(new, at=self._at)
        return self._kind.add(new, at=self._at)

    def _take(self, record: R, known: Mapping[Hashable, K]) -> None:
        try:
            if record.key in known:
                with undone():
                    taken = self._kind.revise(record, known[record.key], at=self._at)
            else:
                (note,) = self._added([record])
                taken = Taken("added", note)
        except Busy:
            raise
        except (RowError, DomainError) as problem:
            self._refuse(record, str(problem))
        except IntegrityError as problem:
            name = constraint_of(problem)
            self._refuse(record, f"{self._kind.shown(record)} clashes with another record ({name}).")
        else:
            self._count(record, taken)

    def _count(self, record: R, taken: Taken) -> None:
        self.lines[_digest(record.key)] = record.row.line
        self._report.count(record, taken)

    def _refuse(self, record: R, reason: str, *, seen: bool = False) -> None:
        if not seen:  # else the first one, which has the same key, did go in
            self._kind.turned_away(record)
        self._report.refuse(Refused(record.row.line, reason, row=record.row))


def _digest(key: Hashable) -> int:
    """The same in every process, as `hash` is not, in 64 bits."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), signed=True)
