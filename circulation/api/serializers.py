"""Loans and the desk's operations, in and out."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from circulation.copies import Moved
from circulation.models import CirculationEvent, Loan
from circulation.services import Next, Returned
from library.api.serializers import Barcode, BranchName, CopyOut, OverrideInput, PlaceInput
from library.models import Copy
from reservations.api.serializers import ReservationOut, reservation_data, set_aside_data
from reservations.models import Reservation
from rest.serializers import Identifier, Moment, StrictSerializer, Text, WholeNumber, shown


class LoanOut(serializers.Serializer[Loan]):
    """A loan. `returned_at` is also set when the copy was lost."""

    id = serializers.IntegerField()
    book_id = serializers.IntegerField()
    title = serializers.CharField(source="book.title")
    copy_barcode = serializers.CharField(source="copy.barcode")
    member_id = serializers.IntegerField(allow_null=True)
    lent_at = Moment()
    due_at = Moment()
    returned_at = Moment(allow_null=True)
    renewals = serializers.IntegerField()
    overdue = serializers.SerializerMethodField()

    def get_overdue(self, loan: Loan) -> bool:
        return loan.is_overdue(timezone.now())


class LentOut(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["lent"])
    loan = LoanOut()


class QueuedOut(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["reserved"])
    reservation = ReservationOut()


class NextOut(serializers.Serializer[Any]):
    """What to do with the copy: put it on the shelf, on the hold shelf for somebody, hand it to them, or send it on."""

    action = serializers.ChoiceField(["shelve", "hold", "lend", "transit"])
    reservation = ReservationOut(required=False)
    branch = serializers.CharField(required=False, help_text="Where it is sent to.")


class ReturnedOut(serializers.Serializer[Any]):
    loan = LoanOut()
    next = NextOut()


class MovedOut(serializers.Serializer[Any]):
    copy = CopyOut()
    next = NextOut(allow_null=True)


def next_data(step: Next) -> dict[str, Any]:
    """A `NextOut`, asked of PostgreSQL alone."""
    data: dict[str, Any] = {"action": step.action}
    if step.branch is not None:
        data["branch"] = step.branch.name
    if step.reservation is not None:
        if step.reservation.status == Reservation.Status.READY:
            data["reservation"] = set_aside_data(step.reservation)
        else:
            [data["reservation"]] = reservation_data([step.reservation], cached=False)
    return data


def moved_data(moved: Moved) -> dict[str, Any]:
    """A `MovedOut`."""
    return {"copy": shown(CopyOut, moved.copy), "next": next_data(moved.next) if moved.next else None}


class CheckOutInput(OverrideInput, PlaceInput):
    """A member takes a title (`book_id`), or one very copy of it (`barcode`)."""

    member_id = Identifier(required=False, help_text="By default whoever is signed in; staff must name somebody.")
    book_id = Identifier(required=False)
    barcode = Barcode(required=False)
    days = WholeNumber(
        required=False, min_value=1, max_value=3650, help_text="Shorter than the loan policy's, if at all."
    )
    branch = BranchName(
        required=False, help_text="Where the member is: of a title only copies that stand there are lent."
    )
    on_unavailable = serializers.ChoiceField(
        ["reserve", "refuse"],
        required=False,
        help_text="With nothing free, join the line or not. By default a title is reserved, a barcode refused.",
    )

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        if ("book_id" in data) == ("barcode" in data):
            raise serializers.ValidationError({"book_id": "Give either a book_id or a barcode."})
        return data


class ReturnInput(PlaceInput):
    """What comes back: a `barcode`, a `loan_id`, or `member_id` and `book_id`. Members need not name themselves."""

    branch = BranchName(required=False, help_text="Where it comes back; at its own branch by default.")
    barcode = Barcode(required=False)
    loan_id = Identifier(required=False)
    member_id = Identifier(required=False)
    book_id = Identifier(required=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        if set(data) - {"branch"} not in ({"barcode"}, {"loan_id"}, {"member_id", "book_id"}, {"book_id"}):
            raise serializers.ValidationError(
                {"barcode": "Give a barcode, or a loan_id, or a member_id and a book_id."}
            )
        return data


class RenewInput(OverrideInput):
    """The loan to extend, by `loan_id` or by the copy's `barcode`."""

    loan_id = Identifier(required=False)
    barcode = Barcode(required=False)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        if ("loan_id" in data) == ("barcode" in data):
            raise serializers.ValidationError({"loan_id": "Give either a loan_id or a barcode."})
        return data


class FulfilInput(OverrideInput):
    pass


class FulfilHeadInput(OverrideInput):
    book_id = Identifier()


class CopyReasonInput(StrictSerializer):
    reason = Text(required=False, max_length=300)


class EventOut(serializers.Serializer[CirculationEvent]):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    occurred_at = Moment()
    book_id = serializers.IntegerField(allow_null=True)
    copy_id = serializers.IntegerField(allow_null=True)
    member_id = serializers.IntegerField(allow_null=True)
    loan_id = serializers.IntegerField(allow_null=True)
    reservation_id = serializers.IntegerField(allow_null=True)
    actor_id = serializers.IntegerField(allow_null=True)
    payload = serializers.JSONField()


def returned_data(result: Returned, *, for_staff: bool) -> dict[str, Any]:
    """A `ReturnedOut`. Who comes next is not the business of the member who returned it."""
    step = next_data(result.next) if for_staff else {"action": result.next.action}
    return {"loan": shown(LoanOut, result.loan), "next": step}


def day(loan: Loan) -> str:
    """The due date as people say it, in the branch's zone."""
    copy: Copy = loan.copy
    return copy.branch.today(loan.due_at).isoformat()
