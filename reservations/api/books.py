"""The catalogue over HTTP, with availability."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Left
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from library import cache, search
from library.api.operations import OperationView
from library.api.serializers import CopiesInput, CopyOut, copy_data
from library.exceptions import BookNotFound
from library.models import UNKNOWN_YEAR, Book, Copy
from library.services import add_title, book_revision
from reservations import availability, titles
from reservations.api.serializers import (
    AvailabilityOut,
    BookInput,
    BookOut,
    CatalogueOut,
    CatalogueQuery,
    FacetsOut,
    NewBookInput,
    book_data,
)
from rest import replica
from rest.answers import Answer
from rest.pagination import Orderings, Page, PageRequest, page_data, paginate
from rest.schema import endpoint, page_of, page_query
from rest.serializers import shown, written

ORDERINGS: Orderings = {
    "id": F("pk"),
    "title": search.BEGINS,
    "author": Left("authors_folded", 100),
    "published_year": Coalesce("published_year", UNKNOWN_YEAR),
}
EXAMPLE = {"title": "Middlemarch", "author": "George Eliot", "isbn": "9780141439549", "copies": 2}
# The best of what a search finds come first, unless another order is asked for.
TITLES_PAGE = page_query([*ORDERINGS, "relevance"], default=None)


class BookList(OperationView):
    tag = "catalogue"

    @endpoint(
        name="books_list",
        summary="Search and list titles",
        query=[CatalogueQuery, *TITLES_PAGE],
        answers={200: page_of(BookOut, facets=FacetsOut(required=False, help_text="Only with `facets=true`."))},
    )
    def get(self, request: Request) -> Answer:
        asked = self.query(CatalogueQuery)
        if settings.SERVICE == "public":
            asked.setdefault("available", True)
        page = page_asked(request, asked)
        # What depends on copies is asked of the database every time: it must equal what was last committed.
        if asked.keys() & {"available", "branch"}:
            found = _catalogue_page(asked, page)
        else:
            name = str((sorted(asked.items()), page))
            found = cache.read("book_list", cache.CATALOGUE, lambda: _catalogue_page(asked, page), name=name)
        numbers = availability.of_many([row["id"] for row in found["rows"]])
        results = [book_data(row, numbers[row["id"]]) for row in found["rows"] if row["id"] in numbers]
        data = page_data(request, found["next"], found["previous"], found["count"], results)
        return Answer(data if found["facets"] is None else data | {"facets": found["facets"]})

    @endpoint(
        name="books_create",
        summary="Add a title",
        description="`title` and `author` are enough; it gets one copy unless `copies` says otherwise.",
        request=NewBookInput,
        answers={201: BookOut},
        headers={201: ["Location"]},
        refusals=["DUPLICATE"],
        keyed=True,
        example=EXAMPLE,
    )
    def post(self, request: Request) -> HttpResponseBase:
        return add(self)


def add(view: OperationView) -> HttpResponseBase:
    """Add the title that a request describes."""
    return view.perform(add_title, _added, would="add", at=timezone.now(), **view.parsed(NewBookInput))


def page_asked(request: Request, asked: dict[str, Any]) -> PageRequest:
    """Which page of titles: in the order of their relevance where something was searched for, unless asked."""
    return PageRequest.of(request, _orderings(asked), "relevance" if asked.get("search") else "id")


def page_of_titles(books: QuerySet[Book], asked: dict[str, Any], page: PageRequest) -> Page[Book]:
    """A page of the titles that were asked for. In the order of their relevance, the best thousand are all there is."""
    by_relevance = page.ordering.removeprefix("-") == "relevance"
    return paginate(search.filtered(books, asked, only_best=by_relevance), page, _orderings(asked))


def _orderings(asked: dict[str, Any]) -> Orderings:
    text = asked.get("search")
    return {**ORDERINGS, "relevance": search.relevance(text)} if text else ORDERINGS


def _catalogue_page(asked: dict[str, Any], page: PageRequest) -> dict[str, Any]:
    return replica.read(lambda: _catalogue_read(asked, page))


def _catalogue_read(asked: dict[str, Any], page: PageRequest) -> dict[str, Any]:
    found = page_of_titles(Book.objects.held(), asked, page)
    return {
        "rows": written(CatalogueOut, found.rows),
        "next": found.next,
        "previous": found.previous,
        "count": found.count,
        "facets": search.facets(search.filtered(Book.objects.held(), asked)) if asked.get("facets") else None,
    }


def _added(book: Book) -> Answer:
    data = _fresh(book)
    headers = {"Location": f"/api/books/{book.pk}/"}
    return Answer(data, f"“{book.title}” added, number {book.pk}.", status=201, headers=headers)


def _fresh(book: Book) -> dict[str, Any]:
    """A title as it is now, asked of PostgreSQL alone: this may run while its lock is held."""
    return book_data(shown(CatalogueOut, book), availability.count([book.pk])[book.pk])


def _etag(revision: str, version: int) -> str:
    return f'"{revision}.{version}"'


class BookDetail(OperationView):
    tag = "catalogue"

    @endpoint(name="books_read", summary="One title", answers={200: BookOut}, refusals=["BOOK_NOT_FOUND"])
    def get(self, request: Request, book_id: int) -> Answer:
        group = cache.title_group(book_id)
        found = cache.read_many("book", {book_id: group}, _catalogue_of)
        numbers = availability.of(book_id)
        if book_id not in found:
            raise BookNotFound(book_id)
        catalogue, revision = found[book_id]
        return Answer(book_data(catalogue, numbers), headers={"ETag": _etag(revision, numbers["version"])})

    @endpoint(
        name="books_replace",
        summary="Replace a catalogue record",
        description="Fields that are left out are emptied. Taking a title out of circulation cancels its reservations.",
        request=BookInput,
        answers={200: BookOut},
        headers={200: ["ETag"]},
        refusals=["BOOK_NOT_FOUND", "DUPLICATE"],
        versioned=True,
        example={"title": "Middlemarch", "author": "George Eliot", "publisher": "Penguin"},
    )
    def put(self, request: Request, book_id: int) -> Answer:
        return self._edited(book_id, self.parsed(BookInput))

    @endpoint(
        name="books_update",
        summary="Change a catalogue record",
        description="Only the fields that are given. Taking a title out of circulation cancels its reservations.",
        request=BookInput,
        answers={200: BookOut},
        headers={200: ["ETag"]},
        refusals=["BOOK_NOT_FOUND", "DUPLICATE"],
        versioned=True,
        example={"in_circulation": False},
    )
    def patch(self, request: Request, book_id: int) -> Answer:
        return self._edited(book_id, self.parsed(BookInput, partial=True))

    def _edited(self, book_id: int, fields: dict[str, Any]) -> Answer:
        book = self.change(
            titles.edit_title,
            book_id=book_id,
            fields=fields,
            at=timezone.now(),
            expected=self.expected_revision(),
        )
        data = _fresh(book)
        etag = _etag(book_revision(book), data["version"])
        return Answer(data, f"“{book.title}” saved.", headers={"ETag": etag})

    @endpoint(
        name="books_withdraw",
        summary="Withdraw a title",
        description="The title and its copies leave the library for good. Reservations are cancelled.",
        answers={200: None},
        refusals=["BOOK_NOT_FOUND", "BOOK_HAS_OPEN_LOANS", "BUSY"],
        versioned=True,
    )
    def delete(self, request: Request, book_id: int) -> Answer:
        return withdraw(self, book_id)


def withdraw(view: OperationView, book_id: int) -> Answer:
    """Take the title out of the library, in the version that a request expects."""
    book = view.change(titles.withdraw_title, book_id=book_id, at=timezone.now(), expected=view.expected_revision())
    return Answer(None, f"“{book.title}” withdrawn.")


def _catalogue_of(book_ids: list[int]) -> dict[int, Any]:
    books = Book.objects.held().filter(pk__in=book_ids)
    return {book.pk: [shown(CatalogueOut, book), book_revision(book)] for book in books}


# The numbers are JSON as they stand: AvailabilityOut names them and need not write each once more.
AVAILABILITY = tuple(AvailabilityOut().fields)


def availability_data(numbers: availability.Availability) -> dict[str, Any]:
    """An AvailabilityOut of these numbers."""
    wait = availability.estimated_wait_days(numbers, at=timezone.now())
    data: dict[str, Any] = {**numbers, "estimated_wait_days": wait}
    return {name: data[name] for name in AVAILABILITY}


COPY_ORDERINGS: Orderings = {"id": F("pk"), "barcode": F("barcode")}


class BookCopies(OperationView):
    tag = "copies"

    @endpoint(
        name="copies_list",
        summary="The copies of a title",
        query=page_query(COPY_ORDERINGS, "id"),
        answers={200: page_of(CopyOut)},
        refusals=["BOOK_NOT_FOUND"],
    )
    def get(self, request: Request, book_id: int) -> Answer:
        if not Book.objects.held().filter(pk=book_id).exists():
            raise BookNotFound(book_id)
        copies = Copy.objects.filter(book=book_id).select_related("branch")
        page = paginate(copies, PageRequest.of(request, COPY_ORDERINGS, "id"), COPY_ORDERINGS)
        results = [copy_data(copy, for_staff=self.caller.is_staff) for copy in page.rows]
        return Answer(page_data(request, page.next, page.previous, page.count, results))

    @endpoint(
        name="copies_create",
        summary="Add copies",
        description="They go to the line first, the rest to the shelf. Without `barcodes` they are numbered.",
        request=CopiesInput,
        answers={201: CopyOut(many=True)},
        refusals=["BOOK_NOT_FOUND", "DUPLICATE"],
        keyed=True,
        example={"count": 2, "branch": "Main Library"},
    )
    def post(self, request: Request, book_id: int) -> HttpResponseBase:
        asked = self.parsed(CopiesInput)
        return self.perform(titles.add_copies, _copies_added, would="add", at=timezone.now(), book_id=book_id, **asked)


def _copies_added(copies: list[Copy]) -> Answer:
    barcodes = ", ".join(copy.barcode for copy in copies)
    return Answer(written(CopyOut, copies), f"Added: {barcodes}.", status=201)
