"""Reserving at partner libraries: written down, then asked for, then written down what came of it.

Three steps, of which the middle one is outside any transaction. What is written first is found again after a crash,
with the key that travels: the partner does once what it is asked twice.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from events.exceptions import KeyReused
from events.models import Event
from events.operations import Key, operation
from events.recording import event, record
from integrations.partners.asking import forget, room_to_wait
from integrations.partners.calling import Failure
from integrations.partners.circdesk import ENDED, Desk, Refused, There, UnknownTitle
from integrations.partners.exceptions import (
    PartnerCannotReserve,
    PartnerRefused,
    PartnerReservationNotFound,
    PartnerUnknownTitle,
)
from integrations.partners.models import Partner, PartnerReservation
from library import locks
from library.exceptions import NO_OVERRIDE, BookNotFound, Override, Refusal, refuse
from library.models import Book, Copy, Member
from library.policies import policy_for
from library.rules import member_refusals
from reservations.exceptions import AlreadyBorrowed, ReservationExists, ReservationLimitReached
from reservations.models import Reservation

logger = logging.getLogger(__name__)

State = PartnerReservation.State
WAIT = 3.0  # seconds that a caller waits for a partner
PATIENCE = 10.0  # seconds for each request while nobody waits
LEASE = timedelta(seconds=60)  # in which nobody else asks about the same reservation
FOLLOW = timedelta(minutes=5)  # between two looks at what is confirmed
GIVE_UP = timedelta(hours=23)  # within the day for which a partner remembers our key
PAUSES = [30, 60, 120, 300, 600, 1800, 3600]  # seconds between attempts; the last one goes on
BATCH = 100
KEPT = timedelta(days=90)  # that what ended is shown


@dataclass(frozen=True)
class Outcome:
    """What came of asking a partner. Without a state nothing did, and `message` says why."""

    state: str = ""
    there: There | None = None
    message: str = ""
    reasons: list[dict[str, str]] = field(default_factory=list)
    again_at: datetime | None = None  # when to ask again, where that does not depend on how often it was in vain


# --- What is asked for -----------------------------------------------------------------------------------


def under_key(key: Key | None) -> PartnerReservation | None:
    """What was reserved under this key before. Raises KeyReused when that was another request."""
    if key is None:
        return None
    found = PartnerReservation.objects.filter(caller=key.caller, caller_key=key.key).first()
    if found and found.fingerprint != key.fingerprint:
        raise KeyReused
    return found


@operation
def place(
    *,
    partner_id: int,
    member_id: int,
    book_id: int,
    until: datetime,
    at: datetime,
    key: Key | None = None,
    override: Override = NO_OVERRIDE,
) -> PartnerReservation:
    """Write down that a copy is wanted there. Nobody was asked yet.

    Raises every reason against it that is known here: the member's first, then the title's, then the partner's.
    """
    member = locks.lock_member(member_id)
    if before := under_key(key):  # the same request, a moment earlier
        return before
    book = Book.objects.held().filter(pk=book_id).first()
    if book is None:
        raise BookNotFound(book_id)
    # Locked, so that it is not removed before what refers to it is there.
    partner = Partner.objects.select_for_update(no_key=True).filter(pk=partner_id).first()
    if partner is None:
        raise PartnerCannotReserve("This library is no partner any more.")
    overridden = refuse(_refusals(member, book, partner, at=at), override)
    placed = PartnerReservation.objects.create(
        partner=partner,
        book=book,
        member=member,
        until=until,
        asked_at=at,
        next_try_at=at + LEASE,
        caller=key.caller if key else "",
        caller_key=key.key if key else "",
        fingerprint=key.fingerprint if key else "",
    )
    _record(Event.Kind.PARTNER_ASKED, placed, at, override=override.payload(overridden))
    return placed


def _refusals(member: Member, book: Book, partner: Partner, *, at: datetime) -> list[Refusal]:
    reasons = member_refusals(member, today=timezone.localdate(at))
    elsewhere = list(PartnerReservation.objects.live().filter(member=member))
    if any(reservation.book_id == book.pk for reservation in elsewhere):
        reasons.append(ReservationExists(f"{member.name} already has “{book.title}” reserved at a partner library."))
    if Reservation.objects.of(member).filter(book=book, status=Reservation.Status.READY).exists():
        reasons.append(ReservationExists(f"A copy of “{book.title}” is set aside for {member.name} here."))
    if Copy.objects.filter(book=book, status=Copy.Status.ON_LOAN, holder=member).exists():
        reasons.append(AlreadyBorrowed(f"{member.name} already has “{book.title}” on loan."))
    limit, live = policy_for(member, book).max_reservations, Reservation.objects.live().of(member).count()
    if live + len(elsewhere) >= limit:
        reasons.append(
            ReservationLimitReached(
                f"{member.name} has {live + len(elsewhere)} reservations, and {limit} is the limit.",
                open=live + len(elsewhere),
                limit=limit,
            )
        )
    if not book.isbn:
        reasons.append(PartnerUnknownTitle(f"“{book.title}” has no ISBN, by which {partner} could find it."))
    if not can_reserve_at(partner):
        reasons.append(PartnerCannotReserve(f"Nothing can be reserved at {partner} from here."))
    return reasons


def can_reserve_at(partner: Partner) -> bool:
    return partner.protocol == Partner.Protocol.CIRCDESK and bool(partner.api_key)


@operation
def ask_to_cancel(*, reservation_id: int, at: datetime) -> PartnerReservation:
    """Write down that it is no longer wanted there. What has ended stays as it is, unless it ended otherwise.

    Raises PartnerReservationNotFound, and InvalidTransition for what was refused or ended.
    """
    reservation = _locked(reservation_id)
    if reservation.state in (State.CANCELLING, State.CANCELLED):
        return reservation
    reservation.become(State.CANCELLING)
    reservation.attempts, reservation.next_try_at, reservation.message = 0, at, ""
    reservation.asked_at = at  # for as long as from now on it is tried
    reservation.save()
    _record(Event.Kind.PARTNER_ASKED, reservation, at)
    return reservation


# --- What comes of it --------------------------------------------------------------------------------------


def pursue(reservation: PartnerReservation, *, at: datetime) -> PartnerReservation:
    """Ask the partner while somebody waits, if there is room to. Otherwise it is asked as soon as a worker can."""
    if reservation.state not in (State.ASKING, State.UNCONFIRMED, State.CANCELLING):
        return reservation
    with room_to_wait() as is_room:
        if is_room:
            outcome = _asked(reservation, at, limit=time.monotonic() + WAIT, each=reservation.partner.timeout)
        else:
            outcome = Outcome(message="It will be asked in a moment.")
    if outcome.state:
        forget(reservation.partner, reservation.book.isbn)
    # Only the first attempt of a caller counts: whoever asks again and again does not make the worker slower.
    is_counted = is_room and reservation.attempts == 0
    return write_down(
        reservation_id=reservation.pk, outcome=outcome, at=at, asked_as=reservation.state, is_asked=is_counted
    )


def _asked(reservation: PartnerReservation, at: datetime, *, limit: float, each: float) -> Outcome:
    """What the partner says of it. Never raises for what the partner does."""
    desk = Desk(reservation, limit, each)
    if not desk.partner.is_on:
        return Outcome(message=f"{desk.partner} is switched off here.")
    try:
        if reservation.state == State.CANCELLING:
            return _cancelled(desk, at)
        if reservation.state == State.CONFIRMED:
            assert reservation.remote_id is not None
            there = desk.now(reservation.remote_id)
            return Outcome(State.CLOSED if there.status in ENDED else State.CONFIRMED, there)
        return Outcome(State.CONFIRMED, desk.reserve())
    except UnknownTitle:
        reason = {"code": "BOOK_NOT_FOUND", "message": f"“{reservation.book.title}” is not known there."}
        return Outcome(State.REFUSED, None, reason["message"], [reason])
    except Refused as refusal:
        if reservation.state in (State.ASKING, State.UNCONFIRMED):
            return Outcome(State.REFUSED, None, refusal.message, refusal.reasons)
        if reservation.state == State.CONFIRMED and refusal.has("RESERVATION_NOT_FOUND"):
            return Outcome(State.CLOSED, None, refusal.message)
        return Outcome(message=refusal.message)
    except Failure as failure:
        logger.warning("Partner %s did not answer about reservation %s. %s", desk.partner, reservation.pk, failure)
        return Outcome(message=str(failure))


def _cancelled(desk: Desk, at: datetime) -> Outcome:
    remote_id = desk.reservation.remote_id
    if remote_id is None:  # it may have been reserved, or not
        there = desk.found()
        if there is None and at - desk.reservation.asked_at < LEASE:  # or the partner is still at it
            message = f"It will be looked for once more at {desk.partner} in a minute."
            return Outcome(message=message, again_at=desk.reservation.asked_at + LEASE)
        if there is None:
            return Outcome(State.CANCELLED)
        remote_id = there.remote_id
    desk.cancel(remote_id)
    return Outcome(State.CANCELLED)


@operation
def write_down(
    *, reservation_id: int, outcome: Outcome, at: datetime, asked_as: str, is_asked: bool = True
) -> PartnerReservation:
    """What came of asking, unless somebody wanted something else meanwhile. `asked_as`: the state it was in then."""
    reservation = _locked(reservation_id)
    before = reservation.state
    if outcome.there is not None:
        reservation.remote_id = outcome.there.remote_id
        reservation.remote_status, reservation.shelf_until = outcome.there.status, outcome.there.shelf_until
    if outcome.state and outcome.state in PartnerReservation.TRANSITIONS[before]:
        reservation.become(outcome.state)
        reservation.attempts, reservation.message, reservation.reasons = 0, outcome.message, outcome.reasons
        reservation.next_try_at = at + FOLLOW if reservation.is_live else None
        if reservation.state == State.CANCELLED:
            reservation.remote_status = "cancelled" if reservation.remote_id else ""
    elif before == State.CONFIRMED != asked_as:
        pass  # another request was told meanwhile what this one did not learn
    elif reservation.is_live and outcome.again_at:
        reservation.message, reservation.next_try_at = outcome.message, outcome.again_at
    elif reservation.is_live and before != outcome.state:
        _put_off(reservation, outcome.message, at, is_asked=is_asked)
    reservation.ended_at = None if reservation.is_live else reservation.ended_at or at
    reservation.save()
    if reservation.state != before:
        _record(Event.Kind.PARTNER_ANSWERED, reservation, at)
    return reservation


def _put_off(reservation: PartnerReservation, message: str, at: datetime, *, is_asked: bool) -> None:
    """It is not known what became of it: to be asked again, for a day. What is confirmed is followed for longer."""
    if reservation.state == State.ASKING:
        reservation.become(State.UNCONFIRMED)
    reservation.message = message
    pause = PAUSES[min(reservation.attempts, len(PAUSES) - 1)] if is_asked else 0
    reservation.attempts += is_asked
    reservation.next_try_at = at + timedelta(seconds=pause)
    if reservation.state != State.CONFIRMED and at - reservation.asked_at > GIVE_UP:
        reservation.become(State.CLOSED)
        said = f"It could not be found out for a day. Please ask {reservation.partner}. {message}"
        reservation.message = said[:500]
        reservation.next_try_at = None


# --- In the background ---------------------------------------------------------------------------------------


def follow_due(at: datetime) -> int:
    """Ask about what is due, one after the other. Returns how many; there may be more."""
    asked = 0
    for reservation_id in list(PartnerReservation.objects.due(at).values_list("pk", flat=True)[:BATCH]):
        try:
            asked += _follow(reservation_id, at)
        except (OperationalError, InterfaceError):  # the database's, and so the same for all
            raise
        except Exception:  # ours, not theirs; and still no reason to forget the others
            logger.exception("Reservation %s at a partner could not be followed.", reservation_id)
    return asked


def _follow(reservation_id: int, at: datetime) -> bool:
    """False when somebody else is at it."""
    with transaction.atomic():
        claimed = PartnerReservation.objects.due(at).filter(pk=reservation_id).update(next_try_at=at + LEASE)
    if not claimed:
        return False
    reservation = PartnerReservation.objects.select_related("partner", "book").get(pk=reservation_id)
    if reservation.member_id is None and reservation.state != State.CANCELLING:  # nobody wants it any more
        reservation = ask_to_cancel(reservation_id=reservation_id, at=at)
    outcome = _asked(reservation, at, limit=time.monotonic() + 3 * PATIENCE, each=PATIENCE)
    write_down(reservation_id=reservation_id, outcome=outcome, at=at, asked_as=reservation.state)
    return True


def forget_ended(before: datetime) -> int:
    """Drop what ended before this moment. Returns how many there were."""
    return PartnerReservation.objects.filter(ended_at__lt=before).delete()[0]


def refusal_of(reservation: PartnerReservation) -> PartnerRefused | PartnerUnknownTitle:
    """Why the partner refused, as a refusal of ours."""
    if any(reason["code"] == "BOOK_NOT_FOUND" for reason in reservation.reasons):
        return PartnerUnknownTitle(f"{reservation.partner} does not have “{reservation.book.title}”.")
    message = f"{reservation.partner} said no: {reservation.message}"
    return PartnerRefused(message, partner=reservation.partner.name, reasons=reservation.reasons)


def _locked(reservation_id: int) -> PartnerReservation:
    rows = PartnerReservation.objects.select_for_update(of=["self"], no_key=True).select_related("partner", "book")
    reservation = rows.filter(pk=reservation_id).first()
    if reservation is None:
        raise PartnerReservationNotFound(reservation_id)
    return reservation


def _record(kind: Event.Kind, reservation: PartnerReservation, at: datetime, **payload: Any) -> None:
    """Without the title: who had what is forgotten with the reservation."""
    told: dict[str, Any] = {"partner": reservation.partner.name, "partner_reservation": reservation.pk}
    record(event(kind, at=at, member_id=reservation.member_id, state=str(reservation.state), **told, **payload))
