"""The desk: check-out, return, renewal, and lending to the head of a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings
from django.utils import timezone

from circulation.exceptions import (
    CopyNotOnLoan,
    LoanNotFound,
    NoCopyToFulfil,
    QueueEmpty,
    RenewalBlockedByReservation,
    RenewalLimitReached,
)
from circulation.facts import facts_for, open_loan
from circulation.lending import copy_reason, is_takeable, lend, member_reasons, title_reasons
from circulation.models import Loan
from circulation.writing import write_return
from events.models import Event
from events.operations import Restart, operation
from events.recording import event, record
from library import locks
from library.exceptions import (
    NO_OVERRIDE,
    BookNotFound,
    CopyNotFound,
    MemberNotFound,
    NotFound,
    Override,
    Refusal,
    refuse,
)
from library.models import Book, Branch, Copy, Member
from library.policies import policy_for
from library.rules import member_refusals
from reservations import services as line
from reservations import serving
from reservations.exceptions import ReservationNotFound
from reservations.models import Reservation
from reservations.titles import complete_removal


@dataclass(frozen=True)
class Lent:
    """A check-out that gave the member a copy."""

    loan: Loan


@dataclass(frozen=True)
class Queued:
    """A check-out that found nothing free and put the member in the line."""

    reservation: Reservation


@dataclass(frozen=True)
class Next:
    """What to do with a copy that just came in: shelve it, hold it for someone, hand it to someone, or send it on."""

    action: Literal["shelve", "hold", "lend", "transit"]
    reservation: Reservation | None = None
    branch: Branch | None = None  # to which it is sent

    @property
    def told(self) -> str:
        """What staff are asked to do."""
        member = self.reservation and self.reservation.member
        if self.action == "lend" and member:
            return f"Hand it to {member.name}, who was first in line: it is lent."
        if self.branch is not None:
            return f"Send it to {self.branch}{f' for {member.name}' if member else ', where it belongs'}."
        return f"Put it on the hold shelf for {member.name}." if member else "Put it back on the shelf."


@dataclass(frozen=True)
class Returned:
    loan: Loan
    next: Next


# --- Check-out ---------------------------------------------------------------------------------------------


@operation
def check_out(
    *,
    member_id: int,
    at: datetime,
    book_id: int | None = None,
    barcode: str | None = None,
    days: int | None = None,
    branch: Branch | None = None,
    on_unavailable: Literal["reserve", "refuse"] | None = None,
    override: Override = NO_OVERRIDE,
) -> Lent | Queued:
    """Lend a title, or one very copy of it, until its branch closes on the day that lies `days` ahead.

    Without `days` the loan policy's number counts. With a branch, only copies that stand there are lent by title. With
    nothing free the member joins the line, to collect there or at their own branch, unless told to refuse; a barcode
    means that copy, so then refusing is the default. Raises every reason that stands, members' first, then the
    title's, then the copy's.
    """
    member, book = locks.lock_member_and_book(member_id, book_id=book_id, barcode=barcode)
    facts = facts_for(member, book, at=at, barcode=barcode, branch=branch)
    if on_unavailable is None:
        on_unavailable = "refuse" if barcode else "reserve"
    is_elsewhere = branch is not None and barcode is None and facts.copy is None
    if on_unavailable == "reserve" and (is_elsewhere or not facts.is_free) and not is_takeable(facts, member):
        overridden = refuse(line.line_refusals(member, book, at=at), override)
        return Queued(_join(member, book, branch, at=at, overridden=override.payload(overridden)))
    reasons = [
        *member_reasons(member, facts, days, at=at),
        *title_reasons(member, book, facts),
        copy_reason(member, book, facts, barcode, branch),
    ]
    overridden = refuse(reasons, override)
    return Lent(lend(member, book, facts, at=at, days=days, overridden=override.payload(overridden)))


def _join(
    member: Member, book: Book, branch: Branch | None, *, at: datetime, overridden: dict[str, object] | None
) -> Reservation:
    reservation = line.join_line(member, book, at=at, branch=branch, overridden=overridden)
    # Whoever joins may go before those whom staff moved back, and so be served at once.
    return next((ready for ready in serving.settle(book, at=at) if ready == reservation), reservation)


# --- Return ------------------------------------------------------------------------------------------------


@operation
def return_copy(
    *,
    at: datetime,
    barcode: str | None = None,
    loan_id: int | None = None,
    member_id: int | None = None,
    book_id: int | None = None,
    branch: Branch | None = None,
    fulfil_on_return: Literal["hold", "loan"] | None = None,
    override: Override = NO_OVERRIDE,
) -> Returned:
    """Take a copy back, named by its barcode, its loan, or who returns which title; and say what to do with it.

    At a branch that is not its own it is sent home, or to whoever waits for it; without a branch it came home.
    `fulfil_on_return` defaults to the setting of that name; `override` is for the loan that it may make.
    Raises CopyNotOnLoan, and not-found errors.
    """
    book, loan, has_line = _lock_open_loan(
        at=at, barcode=barcode, loan_id=loan_id, member_id=member_id, book_id=book_id
    )
    loan.copy.become(Copy.Status.AVAILABLE)
    write_return(loan, loan.copy, ended(loan, Event.Kind.RETURN, at=at))
    if book.removal_asked_at is not None:
        complete_removal(book, at=at)
        if book.withdrawn_at is not None:  # it has no more places: where it is, it leaves the library
            return Returned(loan, Next("shelve"))
    came_in = serving.CameIn(loan.copy, branch or loan.copy.branch)
    if not has_line and came_in.branch == loan.copy.branch:
        return Returned(loan, Next("shelve"))
    if has_line and (fulfil_on_return or settings.FULFIL_ON_RETURN) == "loan":
        reservation = _lend_to_head(book, came_in, at=at, override=override)
        if reservation is not None:
            return Returned(loan, Next("lend", reservation))
    return Returned(loan, next_for(came_in, serving.take_in(book, came_in, at=at)))


@operation
def give_back(*, reservation_id: int, at: datetime) -> Reservation:
    """Leave the line with the copy that is set aside: it goes to the next. Raises ReservationClosed.

    While nothing is set aside, CopyNotOnLoan: the copy may have failed a moment ago, and the place in the line is kept.
    """
    book, reservation = line.lock_reservation(reservation_id)
    if reservation.is_live and reservation.status != Reservation.Status.READY:
        raise CopyNotOnLoan("Nothing was set aside for this reservation yet. To leave the line, cancel it.")
    return line.leave_line(reservation, book, at=at, reason="given back")


def next_for(came_in: serving.CameIn, reservation: Reservation | None) -> Next:
    """What to do with a copy that came in somewhere, given who was given it."""
    home = came_in.copy.branch
    if reservation is None:
        return Next("shelve") if came_in.branch == home else Next("transit", branch=home)
    if reservation.status == Reservation.Status.READY:
        return Next("hold", reservation)
    return Next("transit", reservation, reservation.branch)


def close_loan_as_lost(copy: Copy, *, at: datetime, reason: str = "") -> Loan:
    """End the open loan of a copy that will not come back. The caller holds the book's lock and moves the copy."""
    loan = Loan.objects.active().select_related("copy").get(copy=copy)
    told = ended(loan, Event.Kind.LOST, at=at, reason=reason)
    loan.save(update_fields=["returned_at"])
    record(told)
    return loan


