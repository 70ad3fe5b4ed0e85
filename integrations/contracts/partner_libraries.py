"""A copy kept until a date, and given back.

`POST /api/register/` and `/api/token/` of that specification are the native ones; its `/status/` is in
integrations/partners.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers
from rest_framework.request import Request

from circulation.api.desk import return_told, would_return
from circulation.api.serializers import LoanOut
from circulation.models import Loan
from circulation.services import Returned, give_back, return_copy
from integrations.partners.api.reservations import (
    REFUSALS,
    PartnerReservationOut,
    partner_instead,
    reserve_at,
)
from integrations.partners.models import partner_named
from library.api.operations import OperationView
from library.api.serializers import as_branch
from library.exceptions import BranchNotFound
from library.services import branch_named
from reservations.api.serializers import ForMemberInput, NoInput, ReservationOut, in_zone_of, reservation_data
from reservations.api.views import JOIN_REFUSALS, reserved, visible
from reservations.exceptions import ReservationNotFound
from reservations.models import Reservation
from reservations.services import reserve_until
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import Identifier, Moment, Text, shown

LONGEST = timedelta(days=366)  # that a free copy is kept from everybody else
KEPT = (
    "A free copy is set aside until then (`ready`). With none free one joins the line (`waiting`), and leaves it then."
)
AT_PARTNER = (
    "At a partner library: 201 once it confirmed, 202 while it did not; it is then asked again, and "
    "`/api/partner-reservations/{id}` tells what became of it."
)
EITHER = PolymorphicProxySerializer(
    "ReservationAnywhere", [ReservationOut, PartnerReservationOut], resource_type_field_name=None
)
EXAMPLE = {
    "book_id": 1,
    "reserved_until": f"{timezone.localdate() + timedelta(days=30)}T23:59:59Z",
    "library": "Main Library",
}


class ReserveInput(ForMemberInput):
    """A title, until when a copy is to be kept, and where."""

    book_id = Identifier()
    reserved_until = Moment(help_text="Without a zone it is the library's time; a mere date means its end.")
    library = Text(
        required=False,
        max_length=120,
        help_text="A branch or a partner, by its name; the member's own branch by default.",
    )
    branch = Text(required=False, max_length=120, help_text="Another word for `library`.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        given = "branch" if "branch" in data else "library"
        name = as_branch(data).get("branch")
        data.pop(given, None)
        data["is_anywhere"] = name is None
        try:
            data["branch"] = None if name is None else branch_named(name)
        except BranchNotFound as error:
            assert name is not None
            data["branch"], data["partner"] = None, partner_named(name)
            if data["partner"] is None:
                raise serializers.ValidationError(
                    {given: f"There is no library “{name}”, neither here nor among the partners."},
                    code="does_not_exist",
                ) from error
        until = in_zone_of(data["branch"] or self.branch_of_member(data), data.pop("reserved_until"))
        data["until"] = until
        if until <= timezone.now():
            raise serializers.ValidationError({"reserved_until": "This moment has passed."}, code="past")
        if until > timezone.now() + LONGEST:
            raise serializers.ValidationError({"reserved_until": "At most a year ahead."}, code="too_late")
        return data


def reserve(view: OperationView, *, anywhere: bool = False) -> HttpResponseBase:
    """Reserve what a request asks for, at the library that it names; `anywhere` it may be, if it names none."""
    asked = view.for_member(view.parsed(ReserveInput, context={"only_member": view.only_member}))
    partner, is_anywhere = asked.pop("partner", None), asked.pop("is_anywhere")
    if anywhere and is_anywhere:
        partner = partner_instead(view, asked)
    if partner is not None:
        return reserve_at(view, partner, asked)
    return view.perform(reserve_until, reserved, would="reserve", at=timezone.now(), **asked)


class Reserve(OperationView):
    tag = "partner libraries"

    @endpoint(
        name="reserve_until",
        summary="Have a copy kept until a date",
        description=f"{KEPT} {AT_PARTNER}",
        request=ReserveInput,
        answers={201: EITHER, 202: PartnerReservationOut},
        headers={201: ["Location"], 202: ["Location"]},
        refusals=[*JOIN_REFUSALS, *REFUSALS],
        keyed=True,
        example=EXAMPLE,
    )
    def post(self, request: Request) -> HttpResponseBase:
        return reserve(self)


class ReserveAnywhere(OperationView):
    tag = "partner libraries"

    @endpoint(
        name="reserve_anywhere",
        summary="Have a copy kept at whichever library has one",
        description=(
            f"{KEPT} Without a `library` it is this one if it has a free copy, else the first partner that has one, "
            f"else the line here. {AT_PARTNER}"
        ),
        request=ReserveInput,
        answers={201: EITHER, 202: PartnerReservationOut},
        headers={201: ["Location"], 202: ["Location"]},
        refusals=[*JOIN_REFUSALS, *REFUSALS],
        keyed=True,
        example=EXAMPLE,
    )
    def post(self, request: Request) -> HttpResponseBase:
        return reserve(self, anywhere=True)


class ReturnedBookOut(serializers.Serializer[Any]):
    """What was given back: the copy that was set aside, or the loan that came of it."""

    reservation = ReservationOut()
    loan = LoanOut(allow_null=True)


class ReturnBook(OperationView):
    tag = "partner libraries"

    @endpoint(
        name="reservations_return_book",
        summary="Give a reserved book back",
        description="The copy that is set aside, or, once it was collected, the loan that came of it.",
        request=NoInput,
        answers={200: ReturnedBookOut},
        refusals=["RESERVATION_NOT_FOUND", "RESERVATION_CLOSED", "COPY_NOT_ON_LOAN"],
        keyed=True,
        example={},
    )
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        self.parsed(NoInput)
        reservation = visible(self).filter(pk=reservation_id).first()
        if reservation is None:
            raise ReservationNotFound(reservation_id)
        # Which of the two it is may change until the lock is held. Either operation then refuses, and nothing is done.
        loan_id = Loan.objects.made_of(reservation).values_list("pk", flat=True).first()
        if loan_id is not None:
            return self.perform(
                return_copy, self._returned(reservation), would=would_return, loan_id=loan_id, at=timezone.now()
            )
        return self.perform(give_back, _set_free, would="cancel", reservation_id=reservation_id, at=timezone.now())

    def _returned(self, reservation: Reservation) -> Callable[[Returned], Answer]:
        def answer(result: Returned) -> Answer:
            [data] = reservation_data([reservation], cached=False)
            message = return_told(result, for_staff=self.caller.is_staff)
            return Answer({"reservation": data, "loan": shown(LoanOut, result.loan)}, message)

        return answer


def _set_free(reservation: Reservation) -> Answer:
    [data] = reservation_data([reservation], cached=False)
    return Answer({"reservation": data, "loan": None}, f"A copy of “{data['title']}” is no longer set aside.")
