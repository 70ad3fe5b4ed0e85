"""Who gets the copy that comes free: on the hold shelf where it stands, or sent to where they collect it.

`settle` is the heart: every operation that frees or adds a copy or revives a reservation ends with it, under the
book's lock, so that nobody eligible waits beside a free copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from events.models import Event
from events.operations import require_transaction
from events.recording import event, is_ours, record
from library.models import Book, Branch, Copy
from library.policies import policy_for
from reservations.facts import free_and_first
from reservations.models import Reservation
from reservations.writing import write_hold

Status = Reservation.Status
# Each round of settling looks at so many free copies; few titles free more at once.
SETTLE_BATCH = 50


@dataclass(frozen=True)
class CameIn:
    """A free copy, and the branch where it now stands, which may not be its own."""

    copy: Copy
    branch: Branch


_shelved_at: ContextVar[datetime | None] = ContextVar("shelved_at", default=None)


def settle(book: Book, *, at: datetime, came_in: CameIn | None = None) -> list[Reservation]:
    """Give free copies to those first in line. Returns the reservations that were given one, in order.

    Whoever collects where the copy stands finds it on the hold shelf there, and it is sent to the others; the head of
    the line has the choice. Of two services, lines are the public one's: at the other one nothing is done.
    """
    require_transaction()
    if not is_ours(Event.Kind.HOLD):
        return []
    given: list[Reservation] = []
    while book.in_circulation and book.withdrawn_at is None:
        copies, heads = free_and_first(book, at=at, most=SETTLE_BATCH)
        for head in heads:
            reservation = head.reservation
            here = (copy for copy in copies if _stands_at(copy, came_in) == reservation.branch_id)
            copy = next(here, copies[0])
            copies.remove(copy)
            came = came_in is not None and came_in.copy.pk == copy.pk
            stands_at = _stands_at(copy, came_in)
            give(reservation, copy, book=book, at=at, stands_at=stands_at, in_hand=came, shelf_days=head.shelf_days)
            given.append(reservation)
        if len(heads) < SETTLE_BATCH:
            break
    return given


def take_in(book: Book, came_in: CameIn, *, at: datetime) -> Reservation | None:
    """Find the place of a copy that came in somewhere and is free: for the line, or else at its own branch.

    Returns the reservation that was given it.
    """
    given = settle(book, at=at, came_in=came_in)
    served = next((reservation for reservation in given if reservation.copy_id == came_in.copy.pk), None)
    if served is None and came_in.copy.branch_id != came_in.branch.pk:
        send(came_in.copy, came_in.copy.branch, at=at)
    return served


def receive(book: Book, came_in: CameIn, *, at: datetime) -> Reservation | None:
    """The same for a copy that was in transit: whoever it was sent for comes first, if they still may be given it."""
    copy = came_in.copy
    copy.move(Copy.Status.AVAILABLE)
    record(
        event(
            Event.Kind.RECEIVE,
            at=at,
            book_id=book.pk,
            copy_id=copy.pk,
            barcode=copy.barcode,
            branch=came_in.branch.name,
        )
    )
    eligible = Reservation.objects.eligible(book, at, timezone.localdate(at), sent=copy)
    reservation = eligible.select_related("member", "branch").first()
    if reservation is None:
        lose_copy(copy, at=at)
        return take_in(book, came_in, at=at)
    give(reservation, copy, book=book, at=at, stands_at=came_in.branch.pk, in_hand=True)
    return reservation


def destination(copy: Copy) -> Branch:
    """Where a copy in transit is going: to whoever it was sent for, or home."""
    waiting = Reservation.objects.filter(book=copy.book_id, status=Status.WAITING)
    sent = waiting.filter(copy=copy).select_related("branch").first()
    return sent.branch if sent else copy.branch


@contextmanager
def shelving_as_of(moment: datetime) -> Iterator[None]:
    """Copies set aside inside stay on the shelf as if set aside at this moment: for replays of the past.

    Otherwise the next sweep would end them all.
    """
    token = _shelved_at.set(moment)
    try:
        yield
    finally:
        _shelved_at.reset(token)


def give(
    reservation: Reservation,
    copy: Copy,
    *,
    book: Book,
    at: datetime,
    stands_at: int | None = None,
    until: datetime | None = None,
    in_hand: bool = False,
    shelf_days: int | None = None,
) -> None:
    """Put a free copy on the hold shelf for a waiting member, or send it to the branch where they collect it.

    Unless it is in somebody's hand, it has to be fetched from where it stands first. It stays on the shelf for as long
    as their policy says (`shelf_days`, for who knows them already), and then until that branch closes, unless told
    until when.
    """
    if (stands_at or copy.branch_id) != reservation.branch_id:
        reservation.copy, reservation.shelf_until = copy, until or reservation.shelf_until
        reservation.to_pull = not in_hand
        reservation.save(update_fields=["copy", "shelf_until", "to_pull"])
        send(copy, reservation.branch, at=at, reservation=reservation)
        return
    member = reservation.member
    assert member is not None  # a live reservation has its member, by constraint
    shelf_until = until or reservation.shelf_until
    if shelf_until is None:
        days = policy_for(member, book).shelf_days if shelf_days is None else shelf_days
        shelf_until = reservation.branch.closing_after(_shelved_at.get() or at, days=days)
    copy.become(Copy.Status.ON_HOLD_SHELF, holder=member)
    reservation.become(Status.READY, at=at, copy=copy, shelf_until=shelf_until, to_pull=not in_hand)
    write_hold(reservation, copy, told_of(Event.Kind.HOLD, reservation, at, shelf_until=shelf_until.isoformat()))


def send(copy: Copy, to: Branch, *, at: datetime, reservation: Reservation | None = None) -> None:
    """A free copy goes to another branch: for a reservation that was given it, or home."""
    copy.move(Copy.Status.IN_TRANSIT)
    record(
        event(
            Event.Kind.TRANSIT,
            at=at,
            book_id=copy.book_id,
            copy_id=copy.pk,
            member_id=None if reservation is None else reservation.member_id,
            reservation_id=None if reservation is None else reservation.pk,
            barcode=copy.barcode,
            branch=to.name,
        )
    )


def release_copy(reservation: Reservation, *, at: datetime) -> None:
    """Take the copy of a reservation that is about to end off the hold shelf. The caller settles afterwards.

    At a branch that is not its own it is on its way from then on: whoever takes it off that shelf receives it there,
    and learns where it goes.
    """
    copy = reservation.copy
    if reservation.status == Status.READY and copy is not None:
        copy.move(Copy.Status.AVAILABLE)
        record(told_of(Event.Kind.RELEASE, reservation, at))
        if copy.branch_id != reservation.branch_id:
            send(copy, copy.branch, at=at)


def lose_copy(copy: Copy, *, at: datetime) -> None:
    """The copy that somebody was given failed: their reservation waits again, at its old place."""
    given = Reservation.objects.filter(book=copy.book_id, copy=copy, status__in=[Status.WAITING, Status.READY])
    for reservation in given:
        record(told_of(Event.Kind.RELEASE, reservation, at))
        reservation.copy = reservation.shelf_until = None
        reservation.status, reservation.to_pull = Status.WAITING, False
        reservation.save(update_fields=["copy", "shelf_until", "status", "to_pull"])


def _stands_at(copy: Copy, came_in: CameIn | None) -> int:
    """The id of the branch where a free copy stands: its own, but for one that just came in elsewhere."""
    return came_in.branch.pk if came_in is not None and came_in.copy.pk == copy.pk else copy.branch_id


def fulfil_with(reservation: Reservation, copy: Copy, *, at: datetime, loan_id: int) -> None:
    """End a reservation with the loan that it was for. A copy that was set aside and not taken comes free."""
    if reservation.copy_id != copy.pk:
        release_copy(reservation, at=at)
    reservation.move(Status.FULFILLED, at=at, copy=copy)
    record(told_of(Event.Kind.FULFIL, reservation, at, loan_id=loan_id))


def told_of(kind: Event.Kind, reservation: Reservation, at: datetime, **facts: Any) -> Event:
    """An event of a reservation, not yet recorded."""
    facts.setdefault("copy_id", reservation.copy_id)
    return event(
        kind,
        at=at,
        book_id=reservation.book_id,
        member_id=reservation.member_id,
        reservation_id=reservation.pk,
        **facts,
    )
