"""What every format makes of a file: rows, and what it has to say about the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """Names and values as they stand in the file, repeated names included."""

    line: int
    pairs: tuple[tuple[str, Any], ...]
    table: str | None = None  # in lower case; None where the format has no tables


@dataclass(frozen=True)
class Refused:
    """Something in the file that asks for what an import cannot do."""

    line: int
    reason: str
    table: str | None = None


@dataclass(frozen=True)
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

Item = Row | Refused | Note
# Told now and then how many characters of the text were read.
Progress = Callable[[int], None]
Reader = Callable[[str, Progress], Iterator[Item]]


class Lines:
    """The line of a position in a text. Positions must be asked for in ascending order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1

    def at(self, position: int) -> int:
        self._line += self._text.count("\n", self._position, position)
        self._position = position
        return self._line
