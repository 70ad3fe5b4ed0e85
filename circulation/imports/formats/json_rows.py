"""Rows from JSON: a list of objects."""

from __future__ import annotations

import json
import re
from typing import Any, TextIO

from circulation.imports.formats.rows import ENOUGH_DIGITS, LONGEST, TOO_LONG, FileError, Items, Refused, Row
from circulation.imports.formats.source import Source

_SPACE = re.compile(r"[ \t\r\n]*")
_CHUNK = 65_536
# A value that breaks off so near to the end of what was read so far may only go on in the next piece.
_NEAR = 20


class _Pairs(tuple[tuple[str, Any], ...]):
    """An object with its names as they were written, so that a repeated one is not lost."""


def recognises(text: str) -> bool:
    """Whether a text, without white space before it, begins like a JSON list or object."""
    return text.startswith(("[", "{"))


def rows(source: Source) -> Items:
    """Each object of the list, with the line of its opening brace. Raises FileError for anything but a list."""
    with source.text() as text:
        window = _Window(text)
        opening = window.next()
        if opening == "{":
            raise FileError("is one JSON object, where a list of them is needed: [{...}, {...}].")
        window.skip(opening)
        if window.next() != "]":
            while True:
                line = window.line
                value = window.value()
                yield (
                    Row(line, tuple(value))
                    if isinstance(value, _Pairs)
                    else Refused(line, "This is not an object {...}.")
                )
                if (mark := window.next()) == "]":
                    break
                if mark != ",":
                    raise window.broken(window.position, "Expecting ',' delimiter")
                window.skip(",")
                window.next()
        window.skip("]")
        if window.next():
            raise window.broken(window.position, "there is more after the end of the list")


class _Window:
    """The part of a text that is being read. What is behind is forgotten, but for its line breaks."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._part = ""
        self._ended = False
        self._lines_behind = 0  # before `_counted`, in this part and those forgotten
        self._counted = 0
        self.position = 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=lambda digits: int(digits[:ENOUGH_DIGITS]))

    @property
    def line(self) -> int:
        """That of the position."""
        self._lines_behind += self._part.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._lines_behind + 1

    def next(self) -> str:
        """The next character that is not white space, or nothing at the end of the text."""
        while True:
            space = _SPACE.match(self._part, self.position)
            self.position = space.end() if space else self.position
            if self.position < len(self._part):
                return self._part[self.position]
            if not self._read():
                return ""

    def skip(self, mark: str) -> None:
        self.position += len(mark)

    def value(self) -> Any:
        """The JSON value that begins here."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._part, self.position)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated") or error.pos >= len(self._part) - _NEAR
                offset = error.pos - self.position
                if not unfinished or not self._read():
                    raise self.broken(self.position + offset, error.msg) from error
            except RecursionError as error:
                raise FileError(f"is nested too deeply in line {self.line}.") from error
            else:
                # A number may go on in the next piece.
                if end < len(self._part) or not self._read():
                    self.position = end
                    return value
            if len(self._part) - self.position > LONGEST:
                raise FileError(f"cannot be read: an entry in line {self.line} {TOO_LONG}.")

    def broken(self, position: int, problem: str) -> FileError:
        lines_between = self._part.count("\n", self.position, position)
        line = self.line + lines_between
        # The decoder reports a text that never ends at its opening quotation mark.
        if not self._part[position:].strip() or problem.startswith("Unterminated string"):
            return FileError(f"breaks off in line {line}: the list is not closed. Is the file complete?")
        return FileError(f"is not JSON: {problem[0].lower()}{problem[1:]} in line {line}.")

    def _read(self) -> bool:
        """Read on, as much again as there is. False at the end of the text."""
        if self._ended:
            return False
        _ = self.line  # counted before it is forgotten
        self._part = self._part[self.position :]
        self.position = self._counted = 0
        more = self._text.read(max(_CHUNK, len(self._part)))
        self._ended = not more
        self._part += more
        return bool(more)
