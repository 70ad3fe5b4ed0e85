"""A member's own account, and everything that is kept of them: to read, or to take away as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from circulation.api.loans import LOAN_ORDERINGS, loan_page
from circulation.api.serializers import LoanOut
from circulation.models import Loan, LoanQuerySet
from library.api.operations import OperationView
from library.api.serializers import MemberOut
from library.models import Member
from reservations.api.serializers import ReservationOut, reservation_data
from reservations.api.views import ORDERINGS as RESERVATION_ORDERINGS
from reservations.api.views import ReservationQuery, StatusQuery, reservation_page
from reservations.models import Reservation
from rest.answers import Answer
from rest.schema import endpoint, page_of, page_query
from rest.serializers import shown, written
from rest.tables import harmless

# How the tables begin, as examples.
ACCOUNT = "username,email,role\r\nada,ada@example.org,member\r\n"
LOANS = "id,book_id,title,copy_barcode\r\n7,1,Middlemarch,1-1\r\n"
RESERVATIONS = "id,book_id,title,member_id,status\r\n5,1,Middlemarch,3,waiting\r\n"


@extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/Scope"}})
class Scopes(serializers.ListField):
    """Of a key."""


class MeOut(serializers.Serializer[Any]):
    username = serializers.CharField()
    email = serializers.CharField()
    role = serializers.ChoiceField(["member", "librarian", "admin"])
    scopes = Scopes(allow_null=True, help_text="Of an API key; otherwise null.")
    member = MemberOut(allow_null=True, help_text="Null when the account belongs to no member.")


class Me(OperationView):
    tag = "me"

    @endpoint(
        name="me_read",
        summary="Who am I?",
        description="`?format=csv` gives everything that is known of the member as a table.",
        answers={200: MeOut},
        table=ACCOUNT,
    )
    def get(self, request: Request) -> HttpResponseBase:
        user = self.caller.user
        assert user is not None  # the table asks for an account
        member = Member.objects.select_related("category", "branch").filter(user=user).first()
        data = {
            "username": user.get_username(),
            "email": user.email,
            "role": user.role.label,
            "scopes": self.caller.key.scopes if self.caller.key else None,
            "member": shown(MemberOut, member) if member else None,
        }
        if not _wants_table(request):
            return Answer(data)
        flat = {name: data[name] for name in ("username", "email", "role")}
        return _table("account", [*flat, *MemberOut().fields], [(shown(MemberOut, member) if member else {}) | flat])


class MyLoans(OperationView):
    tag = "me"

    @endpoint(
        name="me_loans",
        summary="What I have on loan",
        query=page_query(LOAN_ORDERINGS, "due_at"),
        answers={200: page_of(LoanOut)},
        table=LOANS,
    )
    def get(self, request: Request) -> HttpResponseBase:
        return _loans(request, "loans", Loan.objects.active().filter(member=self.own_member), default="due_at")


class MyHistory(OperationView):
    tag = "me"

    @endpoint(
        name="me_history",
        summary="Everything I ever borrowed, latest first",
        query=page_query(LOAN_ORDERINGS, "-id"),
        answers={200: page_of(LoanOut)},
        table=LOANS,
    )
    def get(self, request: Request) -> HttpResponseBase:
        return _loans(request, "history", Loan.objects.filter(member=self.own_member), default="-id")


class MyReservations(OperationView):
    tag = "me"

    @endpoint(
        name="me_reservations",
        summary="My places in lines",
        query=[StatusQuery, *page_query(RESERVATION_ORDERINGS, "id")],
        answers={200: page_of(ReservationOut)},
        table=RESERVATIONS,
    )
    def get(self, request: Request) -> HttpResponseBase:
        rows = Reservation.objects.filter(member=self.own_member)
        if _wants_table(request):
            return _table("reservations", ReservationOut().fields, reservation_data(list(rows.order_by("-pk"))))
        asked = self.query(ReservationQuery) | {"member": self.own_member}
        return Answer(reservation_page(request, rows, asked))


def _loans(request: Request, name: str, loans: LoanQuerySet, *, default: str) -> HttpResponseBase:
    """A page of these loans, or all of them as a table."""
    if not _wants_table(request):
        return Answer(loan_page(request, loans, default=default))
    rows = loans.select_related("book", "copy").order_by("-pk")
    return _table(name, LoanOut().fields, written(LoanOut, rows))


def _wants_table(request: Request) -> bool:
    form = request.query_params.get("format", "json")
    if form not in ("json", "csv"):
        raise ValidationError({"format": ["Write json or csv."]})
    return form == "csv"


def _table(name: str, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> HttpResponse:
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns))
    table.writeheader()
    table.writerows({column: harmless(value) for column, value in row.items()} for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="my-{name}.csv"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
