"""What an import tells people besides its counts: the first rows as it understood them, and why others were refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any

from django.db.models import Model

from circulation.imports.catalogue import TitleRecord
from circulation.imports.files import Ready, printable
from circulation.imports.formats.rows import Item, Note, Refused, RowError
from circulation.imports.members import MemberRow
from circulation.imports.people import MemberRecord
from circulation.imports.titles import TitleRow

FIRST_ROWS = 10  # of each file
LOOKED_AT = 500  # items, for as many; what stands first may be of other tables
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how one begins, for programs that would reckon it


class Reasons:
    """Refused rows, a line each: file, line, reason. For people; what can be mended is a file of its own."""

    NAMES = ("file", "line", "reason")

    def __init__(self, name: str) -> None:
        self._name, self._written = name, io.StringIO()
        self._writer = csv.writer(self._written)

    def add(self, refused: Refused) -> None:
        self._writer.writerow([harmless(self._name), refused.line, harmless(printable(refused.reason))])

    def taken(self) -> bytes:
        """What was added since the last time."""
        data = self._written.getvalue().encode()
        self._written.seek(0)
        self._written.truncate()
        return data


def harmless(text: str) -> str:
    """A value that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def first_rows(files: Sequence[Ready], names: Sequence[str]) -> bytes:
    """As JSON, a list for each file. In a transaction that is undone, for a name of a branch makes one."""
    found = [
        {"file": name, "rows": list(islice(_rows(one), FIRST_ROWS))} for name, one in zip(names, files, strict=True)
    ]
    return json.dumps(found).encode()


def _rows(one: Ready) -> Iterator[dict[str, Any]]:
    file, kind, table, _ = one
    for item in islice(file.items, LOOKED_AT):
        if not isinstance(item, Note) and item.table in (None, table or kind.table):
            yield _row(kind, item)


def _row(kind: Any, item: Item) -> dict[str, Any]:
    if isinstance(item, Refused):
        return {"line": item.line, "refused": printable(item.reason)}
    try:
        return {"line": item.line, "values": dict(_values(kind.parse(item)))}
    except RowError as problem:
        return {"line": item.line, "refused": printable(str(problem))}


def _values(record: Any) -> Iterator[tuple[str, str]]:
    fields: Mapping[str, Any]
    match record:
        case TitleRecord():
            barcodes = [item.barcode for item in record.items]
            fields = {**record.fields, "copies": len(barcodes) or record.copies, "barcodes": ", ".join(barcodes)}
        case TitleRow():
            fields = {"id": record.key, "title": record.name, "copies": record.copies}
        case MemberRow():
            fields = {"id": record.key, "first_name": record.first_name, "last_name": record.last_name}
        case MemberRecord():
            fields = record.fields
        case _:
            fields = {}
    for name, value in fields.items():
        if value not in ("", None):
            yield name, printable(_shown(value))


def _shown(value: Any) -> str:
    if isinstance(value, Model):
        return str(getattr(value, "name", value))
    return value.isoformat() if isinstance(value, date) else str(value)
