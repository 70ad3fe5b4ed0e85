"""The files of a library: what each of them is, shown by its columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from circulation.imports.columns import BRANCH, COPY, LOAN, MEMBER, POLICY, RESERVATION, TITLE, Columns, folded, listed
from circulation.imports.formats.reading import File, read
from circulation.imports.formats.rows import FileError, Row
from circulation.imports.whole.evergreen import TABLES

# In the order in which they need each other.
KINDS = ("branches", "policies", "titles", "copies", "members", "loans", "reservations")
_TEXTS = (".md", ".txt", ".html", ".pdf", ".rst")


@dataclass(frozen=True)
class Folder:
    """What was found in a directory."""

    path: Path
    files: dict[str, list[File]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    evergreen: dict[str, File] = field(default_factory=dict)  # by the names of its tables
    left_out: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, file: File) -> None:
        """Raises FileError for a file that is nothing of a library."""
        row = file.items.first_row
        if row is None:
            raise FileError("holds no rows.")
        table = next((name for name, columns in TABLES.items() if columns <= set(row.names)), None)
        kind = None if table else kind_of(row)
        if table in self.evergreen:
            raise FileError(f"holds {table} of Evergreen, as {self.evergreen[str(table)].path.name} does.")
        if table:
            self.evergreen[table] = file
        elif kind:
            self.files[kind].append(file)
        else:
            raise FileError(f"is no table of a library that is known here. Its columns are {listed(row.names)}.")


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
        if not (folder.problems or folder.files["titles"] or "bibs" in folder.evergreen):
            folder.problems.append(f"{path} holds no file of titles.")
        yield folder
    finally:
        for file in read_files:
            file.items.close()


def kind_of(row: Row) -> str | None:
    """Which of `KINDS` a row is of."""
    names = {folded(name) for name in row.names}
    title, member, copy = (Columns(fields).given(row) for fields in (TITLE, MEMBER, COPY))
    if row.record or "bookname" in names:
        return "titles"
    if "loan_days" in Columns(POLICY).given(row):
        return "policies"
    if Columns(BRANCH).given(row) == {"name", "time_zone"}:
        return "branches"
    if "placed_at" in Columns(RESERVATION).given(row):
        return "reservations"
    if {"barcode", "lent_at", "due_at"} <= Columns(LOAN).given(row):
        return "loans"
    if "membername" in names or member & {"first_name", "last_name"}:
        return "members"
    if "name" in member and member & {"card_number", "email", "expires_on"} and "authors" not in title:
        return "members"
    if "title" in title:
        return "titles"
    if "barcode" in copy and copy & {"book", "circdesk_book_id"}:
        return "copies"
    return None
