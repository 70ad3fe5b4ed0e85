"""The line over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import F
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from library.api.operations import OperationView
from library.exceptions import BookNotFound, MemberNotFound
from library.models import Book, Member
from reservations import services
from reservations.api.serializers import (
    NoInput,
    QueueOut,
    ReasonInput,
    ReorderInput,
    ReservationInput,
    ReservationOut,
    reservation_data,
)
from reservations.exceptions import ReservationNotFound
from reservations.models import Reservation, ReservationQuerySet
from rest.answers import Answer
from rest.pagination import Orderings, PageRequest, page_data, paginate
from rest.schema import endpoint, page_of, page_query
from rest.serializers import IdentifierInQuery

ORDERINGS: Orderings = {"id": F("pk"), "placed_at": F("placed_at")}
QUEUE_SHOWS = 1000
JOIN_REFUSALS = [
    "MEMBER_NOT_FOUND",
    "BOOK_NOT_FOUND",
    "MEMBER_BLOCKED",
    "MEMBER_EXPIRED",
    "RESERVATION_EXISTS",
    "RESERVATION_LIMIT_REACHED",
    "ALREADY_BORROWED",
    "COPY_NOT_CIRCULATING",
]


class StatusQuery(serializers.Serializer[Any]):
    status = serializers.ChoiceField([*Reservation.Status.values, "live"], required=False)


class ReservationQuery(StatusQuery):
    member = IdentifierInQuery(required=False)
    book = IdentifierInQuery(required=False)


def visible(view: OperationView) -> ReservationQuerySet:
    """The reservations that there are for this caller."""
    return Reservation.objects.filter(**({} if view.only_member is None else {"member": view.only_member}))


def visible_reservation(view: OperationView, reservation_id: int) -> int:
    """The id, if there is such a reservation for this caller. Raises ReservationNotFound for other people's."""
    if view.only_member is not None and not visible(view).filter(pk=reservation_id).exists():
        raise ReservationNotFound(reservation_id)
    return reservation_id


def reservation_page(request: Request, rows: ReservationQuerySet, asked: dict[str, Any]) -> dict[str, Any]:
    """A page of these reservations, filtered by `status`, `member` and `book`."""
    if "member" in asked:
        rows = rows.filter(member=asked["member"])
    if "book" in asked:
        rows = rows.filter(book=asked["book"])
    if "status" in asked:
        rows = rows.live() if asked["status"] == "live" else rows.filter(status=asked["status"])
    page = paginate(rows, PageRequest.of(request, ORDERINGS, "id"), ORDERINGS)
    return page_data(request, page.next, page.previous, page.count, reservation_data(page.rows))


