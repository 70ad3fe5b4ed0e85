"""What was reserved at partner libraries, over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from events.exceptions import KeyReused
from events.models import StoredAnswer
from events.recording import acting
from events.waking import wake
from integrations.partners.asking import ask
from integrations.partners.exceptions import PartnerReservationNotFound
from integrations.partners.models import Partner, PartnerReservation
from integrations.partners.reserving import (
    ask_to_cancel,
    can_reserve_at,
    place,
    pursue,
    refusal_of,
    under_key,
)
from integrations.partners.tasks import follow_reservations
from library.api.operations import OperationView, idempotency_key
from library.models import Book
from reservations.api.serializers import NoInput
from reservations.services import unserved
from rest.answers import Answer
from rest.pagination import Orderings, PageRequest, page_data, paginate
from rest.schema import endpoint, page_of, page_query
from rest.serializers import IdentifierInQuery, Moment, shown, written

ORDERINGS: Orderings = {"id": F("pk")}
REFUSALS = ["PARTNER_REFUSED", "PARTNER_CANNOT_RESERVE", "PARTNER_UNKNOWN_TITLE"]
State = PartnerReservation.State


class PartnerReservationOut(serializers.Serializer[PartnerReservation]):
    """What was reserved at a partner library. `remote_status` is what it is there; `message` what the partner said."""

    id = serializers.IntegerField()
    partner = serializers.CharField(source="partner.name")
    book_id = serializers.IntegerField()
    title = serializers.CharField(source="book.title")
    member_id = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(PartnerReservation.State.choices)
    reserved_until = Moment(source="until")
    remote_id = serializers.IntegerField(allow_null=True)
    remote_status = serializers.CharField()
    shelf_until = Moment(allow_null=True)
    message = serializers.CharField()
    asked_at = Moment()


class PartnerReservationQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField([*PartnerReservation.State.values, "live"], required=False)
    member = IdentifierInQuery(required=False)


def reserve_at(view: OperationView, partner: Partner, asked: dict[str, Any]) -> HttpResponseBase:
    """Reserve there what a request asks for: 201 once the partner confirmed it, 202 while that is not known."""
    asked = {name: asked[name] for name in ("member_id", "book_id", "until", "override") if name in asked}
    asked |= {"partner_id": partner.pk, "at": timezone.now()}
    if view.is_dry_run:
        return view.perform(place, _answer, would="reserve", **asked)
    key = idempotency_key(view.request, body=view.fingerprinted())
    with acting(view.request.user.pk):
        reservation = under_key(key)
        if reservation is None:
            if key and StoredAnswer.objects.filter(caller=key.caller, key=key.key).exists():
                raise KeyReused
            reservation = place(key=key, **asked)
        reservation = pursue(reservation, at=timezone.now())
    _wake_for(reservation)
    return _answer(reservation)


def partner_instead(view: OperationView, asked: dict[str, Any]) -> Partner | None:
    """The first partner where a title is free that is not free here; None where it is to be reserved here.

    What was begun under this request's key is gone on with where it was begun.
    """
    key = idempotency_key(view.request, body=view.fingerprinted())
    if begun := under_key(key):
        return begun.partner
    if key and StoredAnswer.objects.filter(caller=key.caller, key=key.key).exists():
        return None
    book = Book.objects.held().filter(pk=asked["book_id"]).first()
    if book is None or (book.in_circulation and unserved(book, at=timezone.now()) < 0):
        return None
    free = (answer.partner for answer in ask(book) if answer.available and can_reserve_at(answer.partner))
    return next(free, None)


def _answer(reservation: PartnerReservation) -> Answer:
    """Raises the refusal of a partner that said no."""
    if reservation.state == State.REFUSED:
        raise refusal_of(reservation)
    is_open = reservation.state in (State.ASKING, State.UNCONFIRMED)
    told = _became(reservation)
    location = {"Location": f"/api/partner-reservations/{reservation.pk}/"}
    return Answer(shown(PartnerReservationOut, reservation), told, status=202 if is_open else 201, headers=location)


def _became(reservation: PartnerReservation) -> str:
    title, partner = reservation.book.title, reservation.partner
    return {
        State.ASKING: f"{partner} has not confirmed yet that it keeps “{title}”. It is asked again.",
        State.UNCONFIRMED: f"{partner} has not confirmed yet that it keeps “{title}”. It is asked again.",
        State.CONFIRMED: f"“{title}” is reserved at {partner}.",
        State.CANCELLING: f"The reservation of “{title}” at {partner} is being cancelled.",
        State.CANCELLED: f"The reservation of “{title}” at {partner} is cancelled.",
    }.get(State(reservation.state), f"The reservation of “{title}” at {partner} has ended.")


def _wake_for(reservation: PartnerReservation) -> None:
    if reservation.next_try_at and reservation.next_try_at <= timezone.now():
        wake(follow_reservations)


class PartnerReservationView(OperationView):
    tag = "partner libraries"

    def rows(self) -> QuerySet[PartnerReservation]:
        own = {} if self.only_member is None else {"member": self.only_member}
        return PartnerReservation.objects.filter(**own).select_related("partner", "book")

    def found(self, reservation_id: int) -> PartnerReservation:
        found = self.rows().filter(pk=reservation_id).first()
        if found is None:
            raise PartnerReservationNotFound(reservation_id)
        return found


class PartnerReservationList(PartnerReservationView):
    @endpoint(
        name="partner_reservations_list",
        summary="List what is reserved at partner libraries",
        query=[PartnerReservationQuery, *page_query(ORDERINGS, "id")],
        answers={200: page_of(PartnerReservationOut)},
    )
    def get(self, request: Request) -> Answer:
        asked, rows = self.query(PartnerReservationQuery), self.rows()
        if "member" in asked:
            rows = rows.filter(member=asked["member"])
        if state := asked.get("state"):
            rows = rows.filter(state__in=PartnerReservation.LIVE if state == "live" else [state])
        page = paginate(rows, PageRequest.of(request, ORDERINGS, "id"), ORDERINGS)
        results = written(PartnerReservationOut, page.rows)
        return Answer(page_data(request, page.next, page.previous, page.count, results))


class PartnerReservationDetail(PartnerReservationView):
    @endpoint(
        name="partner_reservations_read",
        summary="One reservation at a partner library",
        answers={200: PartnerReservationOut},
        refusals=["RESERVATION_NOT_FOUND"],
    )
    def get(self, request: Request, partner_reservation_id: int) -> Answer:
        return Answer(shown(PartnerReservationOut, self.found(partner_reservation_id)))


class PartnerReservationCancel(PartnerReservationView):
    @endpoint(
        name="partner_reservations_cancel",
        summary="Cancel a reservation at a partner library",
        description="Repeating it changes nothing. While the partner does not answer, it is `cancelling`.",
        request=NoInput,
        answers={200: PartnerReservationOut},
        refusals=["RESERVATION_NOT_FOUND", "INVALID_TRANSITION"],
        keyed=True,
        example={},
    )
    def post(self, request: Request, partner_reservation_id: int) -> HttpResponseBase:
        self.parsed(NoInput)
        self.found(partner_reservation_id)
        response = self.perform(
            ask_to_cancel, _cancelling, would="cancel", reservation_id=partner_reservation_id, at=timezone.now()
        )
        if self.is_dry_run:
            return response
        if "Idempotency-Key" in request.headers:  # the answer is stored already: a worker asks
            wake(follow_reservations)
            return response
        reservation = pursue(self.found(partner_reservation_id), at=timezone.now())
        _wake_for(reservation)
        return _cancelling(reservation)


def _cancelling(reservation: PartnerReservation) -> Answer:
    return Answer(shown(PartnerReservationOut, reservation), _became(reservation))