def _lock_open_loan(
    *,
    at: datetime,
    barcode: str | None = None,
    loan_id: int | None = None,
    member_id: int | None = None,
    book_id: int | None = None,
) -> tuple[Book, Loan, bool]:
    """The title, locked; its one open loan that is meant; and whether somebody eligible waits for the title."""
    if barcode is not None:
        book = locks.lock_book_by_barcode(barcode)
        found = open_loan(book, at=at, barcode=barcode)
        if found.copy is None:  # given another barcode while we waited
            raise CopyNotFound(barcode)
        nothing = f"Copy {barcode} is not on loan. It is {found.copy.get_status_display().lower()}."
    elif loan_id is not None:
        # loan.book never changes
        title_id = Loan.objects.filter(pk=loan_id).values_list("book_id", flat=True).first()
        if title_id is None:
            raise LoanNotFound(loan_id)
        nothing = f"Loan {loan_id} has ended: nothing is on loan under it."
        try:
            book = locks.lock_book(title_id)
        except BookNotFound as error:  # a title is not withdrawn before all its loans have ended
            raise CopyNotOnLoan(nothing) from error
        found = open_loan(book, at=at, loan_id=loan_id)
    else:
        assert member_id is not None
        assert book_id is not None
        book = locks.lock_book(book_id)
        found = open_loan(book, at=at, member_id=member_id)
        if found.loan is None and not Member.objects.filter(pk=member_id).exists():
            raise MemberNotFound(member_id)
        nothing = f"“{book.title}” is not on loan to member {member_id}."
    if found.loan is None:
        raise CopyNotOnLoan(nothing)
    return book, found.loan, found.has_line


def ended(loan: Loan, kind: Event.Kind, *, at: datetime, reason: str = "", undoes: int | None = None) -> Event:
    """End a loan, not yet saved. Returns the event that tells of it."""
    loan.returned_at = at
    return event(
        kind,
        at=at,
        book_id=loan.book_id,
        copy_id=loan.copy_id,
        member_id=loan.member_id,
        loan_id=loan.pk,
        barcode=loan.copy.barcode,
        overdue=loan.due_at < at,
        reason=reason or None,
        undoes=undoes,
    )


