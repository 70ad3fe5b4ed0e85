"""Rows from tables of text: values separated by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from itertools import zip_longest

from circulation.imports.columns import KNOWN, folded
from circulation.imports.formats.rows import LONGEST, TOO_LONG, FileError, Items, Refused, Row, counted
from circulation.imports.formats.source import Source

# The name of values for which there is no column.
SURPLUS = ""

_SEPARATORS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')
# Excel writes this before the table, and people write empty lines there.
_BEFORE = re.compile(r"\ufeff?(?:[ \t]*(?:\r\n|\r|\n))*(?:sep=(.)(?:\r\n|\r|\n))?(?:[ \t]*(?:\r\n|\r|\n))*")


def recognises(text: str, named: Collection[str] = ()) -> bool:
    """Whether the first line names columns that are known here, or that somebody named."""
    names = header(text)
    return any(folded(name) in KNOWN or name in named for name in names)


def header(text: str) -> list[str]:
    """What would be the names of the columns."""
    first, separator, _ = _first_line(text)
    try:
        return next(csv.reader([first], delimiter=separator), [])
    except csv.Error:
        return []


def rows(source: Source) -> Items:
    """Each line after the first, which names the columns. Raises FileError.

    A line with too many or too few values is refused; empty ones are passed over.
    """
    _, separator, before = _first_line(source.beginning)
    csv.field_size_limit(LONGEST)
    lines = source.lines()
    for _ in range(before):
        next(lines)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    line = before + 1
    try:
        names = tuple(next(reader))
        while True:
            line = before + reader.line_num + 1
            values = next(reader, None)
            if values is None:
                return
            if not values:
                continue
            if len(values) == len(names):
                yield Row(line, tuple(zip(names, values, strict=True)))
            else:
                reason = f"{counted(len(values), 'value')} for {counted(len(names), 'column')}."
                yield Refused(line, reason, row=Row(line, tuple(_pairs(names, values))))
    except csv.Error as error:
        if "field larger" in str(error):
            problem = f"a value that begins in line {line} {TOO_LONG}. Is a quotation mark missing?"
            raise FileError(f"cannot be read: {problem}") from error
        if "unexpected end" in str(error):
            raise FileError(f"breaks off within quotation marks, in the row of line {line}.") from error
        raise FileError(f"cannot be read as a table: {error} in line {before + reader.line_num}.") from error


def _pairs(names: tuple[str, ...], values: list[str]) -> Iterator[tuple[str, str]]:
    """As many as there are values."""
    yield from zip_longest(names[: len(values)], values, fillvalue=SURPLUS)


def _first_line(text: str) -> tuple[str, str, int]:
    """The line that names the columns, what separates them, and how many lines stand before it."""
    before = _BEFORE.match(text)
    assert before is not None  # it matches nothing, too
    first = io.StringIO(text[before.end() :], newline="").readline()
    without_names = _QUOTED.sub("", first)
    lines = sum(1 for _ in io.StringIO(before[0], newline=""))
    return first, before[1] or max(_SEPARATORS, key=without_names.count), lines
