"""The files of a library: what each of them is, shown by its columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from circulation.imports.columns import BRANCH, COPY, LOAN, MEMBER, POLICY, RESERVATION, TITLE, Columns, folded, listed
from circulation.imports.formats.reading import File, read
from circulation.imports.formats.rows import FileError
from circulation.imports.whole.evergreen import TABLES

# In the order in which they need each other.
KINDS = ("branches", "policies", "titles", "copies", "members", "loans", "reservations")
_OF_MEMBERS = ("members", "patrons", "borrowers", "users", "readers")
_TEXTS = (".md", ".txt", ".html", ".pdf", ".rst")


class Table(NamedTuple):
    """Rows of one kind in a file. `name` is that of the table, in a format that has several in one file."""

    file: File
    name: str | None


@dataclass(frozen=True)
class Folder:
    """What was found in a directory."""

    path: Path
    tables: dict[str, list[Table]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    evergreen: dict[str, File] = field(default_factory=dict)  # by the names of its tables
    left_out: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, file: File) -> None:
        """Raises FileError for a file that is nothing of a library."""
        if not file.items.tables:
            raise FileError("holds no rows.")
        known = False
        for name in file.items.tables:
            names = file.items.names(name)
            table = next((table for table, columns in TABLES.items() if columns <= set(names)), None)
            if table in self.evergreen:
                raise FileError(f"holds {table} of Evergreen, as {self.evergreen[str(table)].path.name} does.")
            if table:
                self.evergreen[table] = file
            elif kind := kind_of(names, file.path.stem):
                self.tables[kind].append(Table(file, name))
            known = known or bool(table or kind)
        if not known:
            columns = listed(file.items.names(file.items.tables[0]))
            raise FileError(f"is no table of a library that is known here. Its columns are {columns}.")


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """The files of a directory, each read to its end. Raises FileError for what is no directory."""
    if not path.is_dir():
        raise FileError("is not a directory." if path.exists() else "does not exist.")
    folder = Folder(path)
    read_files: list[File] = []
    try:
        for each in sorted(path.iterdir()):
            if each.is_dir() or each.name.startswith("."):
                continue
            if each.suffix.lower() in _TEXTS:
                folder.left_out.append(each)
                continue
            try:
                file = read(each)
                read_files.append(file)
                folder.add(file)
            except FileError as problem:
                folder.problems.append(f"{each} {problem}")
        if not (folder.problems or any(folder.tables.values()) or folder.evergreen):
            folder.problems.append(f"{path} holds no table of a library.")
        yield folder
    finally:
        for file in read_files:
            file.items.close()


def kind_of(columns: tuple[str, ...], stem: str) -> str | None:
    """Which of `KINDS` rows with these columns are of. Where they leave it open, the name of the file decides."""
    names = {folded(name) for name in columns}
    title, member, copy = (Columns(fields).given(columns) for fields in (TITLE, MEMBER, COPY))
    if "items" in names or "bookname" in names:  # as MARC records have them; of the reservation challenge
        return "titles"
    if "loan_days" in Columns(POLICY).given(columns):
        return "policies"
    if {"name", "time_zone"} <= Columns(BRANCH).given(columns):
        return "branches"
    if "placed_at" in Columns(RESERVATION).given(columns):
        return "reservations"
    if {"barcode", "lent_at", "due_at"} <= Columns(LOAN).given(columns):
        return "loans"
    if "membername" in names or member & {"first_name", "last_name"}:
        return "members"
    if "name" in member and (member & {"card_number", "email", "expires_on"} or folded(stem) in _OF_MEMBERS):
        return "members"
    if "title" in title:
        return "titles"
    if "barcode" in copy and copy & {"book", "circdesk_book_id"}:
        return "copies"
    return None
