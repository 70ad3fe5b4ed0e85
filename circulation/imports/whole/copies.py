"""Copies with their barcodes. A barcode that is there already stays as it is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from circulation.imports import fields as values
from circulation.imports.branches import Branches
from circulation.imports.catalogue import add_items, barcode_in, copy_status
from circulation.imports.columns import COPY, Columns
from circulation.imports.formats.rows import Row, RowError
from circulation.imports.loading import Kind, Taken
from circulation.imports.whole.references import Reference, References, naming_what_is_gone, title_in
from library.bulk import NewCopy
from library.models import Copy


@dataclass(frozen=True)
class CopyRecord:
    row: Row
    item: NewCopy
    title: Reference
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.item.barcode


@dataclass(frozen=True)
class KnownCopy:
    copy: Copy
    title_id: int | None  # that the file means


class Copies(Kind[CopyRecord, KnownCopy]):
    table = "copies"

    def __init__(self, references: References, branches: Branches) -> None:
        self._references, self._branches = references, branches
        self._columns = Columns({**COPY, "reason": ("reason",)})

    def parse(self, row: Row) -> CopyRecord:
        given = self._columns[row]
        if "barcode" not in given:
            raise RowError("There is no barcode.")
        item = NewCopy(
            barcode_in(values.words("barcode", given["barcode"], longest=1000).strip()),
            self._branches[given.get("branch")],
            copy_status(str(given.get("status", ""))),
            values.words("reason", given["reason"], longest=300) if "reason" in given else "",
        )
        return CopyRecord(row, item, title_in(given))

    def shown(self, record: CopyRecord) -> str:
        return f"Barcode {record.key}"

    def turned_away(self, record: CopyRecord) -> None:
        self._references.refused_copies.add(record.key)

    def known(self, records: Sequence[CopyRecord]) -> Mapping[Hashable, KnownCopy]:
        copies = Copy.objects.filter(barcode__in=[record.key for record in records]).select_related("book")
        by_barcode = {copy.barcode: copy for copy in copies}
        there = [record for record in records if record.key in by_barcode]
        try:
            titles = self._references.titles(record.title for record in there)
        except RowError:
            titles = {}
        return {
            record.key: KnownCopy(by_barcode[record.key], titles.get(record.title) or self._title(record))
            for record in there
        }

    def add(self, records: Sequence[CopyRecord], *, at: datetime) -> Sequence[str]:
        titles = self._references.titles(record.title for record in records)
        with naming_what_is_gone():
            add_items([(titles[record.title], record.item) for record in records], at=at)
        return [""] * len(records)

    def revise(self, record: CopyRecord, known: KnownCopy, *, at: datetime) -> Taken:
        if known.title_id != known.copy.book_id:
            raise RowError(f"Barcode {record.key} belongs to “{known.copy.book}” already.")
        return Taken("unchanged")

    def _title(self, record: CopyRecord) -> int | None:
        try:
            return self._references.titles([record.title])[record.title]
        except RowError:
            return None
