"""Which kind of records a file holds, as its beginning shows: titles or members."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from circulation.imports.columns import MEMBER, TITLE, folded
from circulation.imports.formats import csv_rows, json_rows, sql_rows
from circulation.imports.formats.files import MARC, reader_of
from circulation.imports.formats.source import HEAD, Source

Recognised = Literal["books", "members"]

_KEY = re.compile(r'"([^"\n]{1,60})"\s*:')
_TABLE = re.compile(r"(?:create\s+table|insert\s+into|copy)\s([^()]{1,200})\(([^)]*)\)", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_OF_TITLES = {name for names in TITLE.values() for name in names} | {"bookname", "books"}
_OF_MEMBERS = {name for names in MEMBER.values() for name in names} | {"members"}


def recognised(content: BinaryIO, columns: Iterable[str] = ()) -> Recognised | None:
    """By the names of its columns; None if they may be of either. Raises FileError for what is no such file at all."""
    content.seek(0)
    with tempfile.NamedTemporaryFile(prefix="circdesk-") as beginning:
        beginning.write(content.read(HEAD))
        beginning.flush()
        source = Source(Path(beginning.name))
        reader = reader_of(source, list(columns))
        if reader in MARC:
            return "books"
        names = {folded(name) for name in _names(reader, source.beginning)}
    titles, members = len(names & _OF_TITLES - _OF_MEMBERS), len(names & _OF_MEMBERS - _OF_TITLES)
    return None if titles == members else "books" if titles > members else "members"


def _names(reader: object, text: str) -> Iterator[str]:
    if reader is csv_rows.rows:
        yield from csv_rows.header(text)
    elif reader is json_rows.rows:
        yield from _KEY.findall(text)
    elif reader is sql_rows.rows:
        for table, columns in _TABLE.findall(text):
            yield from _WORD.findall(f"{table} {columns}")
