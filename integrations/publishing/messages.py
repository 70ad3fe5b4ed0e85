"""What the stream says of events: what happened, and the present state of all that it touched, as the API shows it.

The state is that of the moment of publishing, which may already know of later events. So a consumer that keeps the
newest state, by `book.version`, bears messages that come twice, late or not at all. People are numbers here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Max, Model, QuerySet
from rest_framework import serializers

from circulation.api.serializers import LoanOut
from circulation.models import Loan
from events.models import Event, Publication
from integrations.publishing.types import TYPES
from library.api.serializers import CopyOut, copy_data
from library.models import Book, Copy
from reservations import availability
from reservations.api.serializers import BookOut, CatalogueOut, PlaceOut, book_data
from reservations.models import Reservation
from rest.serializers import Moment, shown

M = TypeVar("M", bound=Model)

SERVICES = [("all", "One service."), ("public", "The public one of two."), ("admin", "The admin's one of two.")]
OUTSIDE = {"authors": "author"}  # fields that the API calls something else


class MessageOut(serializers.Serializer[Any]):
    """An event, and the state of what it touched at the moment of publishing."""

    id = serializers.IntegerField(help_text="Of the event. A message that comes again has the same.")
    type = serializers.ChoiceField(sorted((kind.name, kind.when) for kind in TYPES.values()))
    service = serializers.ChoiceField(SERVICES, help_text="Where it happened.")
    occurred_at = Moment()
    book = BookOut(allow_null=True)
    copy = CopyOut(allow_null=True)
    loan = LoanOut(allow_null=True)
    reservation = PlaceOut(allow_null=True)
    member_id = serializers.IntegerField(allow_null=True, help_text="Null, too, once the member was forgotten.")
    changed = serializers.ListField(
        child=serializers.CharField(), help_text="Which fields of the record, in messages of the kind `.updated`."
    )


def messages(publications: Sequence[Publication]) -> list[str]:
    """The message of each of these, as JSON, in a handful of statements however many they are."""
    return [json.dumps(message) for message in described([publication.event for publication in publications])]


def described(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Each event as a `MessageOut`."""
    books = _books({event.book_id for event in events if event.book_id is not None})
    copies = _states(Copy.objects.select_related("branch"), {event.copy_id for event in events}, _copy)
    loans = _states(Loan.objects.select_related("book", "copy"), {event.loan_id for event in events}, _loan)
    places = _states(
        Reservation.objects.select_related("book", "copy", "branch"), {event.reservation_id for event in events}, _place
    )
    return [
        {
            "id": event.pk,
            "type": TYPES[Event.Kind(event.kind)].name,
            "service": settings.SERVICE,
            "occurred_at": Moment().to_representation(event.occurred_at),
            "book": books.get(event.book_id),
            "copy": copies.get(event.copy_id),
            "loan": loans.get(event.loan_id),
            "reservation": places.get(event.reservation_id),
            "member_id": event.member_id,
            "changed": [OUTSIDE.get(name, name) for name in event.payload.get("changed", [])],
        }
        for event in events
    ]


def _books(ids: set[int]) -> dict[int | None, dict[str, Any]]:
    numbers = availability.count(ids)
    gone = dict(Event.objects.filter(book_id__in=ids - numbers.keys()).values_list("book_id").annotate(last=Max("id")))
    return {
        book.pk: book_data(shown(CatalogueOut, book), numbers.get(book.pk) or _none(gone.get(book.pk, 0)))
        for book in Book.objects.filter(pk__in=ids)
    }


def _none(version: int) -> dict[str, int]:
    """The numbers of a title that was withdrawn."""
    return {"available": 0, "total": 0, "version": version}


def _copy(copy: Copy) -> dict[str, Any]:
    return copy_data(copy, for_staff=False)  # who has it, the loan or the reservation says


def _loan(loan: Loan) -> dict[str, Any]:
    return shown(LoanOut, loan)


def _place(reservation: Reservation) -> dict[str, Any]:
    return shown(PlaceOut, reservation)


def _states(
    rows: QuerySet[M], ids: set[int | None], state: Callable[[M], dict[str, Any]]
) -> dict[int | None, dict[str, Any]]:
    ids = ids - {None}
    return {row.pk: state(row) for row in rows.filter(pk__in=ids)} if ids else {}
