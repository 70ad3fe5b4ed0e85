"""Taking back a check-out or a return that was a slip at the desk: soon, by whoever made it, while nothing followed.

What happened stays in the log. The undone check-out is followed by a return, the undone return by a check-out of
another loan with the dates of the first; both say in `undoes` which event they take back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from circulation.facts import facts_for
from circulation.models import Loan
from circulation.services import Next, ended, next_for
from circulation.writing import write_return
from events.models import Event
from events.operations import operation
from events.recording import event, record, who_acts
from library import locks
from library.exceptions import BookNotFound, InvalidTransition, MemberNotFound
from library.models import Book, Copy, Member
from reservations import serving
from reservations.models import Reservation

Kind = Event.Kind

UNDO_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Undone:
    """The loan that ended, or is open again; and what to do with a copy that is here again."""

    undone: Literal["checkout", "return"]
    loan: Loan
    next: Next | None = None

    @property
    def told(self) -> str:
        """What staff are told, and asked to do."""
        barcode = self.loan.copy.barcode
        if self.next is not None:
            return f"Copy {barcode} is not lent any more. {self.next.told}"
        assert self.loan.member is not None
        until = self.loan.copy.branch.today(self.loan.due_at).isoformat()
        return f"Copy {barcode} is on loan to {self.loan.member.name} again, until {until}."


@operation
def undo(*, event_id: int, at: datetime) -> Undone:
    """Take back the check-out or the return that this event tells of.

    Raises InvalidTransition when there is none, it was made by somebody else or more than ten minutes ago, or anything
    happened to the copy since.
    """
    # Events never change, so this one need not be read again under the lock.
    made = Event.objects.filter(pk=event_id, kind__in=[Kind.CHECKOUT, Kind.RETURN]).first()
    if made is None or made.member_id is None or made.book_id is None or made.copy_id is None or made.loan_id is None:
        raise InvalidTransition(f"Event {event_id} is neither a check-out nor a return that can be undone.")
    if made.actor_id != who_acts():
        raise InvalidTransition("Somebody else did this. Only they can undo it.")
    if at - made.occurred_at > UNDO_WITHIN:
        minutes = int((at - made.occurred_at).total_seconds() // 60)
        limit = int(UNDO_WITHIN.total_seconds() // 60)
        raise InvalidTransition(f"This was {minutes} minutes ago, and can be undone for {limit}.")
    try:
        member, book = locks.lock_member_and_book(made.member_id, book_id=made.book_id)
    except (BookNotFound, MemberNotFound) as error:
        raise InvalidTransition("The title or the member is not there any more.") from error
    if book.removal_asked_at is not None:
        raise InvalidTransition(f"“{book.title}” is leaving the library. This cannot be undone.")
    copy = Copy.objects.select_related("branch").get(pk=made.copy_id)
    loan = Loan.objects.get(pk=made.loan_id)
    _require_last(made, copy)
    if made.kind == Kind.CHECKOUT:
        return _undo_check_out(member, book, copy, loan, made, at=at)
    return _undo_return(member, book, copy, loan, made, at=at)


def _require_last(made: Event, copy: Copy) -> None:
    """What an operation records, it records as of one moment. Anything else came after it."""
    since = Event.objects.filter(copy_id=copy.pk, pk__gt=made.pk)
    later = since.exclude(occurred_at=made.occurred_at).order_by("pk").first()
    later = later or since.filter(kind__in=[Kind.CHECKOUT, Kind.WITHDRAWN]).first()
    if later is not None:
        what = later.get_kind_display().lower()
        raise InvalidTransition(f"Something happened to copy {copy.barcode} since: {what}. This cannot be undone.")


# --- A check-out -------------------------------------------------------------------------------------------


def _undo_check_out(member: Member, book: Book, copy: Copy, loan: Loan, made: Event, *, at: datetime) -> Undone:
    loan.book, loan.copy, loan.member = book, copy, member
    copy.become(Copy.Status.AVAILABLE)
    write_return(loan, copy, ended(loan, Kind.RETURN, at=at, undoes=made.pk))
    reservation = _fulfilled_by(made)
    if reservation is not None:
        reservation.member = member
        hold = _hold_of(reservation, copy, before=made)
        if hold is not None:
            _back_on_the_shelf(reservation, copy, hold, at=at)
            return Undone("checkout", loan, Next("hold", reservation))
        reservation.revive(Reservation.Status.WAITING)
        record(serving.told_of(Kind.RESUME, reservation, at, undoes=made.pk))
    came_in = serving.CameIn(copy, copy.branch)
    return Undone("checkout", loan, next_for(came_in, serving.take_in(book, came_in, at=at)))


def _fulfilled_by(made: Event) -> Reservation | None:
    if made.reservation_id is None:
        return None
    fulfilled = Reservation.objects.filter(pk=made.reservation_id, status=Reservation.Status.FULFILLED)
    return fulfilled.select_related("branch").first()


def _hold_of(reservation: Reservation, copy: Copy, *, before: Event) -> Event | None:
    """That this very copy stood on the hold shelf for this reservation when it was lent."""
    moves = Event.objects.filter(
        book_id=reservation.book_id,
        reservation_id=reservation.pk,
        kind__in=[Kind.HOLD, Kind.RELEASE],
        pk__lt=before.pk,
    )
    last = moves.order_by("-pk").first()
    return last if last is not None and last.kind == Kind.HOLD and last.copy_id == copy.pk else None


def _back_on_the_shelf(reservation: Reservation, copy: Copy, hold: Event, *, at: datetime) -> None:
    shelf_until = datetime.fromisoformat(hold.payload["shelf_until"])
    copy.move(Copy.Status.ON_HOLD_SHELF, holder=reservation.member)
    reservation.revive(Reservation.Status.READY, copy=copy, shelf_until=shelf_until)
    told = serving.told_of(Kind.HOLD, reservation, at, copy_id=copy.pk, shelf_until=shelf_until.isoformat())
    record(told)


# --- A return ----------------------------------------------------------------------------------------------


def _undo_return(member: Member, book: Book, copy: Copy, before: Loan, made: Event, *, at: datetime) -> Undone:
    facts = facts_for(member, book, at=at, barcode=copy.barcode)
    if facts.has_title:
        raise InvalidTransition(f"{member.name} has another copy of “{book.title}” meanwhile. This cannot be undone.")
    if facts.reservation_id is not None:
        raise InvalidTransition(f"{member.name} has joined the line for “{book.title}” meanwhile.")
    if copy.status == Copy.Status.IN_TRANSIT:  # it has not left yet
        record(_event_of(copy, Kind.RECEIVE, at=at, branch=copy.branch.name))
    if copy.status != Copy.Status.AVAILABLE:
        copy.move(Copy.Status.AVAILABLE)
    serving.lose_copy(copy, at=at)
    loan = Loan.objects.create(
        book=book, copy=copy, member=member, lent_at=before.lent_at, due_at=before.due_at, renewals=before.renewals
    )
    copy.move(Copy.Status.ON_LOAN, holder=member, due_at=before.due_at)
    # Nobody asks for the limit: they had it all the time.
    at_limit = facts.open_loans >= facts.policy.max_loans
    overridden = {"codes": ["LOAN_LIMIT_REACHED"], "reason": "A return was undone."} if at_limit else None
    record(
        _event_of(
            copy,
            Kind.CHECKOUT,
            at=at,
            member_id=member.pk,
            loan_id=loan.pk,
            due_at=loan.due_at.isoformat(),
            open=facts.open_loans,
            limit=facts.policy.max_loans,
            override=overridden,
            undoes=made.pk,
        )
    )
    serving.settle(book, at=at)  # whoever had it set aside may be given another
    return Undone("return", loan)


def _event_of(copy: Copy, kind: Event.Kind, *, at: datetime, **facts: Any) -> Event:
    return event(kind, at=at, book_id=copy.book_id, copy_id=copy.pk, barcode=copy.barcode, **facts)
