"""Books in somebody's hands: what several of the specifications list."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from circulation.api.loans import LOAN_ORDERINGS
from circulation.api.serializers import LoanOut
from circulation.models import Loan, LoanQuerySet
from reservations import availability
from reservations.api.serializers import BookOut, CatalogueOut, book_data
from rest.answers import Answer
from rest.pagination import PageRequest, page_data, paginate
from rest.schema import page_of, page_query
from rest.serializers import Moment, shown

OF_THE_LOAN = ("copy_barcode", "lent_at", "due_at", "overdue")
QUERY = page_query(LOAN_ORDERINGS, "due_at")


class BorrowedBookOut(BookOut):
    """A title, with the loan of one copy of it."""

    loan_id = serializers.IntegerField()
    copy_barcode = serializers.CharField()
    lent_at = Moment()
    due_at = Moment()
    overdue = serializers.BooleanField()


PAGE = page_of(BorrowedBookOut)


def borrowed_books(loans: list[Loan]) -> list[tuple[int | None, dict[str, Any]]]:
    """Who has it, and a `BorrowedBookOut`, of each of these loans, which came with their title and copy."""
    numbers = availability.of_many({loan.book_id for loan in loans})
    found = []
    for loan in loans:
        if loan.book_id in numbers:  # else it came back this moment, and its title was withdrawn
            lent = shown(LoanOut, loan)
            book = book_data(shown(CatalogueOut, loan.book), numbers[loan.book_id])
            found.append((loan.member_id, book | {"loan_id": loan.pk} | {name: lent[name] for name in OF_THE_LOAN}))
    return found


def borrowed_page(request: Request, loans: LoanQuerySet) -> Answer:
    """A page of these loans, each as the title that is lent."""
    asked = PageRequest.of(request, LOAN_ORDERINGS, "due_at")
    page = paginate(loans.select_related("book", "copy"), asked, LOAN_ORDERINGS)
    results = [book for _, book in borrowed_books(page.rows)]
    return Answer(page_data(request, page.next, page.previous, page.count, results))
