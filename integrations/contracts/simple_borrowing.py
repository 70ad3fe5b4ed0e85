"""The simple API: users borrow and return books.

`POST /api/users/` and `POST /api/books/` of that specification are the native ones. A user is a member.
"""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from circulation.api.desk import CHECK_OUT_REFUSALS, would_return
from circulation.api.members import OfMember
from circulation.api.serializers import LoanOut, ReturnedOut, returned_data
from circulation.models import Loan
from circulation.services import Lent, Queued, Returned, check_out, return_copy
from integrations.contracts import borrowed
from library.api.operations import OperationView
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import Identifier, StrictSerializer, shown

EXAMPLE = {"userId": 2, "bookId": 1}


class BorrowInput(StrictSerializer):
    """Who, and what."""

    userId = Identifier(  # noqa: N815 - as the specification writes it
        source="member_id", required=False, help_text="By default whoever is signed in; staff must name somebody."
    )
    bookId = Identifier(source="book_id")  # noqa: N815


class Borrow(OperationView):
    tag = "simple borrowing"

    @endpoint(
        name="borrow",
        summary="Borrow a book",
        description="Any free copy of it. With nothing free it is refused: nobody joins the line here.",
        request=BorrowInput,
        answers={201: LoanOut},
        refusals=["MEMBER_NOT_FOUND", "BOOK_NOT_FOUND", *CHECK_OUT_REFUSALS, "NO_COPY_AVAILABLE"],
        keyed=True,
        example=EXAMPLE,
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = self.for_member(self.parsed(BorrowInput), named="userId")
        return self.perform(check_out, _borrowed, would="lend", at=timezone.now(), on_unavailable="refuse", **asked)


class Return(OperationView):
    tag = "simple borrowing"

    @endpoint(
        name="return_book",
        summary="Return a book",
        request=BorrowInput,
        answers={200: ReturnedOut},
        refusals=["MEMBER_NOT_FOUND", "BOOK_NOT_FOUND", "COPY_NOT_ON_LOAN"],
        keyed=True,
        example=EXAMPLE,
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = self.for_member(self.parsed(BorrowInput), named="userId")

        def answer(result: Returned) -> Answer:
            return Answer(returned_data(result, for_staff=self.caller.is_staff), "Book returned successfully")

        return self.perform(return_copy, answer, would=would_return, at=timezone.now(), **asked)


class Borrowed(OfMember):
    tag = "simple borrowing"

    @endpoint(
        name="users_borrowed",
        summary="The books that a user has borrowed",
        query=borrowed.QUERY,
        answers={200: borrowed.PAGE},
        refusals=["MEMBER_NOT_FOUND"],
    )
    def get(self, request: Request, member_id: int) -> Answer:
        self.require(member_id)
        return borrowed.borrowed_page(request, Loan.objects.active().filter(member=member_id))


def _borrowed(result: Lent | Queued) -> Answer:
    assert isinstance(result, Lent)  # it was told to refuse
    return Answer(shown(LoanOut, result.loan), "Book borrowed successfully", status=201)
