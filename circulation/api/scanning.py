"""The scanner over HTTP: one code in, what was done with it out."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from circulation.api.desk import CHECK_OUT_REFUSALS, lent_to
from circulation.api.serializers import LoanOut, NextOut, day, next_data
from circulation.scanning import Scanned, Standing, scan
from circulation.undoing import Undone, undo
from library.api.operations import OperationView
from library.api.serializers import OverrideInput, PlaceInput
from library.models import Copy, Member
from reservations.models import Reservation
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import Identifier, Moment, StrictSerializer, Text, shown

Status = Copy.Status


class ScanInput(OverrideInput, PlaceInput):
    """What the scanner read, and whose card it read before."""

    code = Text(max_length=64, help_text="A card number or a barcode.")
    card_number = Text(
        required=False, allow_null=True, max_length=64, help_text="Whose card was scanned before; null: nobody's."
    )


class ToCollectOut(serializers.Serializer[Reservation]):
    reservation_id = serializers.IntegerField(source="pk")
    book_id = serializers.IntegerField()
    title = serializers.CharField(source="book.title")
    copy_barcode = serializers.CharField(source="copy.barcode")
    branch = serializers.CharField(source="branch.name")
    shelf_until = Moment()


class StandingOut(serializers.Serializer[Standing]):
    """A member at the desk."""

    id = serializers.IntegerField(source="member.pk")
    name = serializers.CharField(source="member.name")
    card_number = serializers.CharField(source="member.card_number")
    blocked_reason = serializers.CharField(source="member.blocked_reason")
    expires_on = serializers.DateField(source="member.expires_on", allow_null=True)
    is_expired = serializers.BooleanField()
    open_loans = serializers.IntegerField()
    overdue = serializers.IntegerField()
    to_collect = ToCollectOut(many=True)


class ScannedCopyOut(serializers.Serializer[Copy]):
    barcode = serializers.CharField()
    book_id = serializers.IntegerField()
    title = serializers.CharField(source="book.title")
    branch = serializers.CharField(source="branch.name")
    status = serializers.ChoiceField(Copy.Status.choices)


class ScannedOut(serializers.Serializer[Any]):
    """What a scan did. `undo`: the event by which it can be taken back, null where that cannot be done."""

    action = serializers.ChoiceField(["member", "lent", "returned", "shown"])
    member = StandingOut(allow_null=True)
    copy = ScannedCopyOut(allow_null=True)
    loan = LoanOut(allow_null=True)
    next = NextOut(allow_null=True)
    undo = serializers.IntegerField(allow_null=True)


class UndoInput(StrictSerializer):
    event_id = Identifier(help_text="What a scan calls `undo`.")


class UndoingOut(serializers.Serializer[Any]):
    undone = serializers.ChoiceField(["checkout", "return"])
    loan = LoanOut()
    next = NextOut(allow_null=True, help_text="What to do with the copy, if it is here again.")


def scanned(result: Scanned) -> Answer:
    """What a scan answers."""
    data = {
        "action": result.action,
        "member": result.standing and shown(StandingOut, result.standing),
        "copy": result.copy and shown(ScannedCopyOut, result.copy),
        "loan": result.loan and shown(LoanOut, result.loan),
        "next": result.next and next_data(result.next),
        "undo": result.undo,
    }
    return Answer(data, _told(result))


def would_scan(result: Scanned) -> str:
    """What a rehearsed scan would do."""
    if result.action == "returned":
        assert result.next is not None
        return result.next.action
    return {"member": "member", "lent": "lend", "shown": "show"}[result.action]


def _told(result: Scanned) -> str:
    """The sentence for the librarian."""
    if result.action == "member":
        assert result.standing is not None
        return _told_of(result.standing)
    copy, loan, step = result.copy, result.loan, result.next
    assert copy is not None
    if result.action == "lent":
        assert loan is not None
        return lent_to(loan)
    if result.action == "returned":
        assert step is not None
        return f"Copy {copy.barcode} {'came in' if loan is None else 'returned'}. {step.told}"
    if loan is not None:
        assert loan.member is not None
        return f"{loan.member.name} has copy {copy.barcode} already, until {day(loan)}."
    return _told_as_it_is(result)


def _told_of(standing: Standing) -> str:
    """A member in a sentence, and what speaks against lending."""
    member: Member = standing.member
    counts = [f"{standing.open_loans} on loan"]
    counts += [f"{standing.overdue} overdue"] if standing.overdue else []
    counts += [f"{len(standing.to_collect)} to collect"] if standing.to_collect else []
    told = f"{member.name}: {', '.join(counts)}."
    if standing.is_expired:
        told += f" Membership ended on {member.expires_on}."
    return f"{told} Blocked: {member.blocked_reason}" if member.blocked_reason else told


def _told_as_it_is(result: Scanned) -> str:
    """A copy that stayed what it was, and what to do with it."""
    copy, step = result.copy, result.next
    assert copy is not None
    reservation = step and step.reservation
    name = f" for {reservation.member.name}" if reservation and reservation.member else ""
    if copy.status == Status.ON_HOLD_SHELF:
        until = reservation and reservation.shelf_until
        last = f" until {reservation.branch.today(until)}" if reservation and until else ""
        return f"Copy {copy.barcode} is set aside{name}{last}."
    if step is not None and step.branch is not None:
        if copy.status == Status.IN_TRANSIT:
            return f"Copy {copy.barcode} is on its way to {step.branch}{name}. Send it on."
        return f"Copy {copy.barcode} is available and belongs to {step.branch}. Send it there."
    return {
        Status.AVAILABLE: f"Copy {copy.barcode} is available. Put it back on the shelf.",
        Status.MISSING: f"Copy {copy.barcode} is missing in the records. Mark it as found.",
        Status.LOST: f"Copy {copy.barcode} is lost in the records. Mark it as found.",
        Status.DAMAGED: f"Copy {copy.barcode} is damaged. Keep it back until it is repaired.",
        Status.WITHDRAWN: f"Copy {copy.barcode} was withdrawn. It is not lent any more.",
    }.get(Status(copy.status), f"Copy {copy.barcode} is {copy.get_status_display().lower()}.")


def undone(result: Undone) -> Answer:
    """What an undoing answers."""
    step = result.next and next_data(result.next)
    return Answer({"undone": result.undone, "loan": shown(LoanOut, result.loan), "next": step}, result.told)


class Scan(OperationView):
    tag = "circulation"

    @endpoint(
        name="scan",
        summary="Do what a scanned code asks for",
        description="A card is shown. A barcode is lent to the member whose card was scanned before; with nobody at "
        "the desk it is taken back, received where it was sent to, or shown.",
        request=ScanInput,
        answers={200: ScannedOut},
        refusals=[
            "MEMBER_NOT_FOUND",
            "COPY_NOT_FOUND",
            *CHECK_OUT_REFUSALS,
            "COPY_ON_LOAN",
            "COPY_HELD_FOR_OTHER",
            "NO_COPY_AVAILABLE",
            "COPY_NOT_ON_LOAN",
            "INVALID_TRANSITION",
        ],
        keyed=True,
        example={"code": "1-1", "card_number": "C00000002"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.perform(scan, scanned, would=would_scan, at=timezone.now(), **self.parsed(ScanInput))


class Undo(OperationView):
    tag = "circulation"

    @endpoint(
        name="undo",
        summary="Take back a check-out or a return",
        description="For ten minutes, by whoever did it, while nothing else happened to the copy. The log keeps both.",
        request=UndoInput,
        answers={200: UndoingOut},
        refusals=["INVALID_TRANSITION"],
        keyed=True,
        example={"event_id": 187},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.perform(
            undo, undone, would=lambda result: f"undo {result.undone}", at=timezone.now(), **self.parsed(UndoInput)
        )
