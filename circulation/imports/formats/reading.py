"""Reading files whole before anything of them is taken in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from circulation.imports.formats.files import MARC, Reader, reader_of
from circulation.imports.formats.rows import FileError, Note
from circulation.imports.formats.source import Source
from circulation.imports.formats.spool import Spool
from circulation.progress import bar

_NOW_AND_THEN = 200  # items


@dataclass(frozen=True)
class File:
    """A file that was read to its end and is sound. Close its items in the end."""

    path: Path
    reader: Reader
    items: Spool


def read(path: Path, named: Mapping[str, str] | None = None) -> File:
    """Raises FileError for a file that cannot be read to its end; `named` are columns that somebody named."""
    source = Source(path)
    reader = reader_of(source, (named or {}).values())
    with ExitStack() as stack:
        items = stack.enter_context(Spool())
        _fill(items, reader, source)
        stack.pop_all()
    return File(path, reader, items)


def _fill(items: Spool, reader: Reader, source: Source) -> None:
    with bar(f"Reading {source.path.name}", total=source.size, unit="B", bytes_=True) as progress:
        try:
            for number, item in enumerate(reader(source)):
                items.add(item)
                if number % _NOW_AND_THEN == 0:
                    progress.update(source.position - progress.n)
            items.flush()
        except RecursionError as error:
            raise FileError("is nested too deeply.") from error
    if not len(items):
        raise FileError("holds no rows.")
    if reader not in MARC and source.is_guessed:
        items.add(Note(1, "Not in UTF-8: read as Latin-1 (Windows-1252). Please look at the accents."))
