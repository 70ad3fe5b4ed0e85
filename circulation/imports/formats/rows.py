"""What every format makes of a file: rows, and what it has to say about the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Of a row, a line or a record, in characters. More is no table, and must not fill the memory.
LONGEST = 1_000_000
TOO_LONG = f"is longer than {LONGEST:,} characters"


@dataclass(frozen=True, slots=True)
class Row:
    """Names and values as they stand in the file, repeated names included."""

    line: int  # or the number of the record, in MARC
    pairs: tuple[tuple[str, Any], ...]
    table: str | None = None  # in lower case; None where the format has no tables
    record: bytes = b""  # the MARC record that the values are from

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.pairs)


@dataclass(frozen=True, slots=True)
class Refused:
    """Something in the file that asks for what an import cannot do."""

    line: int
    reason: str
    table: str | None = None
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was left out, or left as it is, and is no mistake."""

    line: int
    text: str


class FileError(Exception):
    """The file as a whole cannot be read. The message says why, in one line, without the file's name."""


class RowError(Exception):
    """A row that cannot become a record. The message says why."""


# int() refuses texts of more than 4,300 digits with an error of its own. So many suffice to see that a number is
# too large.
ENOUGH_DIGITS = 40

# In the file of refused rows: why. Read again, it is left out.
REASON = "refused_because"

Item = Row | Refused | Note
Items = Iterator[Item]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
