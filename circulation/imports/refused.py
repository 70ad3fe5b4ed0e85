"""The rows that were refused, in a file that can be mended and imported again."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from circulation.imports.columns import folded
from circulation.imports.formats import csv_rows, marc_rows
from circulation.imports.formats.files import Reader
from circulation.imports.formats.rows import REASON, Refused, Row

# How a file of refused rows is called; whatever is not here is JSON.
ENDINGS: dict[Reader, str] = {csv_rows.rows: ".csv", marc_rows.exchange_rows: ".mrc", marc_rows.xml_rows: ".xml"}


class Mendable:
    """Written as the rows are refused: tables as CSV, MARC as it came, all else as JSON.

    In tables and JSON the reason stands with each row, where it is passed over when the file is read again; and so does
    the system that the row is from, if it does not say so itself. A row that has too few or too many values keeps them,
    so that it is refused again if nobody mends it. With the `count` and the `names` of another one it goes on with its
    file.
    """

    def __init__(
        self, file: BinaryIO, reader: Reader, *, source: str = "", count: int = 0, names: Sequence[str] = ()
    ) -> None:
        self._file, self._reader, self._source = file, reader, source
        self.count, self.names = count, names

    def end(self) -> None:
        """Nothing more is refused."""
        endings: dict[Reader, str] = {
            csv_rows.rows: "",
            marc_rows.exchange_rows: "",
            marc_rows.xml_rows: "</collection>\n",
        }
        if self.count:
            self.write(endings.get(self._reader, "\n]\n"))

    def write(self, text: str) -> None:
        self._file.write(text.encode())

    def add(self, refused: Refused) -> None:
        """Write down a refused row. Raises OSError."""
        if refused.row is None:
            return
        self.count += 1
        if self._reader is marc_rows.exchange_rows:
            self._file.write(refused.row.record)
        elif self._reader is marc_rows.xml_rows:
            self._add_record(refused.row, refused.reason)
        elif self._reader is csv_rows.rows:
            self._add_line(refused.row, refused.reason)
        else:
            self._add_object(refused.row, refused.reason)

    def _add_line(self, row: Row, reason: str) -> None:
        writer = csv.writer(self)
        pairs = [(name, value) for name, value in row.pairs if name != REASON]
        if self.count == 1:
            self.names = [name for name, _ in pairs if name is not csv_rows.SURPLUS]
            writer.writerow([*self.names, *self._own(self.names, "source"), REASON])
        values = [value for _, value in pairs]
        if len(values) < len(self.names):
            writer.writerow(values)
            return
        own = self._own(self.names, self._source)
        writer.writerow([*values[: len(self.names)], *own, reason, *values[len(self.names) :]])

    def _own(self, names: Sequence[str], value: str) -> list[str]:
        """What is added to the columns of a table, if rows do not say what system they are from."""
        return [value] if self._source and "source" not in map(folded, names) else []

    def _add_object(self, row: Row, reason: str) -> None:
        # Written by hand, because a name may be there twice.
        pairs = [(name, value) for name, value in row.pairs if name != REASON]
        own = [("source", value) for value in self._own(row.names, self._source)]
        written = ", ".join(f"{_json(name)}: {_json(value)}" for name, value in [*pairs, *own, (REASON, reason)])
        self.write(("[\n" if self.count == 1 else ",\n") + "{" + written + "}")

    def _add_record(self, row: Row, reason: str) -> None:
        if self.count == 1:
            self.write('<collection xmlns="http://www.loc.gov/MARC21/slim">\n')
        self.write(f"<!-- {reason.replace('--', '- -')} -->\n{row.record.decode()}\n")


class RefusedRows(Mendable):
    """In a file of their own; no refusal, no file. Raises OSError for a place that will not do, or is taken."""

    def __init__(self, path: Path, reader: Reader, *, source: str = "") -> None:
        self._path = path
        self._opened = path.open("xb")
        super().__init__(self._opened, reader, source=source)

    def __enter__(self) -> RefusedRows:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()
        self._opened.close()
        if not self.count:
            self._path.unlink(missing_ok=True)


def _json(value: Any) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(f"{_json(name)}: {_json(part)}" for name, part in value) + "}"
    return json.dumps(
        value, ensure_ascii=True, default=lambda odd: float(odd) if isinstance(odd, Decimal) else str(odd)
    )
