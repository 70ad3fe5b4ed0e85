"""Rows from tables of text: values separated by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection

from circulation.imports.columns import KNOWN, folded, listed
from circulation.imports.formats.rows import TOO_LONG, FileError, Items, Refused, Row, counted
from circulation.imports.formats.source import Source

_SEPARATORS = ",;\t|"


def recognises(text: str, named: Collection[str] = ()) -> bool:
    """Whether the first line names columns that are known here, or that somebody named."""
    names = _header(text)
    return any(folded(name) in KNOWN or name in named for name in names)


def columns(text: str) -> str:
    """The names in the first line, for a message."""
    return listed(_header(text))


def rows(source: Source) -> Items:
    """Each line after the first, which names the columns. Raises FileError.

    A line with too many or too few values is refused; empty ones are passed over.
    """
    reader = csv.reader(source.lines(), delimiter=_separator(source.beginning), strict=True)
    try:
        names = tuple(next(reader))
        while True:
            line = reader.line_num + 1
            values = next(reader, None)
            if values is None:
                return
            if not values:
                continue
            row = Row(line, tuple(zip(names, values, strict=False)))
            if len(values) == len(names):
                yield row
                continue
            missing = tuple((name, "") for name in names[len(values) :])
            reason = f"{counted(len(values), 'value')} for {counted(len(names), 'column')}."
            yield Refused(line, reason, row=Row(line, row.pairs + missing))
    except csv.Error as error:
        line = reader.line_num
        if "field larger" in str(error):
            raise FileError(
                f"cannot be read: a value up to line {line} {TOO_LONG}. Is a quotation mark missing?"
            ) from error
        if "unexpected end" in str(error):
            raise FileError("breaks off within quotation marks. Is the file complete?") from error
        raise FileError(f"cannot be read as a table: {error} in line {line}.") from error


def _header(text: str) -> list[str]:
    first = io.StringIO(text.lstrip("\ufeff"), newline="").readline()
    try:
        return next(csv.reader([first], delimiter=_separator(text)), [])
    except csv.Error:
        return []


def _separator(text: str) -> str:
    first = io.StringIO(text, newline="").readline()
    return max(_SEPARATORS, key=first.count)
