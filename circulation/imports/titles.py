"""Titles from files that bring their own ids: BookID, BookName, NumberOfCopies.

BookID becomes the title's id, so the id is the identity: a title made here is marked with source `import` and its
BookID, and another run finds it by that mark. A title that has the id without the mark belongs to somebody else,
and the row is refused. For titles with the mark,

- another name in the file becomes the title's name;
- copies that the file has and the library never had are added. Copies are never taken away: one that the library
  lost or withdrew still counts, so that another run does not bring it back;
- a title that the library withdrew stays withdrawn.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from circulation.imports.fields import HIGHEST_ID, Fields
from circulation.imports.formats.rows import Row, RowError
from circulation.imports.loading import Kind, Taken
from events.operations import operation
from library import locks
from library.bulk import NewTitle, create_titles, keep_ids_free
from library.models import Book, Branch, Copy
from library.services import create_copies, main_branch
from reservations.serving import settle
from reservations.titles import edit_title

SOURCE = "import"
MOST_COPIES = 1000  # of one title; more is a slip of the keyboard
LONGEST_TITLE = 500  # characters, as in the model


@dataclass(frozen=True)
class TitleRow:
    row: Row
    key: int  # the BookID
    name: str
    copies: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnownTitle:
    book: Book
    copies: int  # in any state: lost and withdrawn ones count


class Titles(Kind[TitleRow, KnownTitle]):
    table = "books"

    def parse(self, row: Row) -> TitleRow:
        fields = Fields(row, ("BookID", "BookName", "NumberOfCopies"))
        return TitleRow(
            row,
            fields.whole_number("BookID", highest=HIGHEST_ID),
            fields.text("BookName", longest=LONGEST_TITLE),
            fields.whole_number("NumberOfCopies", highest=MOST_COPIES),
        )

    def in_order(self, records: Iterable[TitleRow]) -> Iterable[TitleRow]:
        """By ascending id, so that two imports at a time wait for each other rather than deadlock."""
        return sorted(records, key=lambda record: record.key)

    def shown(self, record: TitleRow) -> str:
        return f"BookID {record.key}"

    def weight(self, record: TitleRow) -> int:
        return 1 + record.copies

    def known(self, records: Sequence[TitleRow]) -> Mapping[Hashable, KnownTitle]:
        books = Book.objects.in_bulk([record.key for record in records])
        counts = Copy.objects.filter(book__in=books).values_list("book").annotate(Count("pk")).order_by()
        copies = dict(counts)
        return {book_id: KnownTitle(book, copies.get(book_id, 0)) for book_id, book in books.items()}

    def add(self, records: Sequence[TitleRow], *, at: datetime) -> Sequence[str]:
        keep_ids_free(Book, up_to=max(record.key for record in records))
        _add(records, at=at)
        return [""] * len(records)

    def revise(self, record: TitleRow, known: KnownTitle, *, at: datetime) -> Taken:
        book = known.book
        if (book.source, book.source_id) != (SOURCE, str(record.key)):
            raise RowError(f"BookID {record.key} already belongs to “{book.title}”, which no import made.")
        if book.withdrawn_at is not None:
            return Taken("unchanged", f"“{book.title}” was withdrawn on {book.withdrawn_at:%Y-%m-%d} and stays so.")
        renamed = book.title != record.name
        if renamed:
            edit_title(book_id=record.key, fields={"title": record.name}, at=at)
        added = known.copies < record.copies and add_missing_copies(book_id=record.key, copies=record.copies, at=at)
        note = f"“{record.name}” has {known.copies} copies here: kept." if known.copies > record.copies else ""
        return Taken("changed" if renamed or added else "unchanged", note)


@operation
def _add(records: Sequence[TitleRow], *, at: datetime) -> None:
    titles = [
        NewTitle(Book(pk=record.key, title=record.name, source=SOURCE, source_id=str(record.key)), copies=record.copies)
        for record in records
    ]
    create_titles(titles, branch=main_branch(), at=at)


@operation
def add_missing_copies(*, book_id: int, copies: int, at: datetime, branch: Branch | None = None) -> int:
    """Add what is missing up to so many copies, to the line first. Returns how many were added.

    Counted under the title's lock, so that two imports at a time do not both add them.
    """
    book = locks.lock_book(book_id)
    missing = copies - Copy.objects.filter(book=book).count()
    if missing <= 0:
        return 0
    create_copies(book, count=missing, branch=branch or main_branch(), at=at)
    settle(book, at=at)
    return missing
