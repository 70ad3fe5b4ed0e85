"""What an admin's service and a public one ask of the library: books, and who has them until when.

A user is a member. `POST /api/users/` and the public list `GET /api/books/` are the native ones.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from circulation.api.desk import CHECK_OUT_REFUSALS, lent_to
from circulation.api.members import MEMBERS_QUERY, OfMember, members_found
from circulation.api.serializers import LoanOut
from circulation.models import Loan
from circulation.services import Lent, Queued, check_out
from integrations.contracts import borrowed
from library import search
from library.api.operations import OperationView
from library.api.serializers import MemberOut
from library.exceptions import BookNotFound
from library.models import Book, Copy, Member
from reservations import availability
from reservations.api.books import EXAMPLE, TITLES_PAGE, add, page_asked, page_of_titles, withdraw
from reservations.api.serializers import BookOut, BookQuery, CatalogueOut, NewBookInput, book_data
from reservations.availability import Availability
from reservations.titles import edit_title
from rest.answers import Answer
from rest.pagination import page_data
from rest.schema import Parameters, endpoint, page_of
from rest.serializers import Identifier, Moment, StrictSerializer, WholeNumber, shown, written

STATUSES = ["available", "borrowed", "unavailable"]


# --- The public service ----------------------------------------------------------------------------------------------


class BorrowForDaysInput(StrictSerializer):
    """Who, what, and for how many days."""

    user_id = Identifier(
        source="member_id", required=False, help_text="By default whoever is signed in; staff must name somebody."
    )
    book_id = Identifier()
    days = WholeNumber(required=False, min_value=1, max_value=3650, help_text="At most what the loan policy allows.")


class Borrow(OperationView):
    tag = "two services"

    @endpoint(
        name="books_borrow",
        summary="Borrow a book for so many days",
        description="Any free copy of it. With nothing free it is refused: nobody joins the line here.",
        request=BorrowForDaysInput,
        answers={201: LoanOut},
        refusals=["MEMBER_NOT_FOUND", "BOOK_NOT_FOUND", *CHECK_OUT_REFUSALS, "NO_COPY_AVAILABLE"],
        keyed=True,
        example={"user_id": 2, "book_id": 1, "days": 7},
    )
    def put(self, request: Request) -> HttpResponseBase:
        asked = self.for_member(self.parsed(BorrowForDaysInput), named="user_id")
        return self.perform(check_out, _borrowed, would="lend", at=timezone.now(), on_unavailable="refuse", **asked)


def _borrowed(result: Lent | Queued) -> Answer:
    assert isinstance(result, Lent)  # it was told to refuse
    return Answer(shown(LoanOut, result.loan), lent_to(result.loan), status=201)


# --- The admin's service: books --------------------------------------------------------------------------------------


class BorrowerOut(serializers.Serializer[Copy]):
    """Who has a copy, and until when."""

    user_id = serializers.IntegerField(source="holder_id")
    name = serializers.CharField(source="holder.name")
    copy_barcode = serializers.CharField(source="barcode")
    due_at = Moment()


class StatusBookOut(BookOut):
    """A title with its status: a copy is free; all that could be are lent; or it cannot be had."""

    status = serializers.ChoiceField(STATUSES)
    expected_return_at = serializers.DateTimeField(allow_null=True, help_text="When the first copy on loan is due.")
    borrowers = BorrowerOut(many=True)


@extend_schema_field({"type": "string", "enum": ["available", "unavailable"]})
class SettableStatus(serializers.ChoiceField):
    """A status that can be set; and an explanation for who tries the third."""

    default_error_messages = {
        "not_by_hand": "A book becomes borrowed by being lent, not by hand. Write available or unavailable."
    }

    def to_internal_value(self, data: Any) -> Any:
        status = super().to_internal_value(data)
        if status == "borrowed":
            self.fail("not_by_hand")
        return status


class StatusInput(StrictSerializer):
    """A title, and whether it may be borrowed."""

    book_id = Identifier()
    status = SettableStatus(STATUSES, help_text="`borrowed` cannot be set by hand.")


def with_status(books: list[Book]) -> list[dict[str, Any]]:
    """Each title as a `StatusBookOut`, but for those that were withdrawn this moment."""
    numbers = availability.of_many({book.pk for book in books})
    lent: dict[int, list[Copy]] = defaultdict(list)
    on_loan = Copy.objects.filter(book__in=books, status=Copy.Status.ON_LOAN)
    for copy in on_loan.select_related("holder").order_by("due_at", "pk"):
        lent[copy.book_id].append(copy)
    return [
        {
            **book_data(shown(CatalogueOut, book), numbers[book.pk]),
            "status": _status(book, numbers[book.pk]),
            "expected_return_at": numbers[book.pk]["next_due_at"],
            "borrowers": written(BorrowerOut, lent[book.pk]),
        }
        for book in books
        if book.pk in numbers
    ]


def _status(book: Book, numbers: Availability) -> str:
    if book.in_circulation and numbers["available"]:
        return "available"
    return "borrowed" if book.in_circulation and numbers["on_loan"] else "unavailable"


class BookPages(OperationView):
    """Titles with their status."""

    tag = "two services"

    def page(self, books: QuerySet[Book]) -> Answer:
        """A page of these titles, narrowed by the filters of the catalogue."""
        asked = self.query(BookQuery)
        page = page_of_titles(books, asked, page_asked(self.request, asked))
        return Answer(page_data(self.request, page.next, page.previous, page.count, with_status(page.rows)))


QUERY: list[Parameters] = [BookQuery, *TITLES_PAGE]
PAGE = page_of(StatusBookOut)


class Books(BookPages):
    @endpoint(name="admin_books_list", summary="All books, with their status", query=QUERY, answers={200: PAGE})
    def get(self, request: Request) -> Answer:
        return self.page(Book.objects.held())

    @endpoint(
        name="admin_books_create",
        summary="Add a book",
        request=NewBookInput,
        answers={201: BookOut},
        headers={201: ["Location"]},
        refusals=["DUPLICATE"],
        keyed=True,
        example=EXAMPLE,
    )
    def post(self, request: Request) -> HttpResponseBase:
        return add(self)

    @endpoint(
        name="admin_books_status",
        summary="Take a book out of circulation, or put it back",
        description="Open loans stand. Taken out, its reservations are cancelled.",
        request=StatusInput,
        answers={200: StatusBookOut},
        refusals=["BOOK_NOT_FOUND"],
        versioned=True,
        example={"book_id": 1, "status": "unavailable"},
    )
    def put(self, request: Request) -> Answer:
        asked = self.parsed(StatusInput)
        book = self.change(
            edit_title,
            book_id=asked["book_id"],
            fields={"in_circulation": asked["status"] == "available"},
            at=timezone.now(),
            expected=self.expected_revision(),
        )
        rows = with_status([book])
        if not rows:  # somebody withdrew it right after
            raise BookNotFound(book.pk)
        where = "back in circulation" if book.in_circulation else "out of circulation"
        return Answer(rows[0], f"“{book.title}” is {where}.")


class Removal(OperationView):
    tag = "two services"

    @endpoint(
        name="admin_books_remove",
        summary="Remove a book from the library",
        description="With all its copies, for good. Reservations are cancelled.",
        answers={200: None},
        refusals=["BOOK_NOT_FOUND", "BOOK_HAS_OPEN_LOANS", "BUSY"],
        versioned=True,
    )
    def delete(self, request: Request, book_id: int) -> Answer:
        return withdraw(self, book_id)


class BorrowedBooks(BookPages):
    @endpoint(
        name="admin_books_borrowed",
        summary="Books on loan: who has them, and when they are expected back",
        query=QUERY,
        answers={200: PAGE},
    )
    def get(self, request: Request) -> Answer:
        # The copies of one title after the other: see library/search.py.
        on_loan = Copy.objects.filter(book=OuterRef("pk") + 0, status=Copy.Status.ON_LOAN)
        return self.page(Book.objects.held().filter(Exists(on_loan)))


class UnavailableBooks(BookPages):
    @endpoint(
        name="admin_books_unavailable",
        summary="Books that cannot be borrowed now, and when the next copy is expected back",
        query=QUERY,
        answers={200: PAGE},
    )
    def get(self, request: Request) -> Answer:
        return self.page(search.filtered(Book.objects.held(), {"available": False}))


# --- The admin's service: users --------------------------------------------------------------------------------------


class Users(OperationView):
    tag = "two services"

    @endpoint(name="admin_users_list", summary="All users", query=MEMBERS_QUERY, answers={200: page_of(MemberOut)})
    def get(self, request: Request) -> Answer:
        page = members_found(self, Member.objects.all())
        return Answer(page_data(request, page.next, page.previous, page.count, written(MemberOut, page.rows)))


class UserWithBooksOut(serializers.Serializer[Member]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    borrowed_books = borrowed.BorrowedBookOut(many=True)


class UsersWithBooks(OperationView):
    tag = "two services"

    @endpoint(
        name="admin_users_with_books",
        summary="Users who have borrowed something, each with their books",
        query=MEMBERS_QUERY,
        answers={200: page_of(UserWithBooksOut)},
    )
    def get(self, request: Request) -> Answer:
        has_any = Exists(Loan.objects.active().filter(member=OuterRef("pk")))
        page = members_found(self, Member.objects.filter(has_any))
        loans = (
            Loan.objects.active().filter(member__in=page.rows).select_related("book", "copy").order_by("due_at", "pk")
        )
        books: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
        for member_id, book in borrowed.borrowed_books(list(loans)):
            books[member_id].append(book)
        results = [{"id": member.pk, "name": member.name, "borrowed_books": books[member.pk]} for member in page.rows]
        return Answer(page_data(request, page.next, page.previous, page.count, results))


class BooksOfUser(OfMember):
    tag = "two services"

    @endpoint(
        name="admin_users_books",
        summary="The books that a user has borrowed",
        query=borrowed.QUERY,
        answers={200: borrowed.PAGE},
        refusals=["MEMBER_NOT_FOUND"],
    )
    def get(self, request: Request, member_id: int) -> Answer:
        self.require(member_id)
        return borrowed.borrowed_page(request, Loan.objects.active().filter(member=member_id))
