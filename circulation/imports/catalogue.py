"""Titles from other systems, and from the export of another Circdesk.

A title is recognised by its source and its id there; else by its ISBN. What another run finds different in the file
is changed here, except in titles that were recognised only by their ISBN: those belong to somebody else's record, and
only get what they lack. Copies are added, never taken away. `circdesk_id` is kept as the title's id.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from circulation.imports import fields as values
from circulation.imports.branches import Branches
from circulation.imports.columns import TITLE, Columns, listed
from circulation.imports.fields import HIGHEST_KEPT_ID
from circulation.imports.formats.rows import FileError, Row, RowError
from circulation.imports.identity import alike, identity, shown_id
from circulation.imports.loading import Kind, Taken
from circulation.imports.titles import LONGEST_TITLE, MOST_COPIES, add_missing_copies
from events.operations import operation
from library import isbn, locks
from library.bulk import COMING_IN, NewCopy, NewTitle, create_items, create_titles, keep_ids_free
from library.lookups import imported_from, titles_with_isbn
from library.models import BARCODE, Book, Branch, Copy
from library.services import main_branch
from reservations.models import Reservation
from reservations.serving import settle
from reservations.titles import edit_title

# What is kept of a title besides the title itself, with the lengths of the model.
_LENGTHS = {"authors": 1000, "publisher": 120, "category": 50, "language": 35}
_YEARS = range(-5000, 3000)
_WHOLE_YEAR = re.compile(r"(-?\d{1,4})(\.0*)?")  # a spreadsheet's, perhaps
_YEAR = re.compile(r"(?<!\d)(-?\d{4})(?!\d)")
_HANDED_OUT = (Copy.Status.ON_LOAN, Copy.Status.ON_HOLD_SHELF)
_BARCODE = re.compile(BARCODE)
_NUMBERS = re.compile(r"[0-9][0-9 -]{5,16}[0-9Xx]")  # in whatever is written around them
_BETWEEN = re.compile(r"[;,|\s]+")


@dataclass(frozen=True)
class TitleRecord:
    row: Row
    source: str
    source_id: str
    fields: Mapping[str, Any]  # of the model; what the file does not tell is left out
    id: int | None = None
    copies: int = 0
    branch: Branch | None = None  # of copies that come without barcodes
    items: tuple[NewCopy, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.source}\0{self.source_id}" if self.source_id else f"#{self.id}"

    @property
    def isbn(self) -> str:
        return str(self.fields.get("isbn", ""))


@dataclass(frozen=True)
class KnownTitle:
    book: Book
    copies: int  # in any state
    holder_of_isbn: Book | None  # another title that has the ISBN of the record
    is_ours: bool  # recognised by source and id, not by ISBN


class Catalogue(Kind[TitleRecord, KnownTitle]):
    """`copies` is how many each title gets whose row does not say."""

    table = "books"

    def __init__(
        self, *, source: str, branches: Branches, named: Mapping[str, str] | None = None, copies: int = 1
    ) -> None:
        self.source, self._branches, self._copies = source, branches, copies
        self._columns = Columns(TITLE, named)
        self.of_isbn: dict[str, int] = {}  # titles that were recognised by ISBN, by key
        self.refused: set[str] = set()  # keys, and `#` with the id in another Circdesk
        self.ids: set[int] = set()  # the ids in another Circdesk that were taken in

    def expect(self, names: tuple[str, ...]) -> Iterable[str]:
        self._columns.expect(names)
        if "title" not in self._columns.given(names):
            raise FileError(
                f"has no column for the title. Its columns are {listed(names)}. "
                "Name one, under “Columns” or with --map: title=COLUMN"
            )
        if "items" not in names and (unused := self._columns.unused(names)):  # MARC has no columns
            yield f"Columns that are not used: {listed(unused)}."

    def turned_away(self, record: TitleRecord) -> None:
        self.refused |= {record.key, f"#{record.id}"}
        self.ids.discard(record.id or 0)

    def parse(self, row: Row) -> TitleRecord:
        given = self._columns[row]
        notes: list[str] = []
        if "title" not in given:
            raise RowError("There is no title.")
        found: dict[str, Any] = {"title": values.words("title", given["title"], longest=LONGEST_TITLE)}
        for name, longest in _LENGTHS.items():
            if name in given:
                found[name] = values.shortened(name, given[name], notes, longest=longest)
        if number := _isbn(given, notes):
            found["isbn"] = number
        if (year := _year(given, notes)) is not None:
            found["published_year"] = year
        if "in_circulation" in given:
            found["in_circulation"] = values.yes_or_no("in_circulation", given["in_circulation"])
        items = tuple(self._items(row, given, notes))
        instead = (number,) if number else (found["title"], found.get("authors", ""), year, found.get("publisher", ""))
        return TitleRecord(
            row,
            *identity(given, self.source, instead=instead),
            found,
            id=values.whole_number("circdesk_id", given["circdesk_id"], lowest=1, highest=HIGHEST_KEPT_ID)
            if "circdesk_id" in given
            else None,
            copies=0 if items else self._count(given),
            branch=self._branches[given["branch"]] if "branch" in given else None,
            items=items,
            notes=notes,
        )

    def shown(self, record: TitleRecord) -> str:
        return f"“{record.fields['title']}”{shown_id(record.source_id)}"

    def weight(self, record: TitleRecord) -> int:
        return 1 + record.copies + len(record.items)

    def known(self, records: Sequence[TitleRecord]) -> Mapping[Hashable, KnownTitle]:
        by_source = imported_from((r.source for r in records), (r.source_id for r in records))
        by_id = Q(pk__in=[r.id for r in records if r.id is not None])
        books = [*Book.objects.filter(by_source | by_id), *titles_with_isbn(r.isbn for r in records)]
        copies = dict(Copy.objects.filter(book__in=books).values_list("book").annotate(Count("pk")).order_by())
        of_source = {(book.source, book.source_id): book for book in books if book.source_id}
        of_id = {book.pk: book for book in books}
        of_isbn = {book.isbn: book for book in books if book.isbn and book.withdrawn_at is None}
        found: dict[Hashable, KnownTitle] = {}
        for record in records:
            holder = of_isbn.get(record.isbn) if record.isbn else None
            book = of_source.get((record.source, record.source_id))
            if book is None and record.id is not None:
                book = of_id.get(record.id)
            is_ours = book is not None
            if book is None and holder is not None and holder.source != record.source:
                book = holder
                self.of_isbn[record.key] = book.pk
            if record.id is not None:
                self.ids.add(record.id)
            if book is not None:
                other = holder if holder is not None and holder.pk != book.pk else None
                found[record.key] = KnownTitle(book, copies.get(book.pk, 0), other, is_ours)
        return found

    def add(self, records: Sequence[TitleRecord], *, at: datetime) -> Sequence[str]:
        if ids := [record.id for record in records if record.id is not None]:
            keep_ids_free(Book, up_to=max(ids))
        barcodes = [item.barcode for record in records for item in record.items]
        for barcode, title in Copy.objects.filter(barcode__in=barcodes).values_list("barcode", "book__title"):
            raise RowError(f"Barcode {barcode} belongs to “{title}” already.")
        taken = titles_with_isbn(record.isbn for record in records)
        holders = {book.isbn: (book.title, book.source) for book in taken}
        kept: list[TitleRecord] = []
        notes: list[str] = []
        for record in records:
            title, source = holders.setdefault(record.isbn, ("", "")) if record.isbn else ("", "")
            if title and source != record.source:
                raise RowError(f"ISBN {record.isbn} stands at “{title}”.")  # one by one it will be recognised
            # Two records of one system are two titles, whatever their ISBN says.
            notes.append(_without_isbn(record, title) if title else "")
            kept.append(replace(record, fields={**record.fields, "isbn": ""}) if title else record)
            if record.isbn and not title:
                holders[record.isbn] = (record.fields["title"], record.source)
        _add(kept, at=at)
        return notes

    def revise(self, record: TitleRecord, known: KnownTitle, *, at: datetime) -> Taken:
        book = known.book
        if record.id is not None and not _is_same(record, book):
            raise RowError(f"circdesk_id {record.id} already belongs to “{book.title}”, which is another title.")
        if book.withdrawn_at is not None:
            return Taken("unchanged", f"“{book.title}” was withdrawn on {book.withdrawn_at:%Y-%m-%d} and stays so.")
        same_isbn = bool(record.isbn) and record.isbn == book.isbn
        if known.is_ours and not same_isbn and not alike(record.fields["title"], book.title):
            raise RowError(
                f"{record.source_id or record.id} of {record.source or 'this library'} is “{book.title}” here. "
                "If these are another system's: --source NAME"
            )
        notes = []
        wanted = dict(record.fields)
        if known.holder_of_isbn is not None:
            notes.append(_without_isbn(record, known.holder_of_isbn.title))
            del wanted["isbn"]
        if not known.is_ours:
            notes.append(f"“{book.title}” has this ISBN already: it gets only what it lacks.")
            wanted = {name: value for name, value in wanted.items() if getattr(book, name) in ("", None)}
        wanted = {name: value for name, value in wanted.items() if getattr(book, name) != value}
        if wanted:
            edit_title(book_id=book.pk, fields=wanted, at=at)
        added: object = False
        if record.items:
            added = self._add_items(book, record.items, at=at)
        elif known.copies < record.copies:
            added = add_missing_copies(book_id=book.pk, copies=record.copies, at=at, branch=record.branch)
        return Taken("changed" if wanted or added else "unchanged", " ".join(notes))

    def _add_items(self, book: Book, items: Sequence[NewCopy], *, at: datetime) -> bool:
        of_barcode = dict(
            Copy.objects.filter(barcode__in=[item.barcode for item in items]).values_list("barcode", "book")
        )
        for barcode, book_id in of_barcode.items():
            if book_id != book.pk:
                raise RowError(f"Barcode {barcode} belongs to “{Book.objects.get(pk=book_id)}” already.")
        missing = [item for item in items if item.barcode not in of_barcode]
        if missing:
            add_items([(book.pk, item) for item in missing], at=at)
        return bool(missing)

    def _count(self, given: Mapping[str, Any]) -> int:
        if "copies" not in given:
            return self._copies
        written = given["copies"]
        if isinstance(written, str):  # spreadsheets write 3.0
            written = written.strip().removesuffix(".0")
        return values.whole_number("copies", written, lowest=0, highest=MOST_COPIES)

    def _items(self, row: Row, given: Mapping[str, Any], notes: list[str]) -> Iterable[NewCopy]:
        branch = given.get("branch")
        items: list[tuple[str, str, str]] = []
        if "barcodes" in given:
            written = values.words("barcodes", given["barcodes"], longest=100_000).strip(" ;,|")
            items = [(barcode, "", "") for barcode in _BETWEEN.split(written)]
        for name, value in row.pairs if row.record else ():
            if name == "items":
                items += value
        seen: set[str] = set()
        for barcode, place, status in items:
            if barcode in seen:
                notes.append(f"Barcode {barcode} stands here twice: taken once.")
                continue
            seen.add(barcode)
            yield NewCopy(barcode_in(barcode), self._branches[place or branch], copy_status(status))


def copy_status(status: str) -> Copy.Status:
    """The state in which a copy comes in. Raises RowError for one that it cannot come in with.

    A copy that somebody has comes in available: the loan, or the hold, follows.
    """
    wanted = status.strip().lower().replace(" ", "_")
    if wanted in ("", *_HANDED_OUT):
        return Copy.Status.AVAILABLE
    for known in COMING_IN:
        if wanted == known.value:
            return known
    raise RowError(f"status must be one of {', '.join(COMING_IN)}, not {status!r}.")


def barcode_in(text: str) -> str:
    if not _BARCODE.fullmatch(text):
        raise RowError(f"{text[:70]!r} is not a barcode: at most 64 letters, digits, dots, hyphens and underscores.")
    return text


def _isbn(given: Mapping[str, Any], notes: list[str]) -> str:
    """The first sound ISBN. One that lost its leading zeros to a spreadsheet gets them back."""
    # Scientific notation is what a spreadsheet leaves of an ISBN-13: its end is lost, and nothing can be told from it.
    written = " ; ".join(str(given[name]) for name in ("isbn13", "isbn") if name in given and not _is_lost(given[name]))
    for number in (*_BETWEEN.split(written), *_NUMBERS.findall(written)):
        digits = number.strip(" :/.").removesuffix(".0")
        for candidate in (digits, digits.zfill(10)) if 7 <= len(digits) < 10 else (digits,):
            try:
                return isbn.normalised(candidate)
            except ValueError:
                continue
    if written:
        first = written.partition(" ; ")[0].strip()
        notes.append(f"{first[:40]} is not an ISBN: its length or check digit is wrong. Left out.")
    return ""


def _is_lost(value: object) -> bool:
    return "e+" in str(value).lower()


def _year(given: Mapping[str, Any], notes: list[str]) -> int | None:
    written = str(given.get("published_year", "")).strip()
    found = _WHOLE_YEAR.fullmatch(written) or _YEAR.search(written)
    if found and int(found[1]) in _YEARS:
        return int(found[1])
    if written:
        notes.append(f"{written[:40]!r} is not a year: left out.")
    return None


def _without_isbn(record: TitleRecord, title: str) -> str:
    return f"ISBN {record.isbn} stands at “{title}” already: left out here."


def _is_same(record: TitleRecord, book: Book) -> bool:
    if record.source_id and (record.source, record.source_id) == (book.source, book.source_id):
        return True
    return book.pk == record.id and not book.source and alike(record.fields["title"], book.title)


@operation
def _add(records: Sequence[TitleRecord], *, at: datetime) -> None:
    titles = [
        NewTitle(
            Book(pk=record.id, source=record.source, source_id=record.source_id, **record.fields),
            copies=record.copies,
            branch=record.branch,
            items=record.items,
        )
        for record in records
    ]
    create_titles(titles, branch=main_branch(), at=at)


@operation
def add_items(items: Sequence[tuple[int, NewCopy]], *, at: datetime) -> None:
    """Add copies with their barcodes to titles, to their lines first. Raises BookNotFound, Duplicate."""
    books = locks.lock_books(book_id for book_id, _ in items)
    create_items(items, at=at)
    for book_id in _waited_for(books):
        settle(books[book_id], at=at)


def _waited_for(book_ids: Iterable[int]) -> set[int]:
    return set(Reservation.objects.live().filter(book__in=book_ids).order_by().values_list("book", flat=True))
