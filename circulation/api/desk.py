"""The desk over HTTP: check-out, return, renewal, fulfilment."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from circulation import services
from circulation.api.serializers import (
    CheckOutInput,
    FulfilHeadInput,
    FulfilInput,
    LentOut,
    LoanOut,
    QueuedOut,
    RenewInput,
    ReturnedOut,
    ReturnInput,
    day,
    returned_data,
)
from circulation.exceptions import LoanNotFound, NotYourLoan
from circulation.models import Loan
from circulation.services import Lent, Queued, Returned
from library.api.operations import OperationView
from reservations.api.serializers import reservation_data
from reservations.api.views import visible_reservation
from reservations.models import Reservation
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import shown

CHECK_OUT_REFUSALS = [
    "MEMBER_BLOCKED",
    "MEMBER_EXPIRED",
    "MEMBER_HAS_OVERDUE",
    "LOAN_LIMIT_REACHED",
    "LOAN_TOO_LONG",
    "ALREADY_BORROWED",
    "COPY_NOT_CIRCULATING",
]


def lent_or_queued(result: Lent | Queued) -> Answer:
    """What a check-out answers."""
    if isinstance(result, Lent):
        return Answer({"outcome": "lent", "loan": shown(LoanOut, result.loan)}, lent_to(result.loan), status=201)
    [data] = reservation_data([result.reservation], cached=False)
    member = result.reservation.member
    assert member is not None
    message = f"Nothing is free. {member.name} is at place {data['position']} in the line for “{data['title']}”."
    if result.reservation.status == Reservation.Status.READY:
        message = f"A copy of “{data['title']}” is set aside for {member.name}."
    elif result.reservation.copy is not None:
        message = f"A copy of “{data['title']}” will be sent to {result.reservation.branch} for {member.name}."
    return Answer({"outcome": "reserved", "reservation": data}, message, status=202)


def would_lend_or_queue(result: Lent | Queued) -> str:
    """What a rehearsed check-out would do."""
    return "lend" if isinstance(result, Lent) else "reserve"


def would_return(result: Returned) -> str:
    """What a rehearsed return would do with the copy."""
    return result.next.action


def returned(result: Returned) -> Answer:
    """What a return answers to staff, and what to do with the copy."""
    return Answer(returned_data(result, for_staff=True), return_told(result, for_staff=True))


def given_back(result: Returned) -> Answer:
    """What a return answers to the member themselves."""
    return Answer(returned_data(result, for_staff=False), return_told(result, for_staff=False))


def return_told(result: Returned, *, for_staff: bool) -> str:
    """What is said of a return. Whoever comes next is named to staff only."""
    copy, step = result.loan.copy.barcode, result.next
    if not for_staff:
        waiting = " Somebody is waiting for it: please leave it at the desk." if step.reservation else ""
        return f"Copy {copy} returned. Thank you.{waiting}"
    return f"Copy {copy} returned. {step.told}"


def loan_meant(view: OperationView, asked: dict[str, Any]) -> dict[str, Any]:
    """What staff asked; and what a member asked, as one of their own loans. Raises LoanNotFound for other people's.

    The loan may have ended: whether that matters is asked under its title's lock, and not at all when an answer is
    repeated.
    """
    if "barcode" not in asked and "loan_id" not in asked:
        return view.for_member(asked)
    if view.only_member is None:
        return asked
    named = {"pk": asked["loan_id"]} if "loan_id" in asked else {"copy__barcode": asked["barcode"]}
    found = Loan.objects.filter(member=view.only_member, **named).order_by("-pk").values_list("pk", flat=True).first()
    if found is None:
        raise LoanNotFound(asked["loan_id"]) if "loan_id" in asked else NotYourLoan(asked["barcode"])
    return {name: value for name, value in asked.items() if name != "barcode"} | {"loan_id": found}


def renewed(loan: Loan) -> Answer:
    """What a renewal answers."""
    return Answer(shown(LoanOut, loan), f"Copy {loan.copy.barcode} is now due on {day(loan)}.")


def fulfilled(loan: Loan) -> Answer:
    """What a fulfilment answers."""
    return Answer(shown(LoanOut, loan), lent_to(loan))


def lent_to(loan: Loan) -> str:
    """What is said of a check-out."""
    assert loan.member is not None
    return f"Copy {loan.copy.barcode} lent to {loan.member.name} until {day(loan)}."


class CheckOut(OperationView):
    tag = "circulation"

    @endpoint(
        name="checkout",
        summary="Lend a title or a copy",
        description="By title the member joins the line when nothing is free (202), unless asked to refuse.",
        request=CheckOutInput,
        answers={201: LentOut, 202: QueuedOut},
        refusals=[
            "MEMBER_NOT_FOUND",
            "BOOK_NOT_FOUND",
            "COPY_NOT_FOUND",
            *CHECK_OUT_REFUSALS,
            "COPY_ON_LOAN",
            "COPY_HELD_FOR_OTHER",
            "NO_COPY_AVAILABLE",
            "RESERVATION_EXISTS",
            "RESERVATION_LIMIT_REACHED",
        ],
        keyed=True,
        example={"member_id": 1, "book_id": 1},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.perform(
            services.check_out,
            lent_or_queued,
            would=would_lend_or_queue,
            at=timezone.now(),
            **self.for_member(self.parsed(CheckOutInput)),
        )


class Return(OperationView):
    tag = "circulation"

    @endpoint(
        name="return_copy",
        summary="Take a copy back",
        description="Says what to do with it: put it on the shelf, set it aside for somebody, hand it to them, or send "
        "it to another branch.",
        request=ReturnInput,
        answers={200: ReturnedOut},
        refusals=["COPY_NOT_FOUND", "LOAN_NOT_FOUND", "MEMBER_NOT_FOUND", "BOOK_NOT_FOUND", "COPY_NOT_ON_LOAN"],
        keyed=True,
        example={"barcode": "1-1"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.perform(
            services.return_copy,
            returned if self.only_member is None else given_back,
            would=would_return,
            at=timezone.now(),
            **loan_meant(self, self.parsed(ReturnInput)),
        )


class Renew(OperationView):
    tag = "circulation"

    @endpoint(
        name="renew",
        summary="Extend a loan",
        description="To a full period from today, never to an earlier date than it has.",
        request=RenewInput,
        answers={200: LoanOut},
        refusals=[
            "COPY_NOT_FOUND",
            "LOAN_NOT_FOUND",
            "COPY_NOT_ON_LOAN",
            "MEMBER_BLOCKED",
            "MEMBER_EXPIRED",
            "RENEWAL_LIMIT_REACHED",
            "RENEWAL_BLOCKED_BY_RESERVATION",
        ],
        keyed=True,
        example={"barcode": "1-1"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.perform(
            services.renew, renewed, would="renew", at=timezone.now(), **loan_meant(self, self.parsed(RenewInput))
        )


class Fulfil(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_fulfill",
        summary="Lend the copy that is set aside to its member",
        request=FulfilInput,
        answers={200: LoanOut},
        refusals=["RESERVATION_NOT_FOUND", "RESERVATION_CLOSED", "NO_COPY_TO_FULFILL", *CHECK_OUT_REFUSALS],
        keyed=True,
        example={"override": ["MEMBER_HAS_OVERDUE"], "override_reason": "Brings it back tomorrow"},
    )
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        return self.perform(
            services.fulfil,
            fulfilled,
            would="lend",
            reservation_id=visible_reservation(self, reservation_id),
            at=timezone.now(),
            **self.parsed(FulfilInput),
        )


class FulfilHead(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_fulfill_head",
        summary="Lend to the head of a title's line",
        description="Nobody in the line: `QUEUE_EMPTY`. Nothing set aside: `NO_COPY_TO_FULFILL`. Nothing changes then.",
        request=FulfilHeadInput,
        answers={200: LoanOut},
        refusals=["BOOK_NOT_FOUND", "QUEUE_EMPTY", "NO_COPY_TO_FULFILL", *CHECK_OUT_REFUSALS],
        keyed=True,
        example={"book_id": 1},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.perform(
            services.fulfil_head, fulfilled, would="lend", at=timezone.now(), **self.parsed(FulfilHeadInput)
        )
