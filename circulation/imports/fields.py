"""The fields of a row, checked one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from circulation.imports.rows import Row, RowError

# Above it, JSON clients that know only floating-point numbers confuse ids; and PostgreSQL's sequence has room left.
HIGHEST_ID = 2**53 - 1

_DIGITS = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)


class Fields:
    """A row by its names, which may be written in any case.

    Raises RowError for a name that is missing, unknown or repeated.
    """

    def __init__(self, row: Row, names: Sequence[str], *, optional: Sequence[str] = ()) -> None:
        wanted = {name.lower(): name for name in (*names, *optional)}
        given = [name.lower() for name, _ in row.pairs]
        problems = [f"There is no {name}." for name in names if name.lower() not in given]
        problems += [
            f"{name} is given {given.count(folded)} times."
            for folded, name in wanted.items()
            if given.count(folded) > 1
        ]
        problems += [f"{name[:60]!r} is not known here." for name, _ in row.pairs if name.lower() not in wanted]
        if problems:
            raise RowError(" ".join(problems))
        self._values: dict[str, Any] = {wanted[name.lower()]: value for name, value in row.pairs}

    def has(self, name: str) -> bool:
        """Whether an optional field is given, and not as null."""
        return self._values.get(name) is not None

    def whole_number(self, name: str, *, highest: int) -> int:
        """A number from 1 to `highest`. Text that holds nothing but its digits will do, as in SQL and spreadsheets."""
        value = self._values[name]
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise RowError(f"{name} must be a whole number, not {_shown(value)}.")
        if value < 1:
            raise RowError(f"{name} must be at least 1, not {_shown(value)}.")
        if value > highest:
            raise RowError(f"{name} is too large: at most {highest} is possible.")
        return value

    def text(self, name: str, *, longest: int) -> str:
        """A text that is not empty, kept as it is written."""
        value = self._values[name]
        if not isinstance(value, str):
            raise RowError(f"{name} must be text, not {_shown(value)}.")
        if not value.strip():
            raise RowError(f"{name} is empty.")
        if len(value) > longest:
            raise RowError(f"{name} has {len(value)} characters: at most {longest} are possible.")
        if "\0" in value:
            raise RowError(f"{name} contains a NUL character.")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise RowError(f"{name} contains half of a surrogate pair, which is no character.")
        return value


def _shown(value: Any) -> str:
    """A value as its file may have written it, short enough for a message."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list):
        return "a list or object"
    if isinstance(value, str):
        return ascii(value) if len(value) <= 30 else f"{value[:30]!a}..."
    text = str(value)
    return text if len(text) <= 30 else f"{text[:30]}..."
