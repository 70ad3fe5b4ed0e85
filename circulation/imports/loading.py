"""Taking records in: checked one by one, added in batches, counted and accounted for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from django.db import IntegrityError, models

from circulation.imports.rows import Item, Note, Refused, Row, RowError
from events.exceptions import DomainError
from events.operations import constraint_of
from library.bulk import keep_ids_free

BATCH = 500  # records a transaction, so that no lock is held for long

Outcome = Literal["added", "changed", "unchanged"]
Told = Refused | Note


class Record(Protocol):
    """A checked row. Records are told apart by their id."""

    @property
    def line(self) -> int: ...

    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=Record)
K = TypeVar("K")


@dataclass(frozen=True)
class Taken:
    """What became of a record, and what else there is to say about it."""

    outcome: Outcome
    note: str = ""


class Kind(ABC, Generic[R, K]):
    """A kind of record: how it is read from a row, and how it becomes part of the library."""

    model: ClassVar[type[models.Model]]
    table: ClassVar[str]  # of the rows that are ours, where a format has tables
    id_name: ClassVar[str]  # the field that holds the id

    @abstractmethod
    def parse(self, row: Row) -> R:
        """The record in a row. Raises RowError."""

    @abstractmethod
    def known(self, records: Sequence[R]) -> Mapping[int, K]:
        """What the library has, or had, under the ids of these."""

    @abstractmethod
    def add(self, records: Sequence[R], *, at: datetime) -> None:
        """Add records of which none is known, in one transaction. Raises IntegrityError and DomainError."""

    @abstractmethod
    def revise(self, record: R, known: K, *, at: datetime) -> Taken:
        """Bring what is known up to date, in transactions of its own where it differs.

        Raises RowError where the id belongs to something else, and DomainError.
        """

    def weight(self, record: R) -> int:
        """How many rows a record will write, at least."""
        return 1


@dataclass
class Report:
    """What became of a file, and what there is to say about it, by line."""

    counts: Counter[str] = field(default_factory=Counter)
    told: list[Told] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        self.counts["refused"] += 1
        self.told.append(Refused(line, reason))

    def count(self, line: int, taken: Taken) -> None:
        self.counts[taken.outcome] += 1
        if taken.note:
            self.told.append(Note(line, taken.note))

    def __str__(self) -> str:
        return ", ".join(f"{self.counts[name]} {name}" for name in ("added", "changed", "unchanged", "refused"))


def load(kind: Kind[R, K], items: Iterable[Item], *, at: datetime, progress: Callable[[int, int], None]) -> Report:
    """Take in whatever is sound of a file; report the rest.

    `progress` hears how many records of how many are done. Batches are transactions of their own: whatever ends
    the work in between leaves the earlier ones in place, and running it again goes on from there.
    """
    report = Report()
    # Ascending ids, so that two imports at a time wait for each other rather than deadlock.
    records = sorted(_records(kind, items, report), key=lambda record: record.id)
    if records:
        keep_ids_free(kind.model, up_to=records[-1].id)
    done = 0
    for batch in _batches(kind, records):
        _take_batch(kind, batch, report, at=at)
        done += len(batch)
        progress(done, len(records))
    report.told.sort(key=lambda told: told.line)
    return report


def _records(kind: Kind[R, K], items: Iterable[Item], report: Report) -> Iterator[R]:
    lines: dict[int, int] = {}  # where each id stands
    others: dict[str, list[int]] = {}  # where rows of other tables stand
    for item in items:
        if isinstance(item, Note):
            report.told.append(item)
        elif item.table is not None and item.table != kind.table:
            others.setdefault(item.table, []).append(item.line)
        elif isinstance(item, Refused):
            report.refuse(item.line, item.reason)
        else:
            try:
                record = kind.parse(item)
            except RowError as problem:
                report.refuse(item.line, str(problem))
                continue
            if (line := lines.setdefault(record.id, record.line)) != record.line:
                report.refuse(record.line, f"{kind.id_name} {record.id} stands in line {line} already.")
            else:
                yield record
    for table, where in others.items():
        report.told.append(Note(where[0], f"Rows for table {table} are not for {kind.table}: {len(where)} left out."))


def _batches(kind: Kind[R, K], records: Iterable[R]) -> Iterator[list[R]]:
    batch: list[R] = []
    weight = 0
    for record in records:
        if batch and (len(batch) == BATCH or weight + kind.weight(record) > 10 * BATCH):
            yield batch
            batch, weight = [], 0
        batch.append(record)
        weight += kind.weight(record)
    if batch:
        yield batch


def _take_batch(kind: Kind[R, K], batch: Sequence[R], report: Report, *, at: datetime) -> None:
    known = kind.known(batch)
    new = [record for record in batch if record.id not in known]
    try:
        if new:
            kind.add(new, at=at)
    except (IntegrityError, DomainError):
        # One of them is at fault, or somebody else was faster.
        for record in new:
            _take(kind, record, kind.known([record]), report, at=at)
    else:
        for record in new:
            report.count(record.line, Taken("added"))
    for record in batch:
        if record.id in known:
            _take(kind, record, known, report, at=at)


def _take(kind: Kind[R, K], record: R, known: Mapping[int, K], report: Report, *, at: datetime) -> None:
    try:
        if record.id in known:
            taken = kind.revise(record, known[record.id], at=at)
        else:
            kind.add([record], at=at)
            taken = Taken("added")
    except (RowError, DomainError) as problem:
        report.refuse(record.line, str(problem))
    except IntegrityError as problem:
        report.refuse(
            record.line, f"{kind.id_name} {record.id} clashes with another record ({constraint_of(problem)})."
        )
    else:
        report.count(record.line, taken)
