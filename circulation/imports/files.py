"""From a path to rows: what kind of file it is shows in its content, not in its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from circulation.imports import json_rows, sql_rows
from circulation.imports.rows import FileError, Item, Progress, Reader


class Format(NamedTuple):
    recognises: Callable[[str], bool]
    rows: Reader


# The first that recognises the beginning of a text reads it.
FORMATS = (
    Format(json_rows.recognises, json_rows.rows),
    Format(sql_rows.recognises, sql_rows.rows),
)


def read_text(path: Path) -> str:
    """The whole text of a UTF-8 file, without a byte order mark. Raises FileError, also for an empty file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise FileError("does not exist.") from error
    except IsADirectoryError as error:
        raise FileError("is a directory.") from error
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise FileError("is not a text file in UTF-8.") from error
    if "\0" in text:
        raise FileError("is not a text file.")
    if not text.strip():
        raise FileError("is empty.")
    return text


def rows_of(text: str, progress: Progress) -> Iterator[Item]:
    """The rows of a text in any of the formats. Raises FileError, at any row."""
    beginning = text.lstrip()
    for recognises, rows in FORMATS:
        if recognises(beginning):
            return rows(text, progress)
    raise FileError("is neither a JSON list nor SQL statements.")
