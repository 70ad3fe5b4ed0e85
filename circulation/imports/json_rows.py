"""Rows from JSON: a list of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from circulation.imports.rows import ENOUGH_DIGITS, FileError, Item, Lines, Progress, Refused, Row

_SPACE = re.compile(r"[ \t\r\n]*")


class _Pairs(tuple[tuple[str, Any], ...]):
    """An object with its names as they were written, so that a repeated one is not lost."""


def recognises(text: str) -> bool:
    """Whether a text, without white space before it, begins like a JSON list or object."""
    return text.startswith(("[", "{"))


def rows(text: str, progress: Progress) -> Iterator[Item]:
    """Each object of the list, with the line of its opening brace.

    Element by element, because the decoder keeps no positions. Raises FileError for anything but a list.
    """
    lines = Lines(text)
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=lambda digits: int(digits[:ENOUGH_DIGITS]))
    position = _skip_space(text, 0)
    if text[position] == "{":
        raise FileError("is one JSON object, where a list of them is needed: [{...}, {...}].")
    position = _skip_space(text, position + 1)
    if text.startswith("]", position):
        _expect_end(text, position + 1)
        return
    while True:
        line = lines.at(position)
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise FileError(_broken(text, error.pos, error.msg)) from error
        except RecursionError as error:
            raise FileError(f"is nested too deeply in line {line}.") from error
        yield Row(line, tuple(value)) if isinstance(value, _Pairs) else Refused(line, "This is not an object {...}.")
        position = _skip_space(text, end)
        progress(position)
        if text.startswith("]", position):
            _expect_end(text, position + 1)
            return
        if not text.startswith(",", position):
            raise FileError(_broken(text, position, "Expecting ',' delimiter"))
        position = _skip_space(text, position + 1)


def _skip_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _expect_end(text: str, position: int) -> None:
    if (position := _skip_space(text, position)) != len(text):
        raise FileError(_broken(text, position, "there is more after the end of the list"))


def _broken(text: str, position: int, problem: str) -> str:
    line = text.count("\n", 0, position) + 1
    # The decoder reports a text that never ends at its opening quotation mark.
    if not text[position:].strip() or problem.startswith("Unterminated string"):
        return f"breaks off in line {line}: the list is not closed. Is the file complete?"
    return f"is not JSON: {problem[0].lower()}{problem[1:]} in line {line}."
