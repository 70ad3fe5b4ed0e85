"""What can be imported file by file: titles, and members."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from circulation.imports.branches import branches, categories
from circulation.imports.catalogue import Catalogue
from circulation.imports.columns import MEMBER, TITLE
from circulation.imports.fields import text
from circulation.imports.formats.files import MARC
from circulation.imports.formats.reading import File
from circulation.imports.formats.rows import FileError, RowError
from circulation.imports.identity import LONGEST_SOURCE
from circulation.imports.loading import Kind
from circulation.imports.members import Members
from circulation.imports.people import People
from circulation.imports.titles import SOURCE, Titles

AnyKind = Kind[Any, Any]

LONGEST_MESSAGE = 1000  # characters of a line about a row


@dataclass(frozen=True)
class Importable:
    """Files of one kind of record."""

    table: str  # what it is usually called, in a format that has several in one file
    fields: Mapping[str, Any]  # those whose column somebody may name
    # What takes in the rows of a file with these columns, some of them named, from this source. Raises FileError.
    kind_for: Callable[[File, tuple[str, ...], Mapping[str, str], str], AnyKind]


class Ready(NamedTuple):
    """A file, and what will take it in."""

    file: File
    kind: AnyKind
    table: str | None
    notes: list[str]


def ready(of: Importable, file: File, named: Mapping[str, str], source: str) -> Ready:
    """The first table of a file whose columns will do, the one with the usual name before others. Raises FileError."""
    problem: FileError | None = None
    for table in sorted(file.items.tables or [None], key=lambda table: table != of.table):
        columns = file.items.names(table)
        try:
            kind = of.kind_for(file, columns, named, source)
            return Ready(file, kind, table, list(kind.expect(columns)))
        except FileError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def columns_named(pairs: Iterable[str], fields: Mapping[str, Any]) -> dict[str, str]:
    """Of `field=column` each. Raises ValueError."""
    named: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not column or name not in fields:
            raise ValueError(f"{pair}: write FIELD=COLUMN. Fields: {', '.join(fields)}.")
        named[name] = column
    return named


def source_of(name: str) -> str:
    """What the records of a file with this name are from, unless somebody says it."""
    source = PurePath(name).name.lstrip(".").split(".")[0].strip()[:LONGEST_SOURCE]
    source = source.encode("utf-8", "replace").decode()
    return f"{source or 'a'} file" if source in ("", SOURCE) else source


def source_said(said: str) -> str:
    """What somebody says that the records are from. Raises ValueError."""
    try:
        name = text("source", said, longest=LONGEST_SOURCE).strip()
    except RowError as problem:
        raise ValueError(str(problem)) from problem
    if name == SOURCE:
        raise ValueError(f"{SOURCE} is what records of the reservation challenge are marked with.")
    return name


def printable(line: str) -> str:
    """A line as it may be shown: control characters and half surrogate pairs are written out, and it ends somewhere."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "replace").decode()
        for character in line[:LONGEST_MESSAGE]
    )
    return shown if len(line) <= LONGEST_MESSAGE else f"{shown}..."


def _titles(file: File, columns: tuple[str, ...], named: Mapping[str, str], source: str) -> AnyKind:
    if not named and is_challenge(columns, "bookname"):
        return Titles()
    return Catalogue(source=source, branches=branches(), named=named)


def _members(file: File, columns: tuple[str, ...], named: Mapping[str, str], source: str) -> AnyKind:
    if file.reader in MARC:
        raise FileError("is a file of catalogue records. Import it with import_books.")
    if not named and is_challenge(columns, "membername"):
        return Members()
    return People(source=source, branches=branches(), categories=categories(), named=named)


def is_challenge(columns: Collection[str], name: str) -> bool:
    """Whether these columns are of the reservation challenge, whose ids become ours."""
    return not columns or name in map(str.lower, columns)


BOOKS = Importable(Catalogue.table, TITLE, _titles)
MEMBERS = Importable(People.table, MEMBER, _members)
