"""The rules of lending, shared by every operation that hands a copy to a member."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from circulation.exceptions import (
    CopyHeldForOther,
    CopyOnLoan,
    LoanLimitReached,
    LoanTooLong,
    MemberHasOverdue,
    NoCopyAvailable,
)
from circulation.facts import Facts
from circulation.models import Loan
from circulation.writing import write_lending
from events.models import Event
from events.recording import event
from library.exceptions import CopyNotCirculating, Refusal
from library.models import Book, Branch, Copy, Member
from library.rules import member_refusals
from reservations import serving
from reservations.exceptions import AlreadyBorrowed
from reservations.models import Reservation


def is_takeable(facts: Facts, member: Member) -> bool:
    """Whether the chosen copy may go to this member: set aside for them, or free with nobody ahead of it."""
    copy = facts.copy
    if copy is None:
        return False
    if copy.status == Copy.Status.ON_HOLD_SHELF:
        return copy.holder_id == member.pk
    return copy.is_available and (facts.is_free or facts.holds_copy)


def member_reasons(member: Member, facts: Facts, days: int | None, *, at: datetime) -> list[Refusal]:
    """Why this member may borrow nothing, nothing more, or not for so long."""
    reasons = member_refusals(member, today=timezone.localdate(at))
    policy = facts.policy
    if facts.overdue_loans and not policy.lend_while_overdue:
        reasons.append(
            MemberHasOverdue(f"{member.name} has {facts.overdue_loans} overdue.", overdue=facts.overdue_loans)
        )
    if facts.open_loans >= policy.max_loans:
        reasons.append(
            LoanLimitReached(
                f"{member.name} has {facts.open_loans} on loan, and {policy.max_loans} is the limit.",
                open=facts.open_loans,
                limit=policy.max_loans,
            )
        )
    if days is not None and days > policy.loan_days:
        reasons.append(
            LoanTooLong(
                f"{days} days is too long: this title is lent for at most {policy.loan_days}.",
                days=days,
                limit=policy.loan_days,
            )
        )
    return reasons


def title_reasons(member: Member, book: Book, facts: Facts) -> list[Refusal]:
    """Why no copy of this title may be lent to this member."""
    reasons: list[Refusal] = []
    if facts.has_title:
        reasons.append(AlreadyBorrowed(f"{member.name} already has “{book.title}” on loan."))
    if not book.in_circulation:
        reasons.append(CopyNotCirculating(f"“{book.title}” is out of circulation."))
    return reasons


def copy_reason(
    member: Member, book: Book, facts: Facts, barcode: str | None, branch: Branch | None = None
) -> Refusal | None:
    """Why the copy that was asked for may not be lent; without a barcode, why no copy may, or none of that branch."""
    copy = facts.copy
    if is_takeable(facts, member):
        return None
    if copy is None or barcode is None:
        where = f" at {branch}" if branch else ""
        told = f"No copy of “{book.title}” is free{where}."
        return NoCopyAvailable(told, available=facts.available, waiting=facts.waiting)
    if copy.status == Copy.Status.ON_LOAN:
        if copy.holder_id == member.pk:
            return None  # said already, as AlreadyBorrowed
        return CopyOnLoan(f"Copy {copy.barcode} is on loan to somebody else.", barcode=copy.barcode)
    if copy.status == Copy.Status.ON_HOLD_SHELF:
        return CopyHeldForOther(f"Copy {copy.barcode} is set aside for somebody else.", barcode=copy.barcode)
    if copy.is_available:
        return CopyHeldForOther(
            f"Every free copy of “{book.title}” is spoken for by those ahead in the line.",
            barcode=copy.barcode,
            available=facts.available,
            ahead=facts.ahead,
        )
    if copy.status == Copy.Status.IN_TRANSIT:
        return CopyNotCirculating(
            f"Copy {copy.barcode} is in transit. Receive it first.", barcode=copy.barcode, status=copy.status
        )
    return CopyNotCirculating(
        f"Copy {copy.barcode} is {copy.get_status_display().lower()} and cannot be lent.",
        barcode=copy.barcode,
        status=copy.status,
    )


def lend(
    member: Member,
    book: Book,
    facts: Facts,
    *,
    at: datetime,
    days: int | None = None,
    overridden: dict[str, object] | None = None,
) -> Loan:
    """Hand over the chosen copy. The caller holds both locks and has asked every rule."""
    copy = facts.copy
    assert copy is not None
    was_available = copy.is_available
    due_at = copy.branch.closing_after(at, days=days if days is not None else facts.policy.loan_days)
    copy.become(Copy.Status.ON_LOAN, holder=member, due_at=due_at)
    loan = Loan(book=book, copy=copy, member=member, lent_at=at, due_at=due_at)
    told = event(
        Event.Kind.CHECKOUT,
        at=at,
        book_id=book.pk,
        copy_id=copy.pk,
        member_id=member.pk,
        reservation_id=facts.reservation_id,
        barcode=copy.barcode,
        due_at=due_at.isoformat(),
        open=facts.open_loans,
        limit=facts.policy.max_loans,
        override=overridden,
    )
    write_lending(loan, copy, told)
    if facts.reservation_id is not None:
        reservation = Reservation.objects.select_related("copy__branch").get(pk=facts.reservation_id)
        serving.fulfil_with(reservation, copy, at=at, loan_id=loan.pk)
    left = facts.available - (1 if was_available else 0)
    if facts.waiting and (left or facts.holds_copy):
        serving.settle(book, at=at)
    return loan
