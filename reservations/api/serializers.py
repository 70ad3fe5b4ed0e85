"""Titles with their availability, and reservations, in and out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from rest_framework import serializers

from library.api.serializers import BranchName, Isbn, OverrideInput, PlaceInput, as_branch
from library.models import Book, Branch
from library.services import branch_named
from reservations import availability
from reservations.models import Reservation
from rest.serializers import Identifier, Moment, StrictSerializer, Text, WholeNumber, YesNo, written


class CatalogueOut(serializers.Serializer[Book]):
    """What the catalogue says of a title."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    author = serializers.CharField(source="authors")
    isbn = serializers.CharField()
    publisher = serializers.CharField()
    category = serializers.CharField()
    language = serializers.CharField()
    published_year = serializers.IntegerField(allow_null=True)
    in_circulation = serializers.BooleanField()


class BookOut(CatalogueOut):
    available = serializers.IntegerField(help_text="Copies on the shelf; none while the title is out of circulation.")
    total = serializers.IntegerField(help_text="Copies that the library has: all but lost, missing and withdrawn ones.")
    version = serializers.IntegerField(help_text="Grows with every change of the title, its copies and its line.")


def book_data(catalogue: dict[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """A `BookOut` of what the catalogue says and what is where."""
    return {**catalogue, **{name: numbers[name] for name in ("available", "total", "version")}}


class BookInput(StrictSerializer):
    title = Text(max_length=500)
    author = Text(source="authors", max_length=1000, allow_blank=True, default="")
    isbn = Isbn(allow_blank=True, default="")
    publisher = Text(max_length=120, allow_blank=True, default="")
    category = Text(max_length=50, allow_blank=True, default="")
    language = Text(max_length=35, allow_blank=True, default="")
    published_year = WholeNumber(min_value=-9999, max_value=9999, allow_null=True, default=None)
    in_circulation = YesNo(default=True)


class NewBookInput(BookInput, PlaceInput):
    copies = WholeNumber(min_value=0, max_value=100, default=1)
    branch = BranchName(required=False, help_text="Where the copies stand; the main library by default.")


class BookQuery(serializers.Serializer[Any]):
    """The filters of titles. All may be combined."""

    search = serializers.CharField(
        required=False,
        max_length=200,
        allow_blank=True,
        help_text="Words or beginnings of words of title and author, or an ISBN; forgives typos.",
    )
    author = serializers.CharField(required=False, max_length=200, help_text="A part of the author's name.")
    publisher = serializers.CharField(required=False, max_length=120)
    category = serializers.CharField(required=False, max_length=50)
    language = serializers.CharField(required=False, max_length=35)
    isbn = Isbn(required=False)
    year_min = serializers.IntegerField(required=False, min_value=-9999, max_value=9999)
    year_max = serializers.IntegerField(required=False, min_value=-9999, max_value=9999)
    available = serializers.BooleanField(
        required=False,
        help_text="`true`: a copy can be borrowed now. The default of a public service that has an admin's beside it.",
    )
    branch = serializers.CharField(required=False, max_length=120, help_text="Copies of this branch count.")
    library = serializers.CharField(required=False, max_length=120, help_text="Another word for `branch`.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        return as_branch(data)


class CatalogueQuery(BookQuery):
    facets = serializers.BooleanField(
        required=False, help_text="`true` adds the most frequent values with their counts."
    )


class FacetOut(serializers.Serializer[Any]):
    value = serializers.CharField()
    count = serializers.IntegerField()


class FacetsOut(serializers.Serializer[Any]):
    """The most frequent values among the titles found, each with how many of these have it."""

    category = FacetOut(many=True)
    publisher = FacetOut(many=True)
    language = FacetOut(many=True)
    branch = FacetOut(many=True)


class BranchAvailabilityOut(serializers.Serializer[Any]):
    branch = serializers.CharField()
    total = serializers.IntegerField()
    available = serializers.IntegerField()


class AvailabilityOut(serializers.Serializer[Any]):
    book_id = serializers.IntegerField()
    total = serializers.IntegerField()
    available = serializers.IntegerField()
    on_loan = serializers.IntegerField()
    on_hold_shelf = serializers.IntegerField()
    waiting = serializers.IntegerField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    estimated_wait_days = serializers.IntegerField(allow_null=True)
    version = serializers.IntegerField()
    branches = BranchAvailabilityOut(many=True)


class ReservationOut(serializers.Serializer[Reservation]):
    """A place in a line. `position` is 1 for the head, 0 once a copy is set aside, null when it has ended."""

    id = serializers.IntegerField()
    book_id = serializers.IntegerField()
    title = serializers.CharField(source="book.title")
    member_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(Reservation.Status.choices)
    position = serializers.IntegerField(allow_null=True)
    placed_at = Moment()
    estimated_wait_days = serializers.SerializerMethodField()
    shelf_until = Moment(allow_null=True)
    needed_by = Moment(allow_null=True)
    copy_barcode = serializers.CharField(source="copy.barcode", default=None, allow_null=True)
    branch = serializers.CharField(source="branch.name")

    def get_estimated_wait_days(self, reservation: Reservation) -> int | None:
        if not reservation.position:
            return reservation.position  # it is there already, or no longer wanted
        numbers = self.context["numbers"].get(reservation.book_id)
        if numbers is None or reservation.copy_id is not None:
            return None  # on its way: the loans tell nothing of that
        return availability.wait_at(reservation.position, numbers, at=timezone.now())


class PlaceOut(ReservationOut):
    """A reservation, without what depends on the others in the line."""

    position = None  # type: ignore[assignment]  # left out, as the framework has it
    estimated_wait_days = None  # type: ignore[assignment]


def set_aside_data(reservation: Reservation) -> dict[str, Any]:
    """One whose copy was set aside a moment ago, as a `ReservationOut`. Nothing is asked: nobody is before it."""
    [data] = written(ReservationOut, [reservation], numbers={})
    return data


def reservation_data(reservations: list[Reservation], *, cached: bool = True) -> list[dict[str, Any]]:
    """These as `ReservationOut`, in at most four statements however many they are.

    `cached=False` asks PostgreSQL alone, for answers that are made while locks are held.
    """
    ids = [reservation.pk for reservation in reservations]
    rows = Reservation.objects.with_position().filter(pk__in=ids).select_related("book", "copy", "branch")
    found = {row.pk: row for row in rows}
    numbers_of = availability.of_many if cached else availability.count
    waited_for = {row.book_id for row in found.values() if row.position}
    numbers = numbers_of(waited_for) if waited_for else {}
    ordered = [found[pk] for pk in ids if pk in found]
    return written(ReservationOut, ordered, numbers=numbers)


class ForMemberInput(OverrideInput):
    """What is wanted for a member: whoever is named, or the `only_member` of the context."""

    member_id = Identifier(required=False, help_text="By default whoever is signed in; staff must name somebody.")

    def branch_of_member(self, data: dict[str, Any]) -> Branch | None:
        """Where the member collects what is not wanted elsewhere."""
        member_id = data.get("member_id", self.context.get("only_member"))
        return None if member_id is None else Branch.objects.filter(members=member_id).first()


class ReservationInput(ForMemberInput, PlaceInput):
    book_id = Identifier()
    needed_by = Moment(required=False, help_text="Of no use afterwards. Without a zone it is the branch's time.")
    branch = BranchName(required=False, help_text="Where to pick it up; the member's branch by default.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        if "needed_by" in data:
            branch = data.get("branch") or self.branch_of_member(data)
            data["needed_by"] = in_zone_of(branch, data["needed_by"])
            if data["needed_by"] <= timezone.now():
                raise serializers.ValidationError({"needed_by": "This moment has passed."}, code="past")
        return data


def in_zone_of(branch: Branch | None, moment: datetime) -> datetime:
    """A naive moment is the branch's time, or the main branch's."""
    if timezone.is_aware(moment):
        return moment
    return moment.replace(tzinfo=ZoneInfo((branch or branch_named(None)).time_zone))


class ReorderInput(StrictSerializer):
    priority = WholeNumber(min_value=-1000, max_value=1000, help_text="Lower goes first; 0 is usual.")
    reason = Text(max_length=300)
    version = WholeNumber(required=False, help_text="The line's version that you saw; another one now: `STALE_QUEUE`.")


class ReasonInput(StrictSerializer):
    reason = Text(required=False, max_length=300)


class NoInput(StrictSerializer):
    """Nothing is expected in the body."""


class QueueOut(serializers.Serializer[Any]):
    book_id = serializers.IntegerField()
    version = serializers.IntegerField()
    reservations = ReservationOut(many=True)