class ReservationList(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_list",
        summary="List reservations",
        query=[ReservationQuery, *page_query(ORDERINGS, "id")],
        answers={200: page_of(ReservationOut)},
    )
    def get(self, request: Request) -> Answer:
        return Answer(reservation_page(request, visible(self), self.query(ReservationQuery)))

    @endpoint(
        name="reservations_create",
        summary="Join the line for a title",
        description="Only while nothing is free: a free copy can be borrowed at once.",
        request=ReservationInput,
        answers={201: ReservationOut},
        headers={201: ["Location"]},
        refusals=[*JOIN_REFUSALS, "COPY_AVAILABLE"],
        keyed=True,
        example={"member_id": 3, "book_id": 1, "needed_by": "2030-12-31T18:00:00Z"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        return self.perform(
            services.reserve,
            reserved,
            would="reserve",
            at=timezone.now(),
            **self.for_member(self.parsed(ReservationInput, context={"only_member": self.only_member})),
        )


def reserved(reservation: Reservation) -> Answer:
    """What a new reservation answers."""
    [data] = reservation_data([reservation], cached=False)
    assert reservation.member is not None
    place = f"place {data['position']} in the line" if data["position"] else "and a copy is set aside"
    if data["position"] and reservation.copy_id is not None:
        place = f"and a copy will be sent to {data['branch']}"
    message = f"“{data['title']}” reserved for {reservation.member.name}, {place}."
    return Answer(data, message, status=201, headers={"Location": f"/api/reservations/{reservation.pk}/"})


class ReservationDetail(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_read",
        summary="One reservation",
        answers={200: ReservationOut},
        refusals=["RESERVATION_NOT_FOUND"],
    )
    def get(self, request: Request, reservation_id: int) -> Answer:
        reservation = visible(self).filter(pk=reservation_id).first()
        if reservation is None:
            raise ReservationNotFound(reservation_id)
        return Answer(reservation_data([reservation])[0])


def _told(sentence: str) -> Callable[[Reservation], Answer]:
    def answer(reservation: Reservation) -> Answer:
        [data] = reservation_data([reservation], cached=False)
        if reservation.status == Reservation.Status.READY:
            return Answer(data, f"A copy of “{data['title']}” is set aside for this reservation.")
        return Answer(data, sentence.format(title=data["title"], position=data["position"]))

    return answer


cancelled = _told("The reservation of “{title}” is cancelled.")


class Cancel(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_cancel",
        summary="Leave the line",
        description="A copy that was set aside goes to the next in line.",
        request=ReasonInput,
        answers={200: ReservationOut},
        refusals=["RESERVATION_NOT_FOUND", "RESERVATION_CLOSED"],
        keyed=True,
        example={"reason": "Found another edition"},
    )
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        asked = self.parsed(ReasonInput) | {"reservation_id": visible_reservation(self, reservation_id)}
        return self.perform(services.cancel, cancelled, would="cancel", at=timezone.now(), **asked)


class Suspend(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_suspend",
        summary="Stay in the line without being served",
        request=NoInput,
        answers={200: ReservationOut},
        refusals=["RESERVATION_NOT_FOUND", "RESERVATION_CLOSED", "INVALID_TRANSITION"],
        keyed=True,
        example={},
    )
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        self.parsed(NoInput)
        visible_reservation(self, reservation_id)
        answer = _told("The reservation of “{title}” is suspended and keeps its place.")
        return self.perform(services.suspend, answer, would="suspend", reservation_id=reservation_id, at=timezone.now())


class Resume(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_resume",
        summary="Be served again, at the old place",
        request=NoInput,
        answers={200: ReservationOut},
        refusals=["RESERVATION_NOT_FOUND", "RESERVATION_CLOSED", "INVALID_TRANSITION"],
        keyed=True,
        example={},
    )
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        self.parsed(NoInput)
        visible_reservation(self, reservation_id)
        answer = _told("The reservation of “{title}” is resumed at place {position}.")
        return self.perform(services.resume, answer, would="resume", reservation_id=reservation_id, at=timezone.now())


class Reorder(OperationView):
    tag = "reservations"

    @endpoint(
        name="reservations_reorder",
        summary="Move a reservation forward or back",
        description="The line is ordered by priority (lower first), then by when each joined. Staff give a reason.",
        request=ReorderInput,
        answers={200: ReservationOut},
        refusals=["RESERVATION_NOT_FOUND", "RESERVATION_CLOSED", "STALE_QUEUE"],
        keyed=True,
        example={"priority": -1, "reason": "Needed for the reading group on Friday"},
    )
    def post(self, request: Request, reservation_id: int) -> HttpResponseBase:
        asked = self.parsed(ReorderInput)
        return self.perform(
            services.reorder,
            _told("The reservation of “{title}” is now at place {position}."),
            would="reorder",
            reservation_id=reservation_id,
            at=timezone.now(),
            priority=asked["priority"],
            reason=asked["reason"],
            queue_version=asked.get("version"),
        )


class Queue(OperationView):
    tag = "reservations"

    @endpoint(
        name="books_queue",
        summary="The line for a title, in order",
        description=f"At most {QUEUE_SHOWS} places. Those with a copy set aside come where they stand, as place 0.",
        answers={200: QueueOut},
        refusals=["BOOK_NOT_FOUND"],
    )
    def get(self, request: Request, book_id: int) -> Answer:
        book = Book.objects.held().filter(pk=book_id).first()
        if book is None:
            raise BookNotFound(book_id)
        version = services.line_version(book)
        line = list(Reservation.objects.live().filter(book=book).in_order()[:QUEUE_SHOWS])
        return Answer({"book_id": book_id, "version": version, "reservations": reservation_data(line)})


class MemberReservations(OperationView):
    tag = "members"

    @endpoint(
        name="members_reservations",
        summary="A member's reservations",
        query=[StatusQuery, *page_query(ORDERINGS, "id")],
        answers={200: page_of(ReservationOut)},
        refusals=["MEMBER_NOT_FOUND"],
    )
    def get(self, request: Request, member_id: int) -> Answer:
        self.require_visible(member_id)
        if not Member.objects.filter(pk=member_id).exists():
            raise MemberNotFound(member_id)
        asked = self.query(ReservationQuery) | {"member": member_id}
        return Answer(reservation_page(request, Reservation.objects.all(), asked))
