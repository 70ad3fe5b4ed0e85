"""The fields of a row, checked one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from circulation.imports.formats.rows import REASON, Row, RowError

# Above it, JSON clients that know only floating-point numbers confuse ids; and PostgreSQL's sequence has room left.
HIGHEST_ID = 2**53 - 1
# Of the ids that another Circdesk gave, which may have counted on from there. We count on from these, and an id in a
# path has at most 18 digits: nine tenths of those are left.
HIGHEST_KEPT_ID = 10**17

_DIGITS = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ANSWERS = {
    **dict.fromkeys(("yes", "y", "true", "t", "1"), True),
    **dict.fromkeys(("no", "n", "false", "f", "0"), False),
}


class Fields:
    """A row by its names, which may be written in any case.

    Raises RowError for a name that is missing, unknown or repeated.
    """

    def __init__(self, row: Row, names: Sequence[str], *, optional: Sequence[str] = ()) -> None:
        wanted = {name.lower(): name for name in (*names, *optional)}
        pairs = [(name, value) for name, value in row.pairs if name.lower() != REASON]
        given = [name.lower() for name, _ in pairs]
        problems = [f"There is no {name}." for name in names if name.lower() not in given]
        problems += [
            f"{name} is given {given.count(folded)} times."
            for folded, name in wanted.items()
            if given.count(folded) > 1
        ]
        problems += [f"{name[:60]!r} is not known here." for name, _ in pairs if name.lower() not in wanted]
        if problems:
            raise RowError(" ".join(problems))
        self._values: dict[str, Any] = {wanted[name.lower()]: value for name, value in pairs}

    def has(self, name: str) -> bool:
        """Whether an optional field is given, and not as null."""
        return self._values.get(name) is not None

    def whole_number(self, name: str, *, highest: int) -> int:
        """A number from 1 to `highest`. Text that holds nothing but its digits will do, as in SQL and spreadsheets."""
        return whole_number(name, self._values[name], lowest=1, highest=highest)

    def text(self, name: str, *, longest: int) -> str:
        """A text that is not empty, kept as it is written."""
        return text(name, self._values[name], longest=longest)


def whole_number(name: str, value: Any, *, lowest: int, highest: int) -> int:
    """A whole number, also as text that holds nothing but its digits. Raises RowError."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RowError(f"{name} must be a whole number, not {_shown(value)}.")
    if value < lowest:
        raise RowError(f"{name} must be at least {lowest}, not {_shown(value)}.")
    if value > highest:
        raise RowError(f"{name} is too large: at most {highest} is possible.")
    return value


def text(name: str, value: Any, *, longest: int) -> str:
    """A text that is not empty, kept as it is written. Raises RowError."""
    if not isinstance(value, str):
        raise RowError(f"{name} must be text, not {_shown(value)}.")
    if not value.strip():
        raise RowError(f"{name} is empty.")
    if len(value) > longest:
        raise RowError(f"{name} has {len(value)} characters: at most {longest} are possible.")
    if "\0" in value:
        raise RowError(f"{name} contains a NUL character.")
    if _SURROGATE.search(value):
        raise RowError(f"{name} contains half of a surrogate pair, which is no character.")
    return value


def words(name: str, value: Any, *, longest: int) -> str:
    """A text, or a number where a text is meant, as SQL and JSON write card numbers and ids. Raises RowError."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(value)
    return text(name, value, longest=longest)


def shortened(name: str, value: Any, notes: list[str], *, longest: int) -> str:
    """A text of less weight: the end of one that is too long is cut off, and noted. Raises RowError."""
    whole = words(name, value, longest=10**9)
    if len(whole) <= longest:
        return whole
    notes.append(f"{name} has {len(whole)} characters: the end is cut off after {longest}.")
    return whole[: longest - 1] + "…"


def yes_or_no(name: str, value: Any) -> bool:
    """Raises RowError for what is neither."""
    answer = _ANSWERS.get(str(value).strip().lower())
    if answer is None:
        raise RowError(f"{name} must be yes or no, not {_shown(value)}.")
    return answer


def day(name: str, value: Any) -> date:
    """A calendar day, also of a moment: 2026-12-31 or 2026-12-31 23:59:59+01. Raises RowError."""
    try:
        return datetime.fromisoformat(str(value).strip()).date()
    except ValueError as error:
        raise RowError(f"{name} must be a day written like 2026-12-31, not {_shown(value)}.") from error


def moment(name: str, value: Any, *, zone: ZoneInfo) -> datetime:
    """A moment; without a zone of its own, in this one. Raises RowError."""
    try:
        at = datetime.fromisoformat(str(value).strip())
    except ValueError as error:
        raise RowError(
            f"{name} must be written like 2026-12-31 or 2026-12-31T17:00:00Z, not {_shown(value)}."
        ) from error
    try:
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise RowError(f"{name} is beyond the calendar.") from error


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