def _lend_to_head(book: Book, came_in: serving.CameIn, *, at: datetime, override: Override) -> Reservation | None:
    """Lend a copy that came in to the head of the line, if that can be done without waiting and without refusal.

    Only where they collect it.
    """
    if not book.in_circulation:
        return None
    head = Reservation.objects.eligible(book, at, timezone.localdate(at)).in_order().first()
    if head is None or head.branch_id != came_in.branch.pk:
        return None
    member = locks.try_lock_member(head.member_id) if head.member_id else None
    if member is None:
        return None
    facts = facts_for(member, book, at=at, barcode=came_in.copy.barcode)
    if not is_takeable(facts, member):
        return None
    try:
        overridden = refuse(
            [*member_reasons(member, facts, None, at=at), *title_reasons(member, book, facts)], override
        )
    except Refusal:
        return None  # the copy is set aside instead
    lend(member, book, facts, at=at, overridden=override.payload(overridden))
    head.refresh_from_db()
    return head


# --- Renewal -----------------------------------------------------------------------------------------------


@operation
def renew(
    *, at: datetime, loan_id: int | None = None, barcode: str | None = None, override: Override = NO_OVERRIDE
) -> Loan:
    """Extend a loan to a full period from today, never to an earlier date than it has.

    Raises CopyNotOnLoan, RenewalLimitReached, RenewalBlockedByReservation when somebody waits for the title, and
    what `member_refusals` says.
    """
    book, loan, _ = _lock_open_loan(at=at, barcode=barcode, loan_id=loan_id)
    member = loan.member
    assert member is not None  # an open loan has its member, by constraint
    policy = policy_for(member, book)
    reasons = member_refusals(member, today=timezone.localdate(at))
    if loan.renewals >= policy.max_renewals:
        reasons.append(
            RenewalLimitReached(
                f"This loan was renewed {loan.renewals} times, and {policy.max_renewals} is the limit.",
                renewals=loan.renewals,
                limit=policy.max_renewals,
            )
        )
    if (waiting := line.unserved(book, at=at)) > 0:
        reasons.append(
            RenewalBlockedByReservation(
                f"“{book.title}” cannot be renewed: somebody is waiting for it.", waiting=waiting
            )
        )
    overridden = refuse(reasons, override)
    loan.due_at = max(loan.due_at, loan.copy.branch.closing_after(at, days=policy.loan_days))
    loan.renewals += 1
    loan.save(update_fields=["due_at", "renewals"])
    loan.copy.due_at = loan.due_at
    loan.copy.save(update_fields=["due_at"])
    record(
        event(
            Event.Kind.RENEW,
            at=at,
            book_id=book.pk,
            copy_id=loan.copy_id,
            member_id=member.pk,
            loan_id=loan.pk,
            due_at=loan.due_at.isoformat(),
            renewals=loan.renewals,
            override=override.payload(overridden),
        )
    )
    return loan


# --- Fulfilment --------------------------------------------------------------------------------------------


@operation
def fulfil(*, reservation_id: int, at: datetime, override: Override = NO_OVERRIDE) -> Loan:
    """Lend the copy that is set aside to whoever reserved it. The rules of a check-out apply.

    Raises ReservationClosed, and NoCopyToFulfil while nothing is set aside.
    """
    # reservation.book and reservation.member never change while it is live
    found = Reservation.objects.filter(pk=reservation_id).values_list("member_id", "book_id").first()
    if found is None:
        raise ReservationNotFound(reservation_id)
    member_id, book_id = found
    if member_id is None:
        raise line.closed(Reservation.objects.get(pk=reservation_id))
    try:
        member, book = locks.lock_member_and_book(member_id, book_id=book_id)
    except NotFound as error:  # neither title nor member goes before the reservation has ended
        raise line.closed(Reservation.objects.get(pk=reservation_id)) from error
    reservation = Reservation.objects.get(pk=reservation_id)
    if not reservation.is_live:
        raise line.closed(reservation)
    return _fulfil(member, book, at=at, override=override)


@operation
def fulfil_head(*, book_id: int, at: datetime, override: Override = NO_OVERRIDE) -> Loan:
    """Lend to the head of a title's line what is set aside for them.

    Raises QueueEmpty when nobody stands in the line, and NoCopyToFulfil when nothing is set aside or free.
    """
    book = locks.lock_book(book_id)
    live = Reservation.objects.live().filter(book=book).in_order()
    head = live.filter(status=Reservation.Status.READY).first()
    if head is None and line.available(book):
        head = Reservation.objects.eligible(book, at, timezone.localdate(at)).in_order().first()
    if head is None:
        if not live.exists():
            raise QueueEmpty(f"Nobody is waiting for “{book.title}”.")
        raise NoCopyToFulfil(f"No copy of “{book.title}” is set aside for the line.")
    assert head.member_id is not None
    member = locks.try_lock_member(head.member_id)
    if member is None:
        raise Restart
    return _fulfil(member, book, at=at, override=override)


def _fulfil(member: Member, book: Book, *, at: datetime, override: Override) -> Loan:
    facts = facts_for(member, book, at=at)
    if not is_takeable(facts, member):
        raise NoCopyToFulfil(f"No copy of “{book.title}” is set aside for {member.name} yet.")
    overridden = refuse([*member_reasons(member, facts, None, at=at), *title_reasons(member, book, facts)], override)
    return lend(member, book, facts, at=at, overridden=override.payload(overridden))
