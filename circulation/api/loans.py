"""Loans and events over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from circulation.api.serializers import EventOut, LoanOut
from circulation.exceptions import LoanNotFound
from circulation.models import CirculationEvent, Loan, LoanQuerySet
from library.api.operations import OperationView
from library.models import Copy
from reservations.api.serializers import in_zone_of
from rest import replica
from rest.answers import Answer
from rest.pagination import Orderings, PageRequest, page_data, paginate
from rest.schema import endpoint, page_of, page_query
from rest.serializers import IdentifierInQuery, Moment, shown, written

LOAN_ORDERINGS: Orderings = {"id": F("pk"), "due_at": F("due_at"), "lent_at": F("lent_at")}
EVENT_ORDERINGS: Orderings = {"occurred_at": F("occurred_at"), "id": F("pk")}


class LoanQuery(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["open", "overdue", "returned"], required=False)
    member = IdentifierInQuery(required=False)
    book = IdentifierInQuery(required=False)


class EventQuery(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(CirculationEvent.KINDS, required=False)
    book = IdentifierInQuery(required=False)
    member = IdentifierInQuery(required=False)
    copy = serializers.CharField(required=False, max_length=64, help_text="A barcode.")
    since = Moment(required=False, help_text="From this moment or date on.")
    until = Moment(required=False, help_text="Up to this moment, or the end of this date.")


def visible(view: OperationView) -> LoanQuerySet:
    """The loans that there are for this caller."""
    return Loan.objects.filter(**({} if view.only_member is None else {"member": view.only_member}))


def loan_page(request: Request, loans: LoanQuerySet, *, default: str) -> dict[str, Any]:
    """A page of loans."""
    asked = PageRequest.of(request, LOAN_ORDERINGS, default)
    page = replica.read(lambda: paginate(loans.select_related("book", "copy"), asked, LOAN_ORDERINGS))
    return page_data(request, page.next, page.previous, page.count, written(LoanOut, page.rows))


class LoanList(OperationView):
    tag = "circulation"

    @endpoint(
        name="loans_list",
        summary="List loans",
        query=[
            LoanQuery,
            *page_query(LOAN_ORDERINGS, "id"),
        ],
        answers={200: page_of(LoanOut)},
    )
    def get(self, request: Request) -> Answer:
        asked = self.query(LoanQuery)
        loans = visible(self)
        if "member" in asked:
            loans = loans.filter(member=asked["member"])
        if "book" in asked:
            loans = loans.filter(book=asked["book"])
        match asked.get("status"):
            case "open":
                loans = loans.active()
            case "overdue":
                loans = loans.overdue(timezone.now())
            case "returned":
                loans = loans.returned()
        return Answer(loan_page(request, loans, default="id"))


class LoanDetail(OperationView):
    tag = "circulation"

    @endpoint(name="loans_read", summary="One loan", answers={200: LoanOut}, refusals=["LOAN_NOT_FOUND"])
    def get(self, request: Request, loan_id: int) -> Answer:
        loan = visible(self).select_related("book", "copy").filter(pk=loan_id).first()
        if loan is None:
            raise LoanNotFound(loan_id)
        return Answer(shown(LoanOut, loan))


class EventList(OperationView):
    tag = "circulation"

    @endpoint(
        name="events_list",
        summary="What happened at the desk",
        query=[
            EventQuery,
            *page_query(EVENT_ORDERINGS, "occurred_at"),
        ],
        answers={200: page_of(EventOut)},
    )
    def get(self, request: Request) -> Answer:
        asked = self.query(EventQuery)
        events = CirculationEvent.objects.all()
        if "kind" in asked:
            events = events.filter(kind=asked["kind"])
        if "book" in asked:
            events = events.filter(book_id=asked["book"])
        if "member" in asked:
            events = events.filter(member_id=asked["member"])
        if "copy" in asked:
            events = events.filter(copy_id__in=Copy.objects.filter(barcode=asked["copy"]).values("pk"))
        if "since" in asked:
            events = events.filter(occurred_at__gte=_begin(request.query_params["since"], asked["since"]))
        if "until" in asked:
            events = events.filter(occurred_at__lte=in_zone_of(None, asked["until"]))
        wanted = PageRequest.of(request, EVENT_ORDERINGS, "occurred_at")
        page = replica.read(lambda: paginate(events, wanted, EVENT_ORDERINGS))
        results = written(EventOut, page.rows)
        return Answer(page_data(request, page.next, page.previous, page.count, results))


def _begin(written: str, moment: datetime) -> datetime:
    """A mere date begins at midnight here, where elsewhere it means its end."""
    is_date = len(written) == 10
    return in_zone_of(None, moment.replace(hour=0, minute=0, second=0) if is_date else moment)
