"""The rows that were refused, in a file that can be mended and imported again."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TextIO

from circulation.imports.formats import csv_rows, marc_rows
from circulation.imports.formats.files import Reader
from circulation.imports.formats.rows import REASON, Refused, Row


class RefusedRows:
    """Written as the rows are refused: tables as CSV, MARC as it came, all else as JSON. No refusal, no file.

    In tables and JSON the reason stands with each row; read again, it is passed over.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        self._path, self._reader = path, reader
        self._text: TextIO | None = None
        self._binary: BinaryIO | None = None
        self._names: Sequence[str] = ()
        self.count = 0

    def __enter__(self) -> RefusedRows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._text is not None:
            endings: dict[Reader, str] = {csv_rows.rows: "", marc_rows.xml_rows: "</collection>\n"}
            self._text.write(endings.get(self._reader, "\n]\n"))
            self._text.close()
        if self._binary is not None:
            self._binary.close()

    def add(self, refused: Refused) -> None:
        """Write down a refused row. Raises OSError."""
        if refused.row is None:
            return
        self.count += 1
        if self._reader is marc_rows.exchange_rows:
            self._binary = self._binary or self._path.open("wb")
            self._binary.write(refused.row.record)
        elif self._reader is marc_rows.xml_rows:
            self._add_record(refused.row, refused.reason)
        elif self._reader is csv_rows.rows:
            self._add_line(refused.row, refused.reason)
        else:
            self._add_object(refused.row, refused.reason)

    def _add_line(self, row: Row, reason: str) -> None:
        if self._text is None:
            self._text = self._path.open("w", encoding="utf-8", newline="")
            self._names = [name for name in row.names if name != REASON]
            csv.writer(self._text).writerow([*self._names, REASON])
        values = dict(row.pairs)
        csv.writer(self._text).writerow([*(values.get(name, "") for name in self._names), reason])

    def _add_object(self, row: Row, reason: str) -> None:
        first = self._text is None
        self._text = self._text or self._path.open("w", encoding="utf-8")
        # Written by hand, because a name may be there twice.
        pairs = [*((name, value) for name, value in row.pairs if name != REASON), (REASON, reason)]
        written = ", ".join(f"{_json(name)}: {_json(value)}" for name, value in pairs)
        self._text.write(("[\n" if first else ",\n") + "{" + written + "}")

    def _add_record(self, row: Row, reason: str) -> None:
        if self._text is None:
            self._text = self._path.open("w", encoding="utf-8")
            self._text.write('<collection xmlns="http://www.loc.gov/MARC21/slim">\n')
        self._text.write(f"<!-- {reason.replace('--', '- -')} -->\n{row.record.decode()}\n")


def _json(value: Any) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(f"{_json(name)}: {_json(part)}" for name, part in value) + "}"
    return json.dumps(
        value, ensure_ascii=True, default=lambda odd: float(odd) if isinstance(odd, Decimal) else str(odd)
    )
