"""What a scanned code means at the desk: a card is shown; a copy is lent, taken back or shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from circulation.copies import receive
from circulation.exceptions import CardNotFound, CodeNotFound
from circulation.models import Loan
from circulation.services import Lent, Next, check_out, return_copy
from events.models import Event
from events.operations import operation
from library.exceptions import NO_OVERRIDE, Override
from library.models import Branch, Copy, Member
from reservations import serving
from reservations.models import Reservation

Status = Copy.Status


@dataclass(frozen=True)
class Standing:
    """A member as the desk must know them: what they have, what is late, and what lies ready for them."""

    member: Member
    is_expired: bool
    open_loans: int
    overdue: int
    to_collect: list[Reservation]


@dataclass(frozen=True)
class Scanned:
    """What a scan was taken for, and what came of it. `shown`: nothing changed. `undo` takes back that event."""

    action: Literal["member", "lent", "returned", "shown"]
    standing: Standing | None = None
    copy: Copy | None = None
    loan: Loan | None = None
    next: Next | None = None
    undo: int | None = None


@operation
def scan(
    *,
    code: str,
    at: datetime,
    card_number: str | None = None,
    branch: Branch | None = None,
    override: Override = NO_OVERRIDE,
) -> Scanned:
    """Do what a scanned card or barcode asks for, at a branch, while the member with this card stands at the desk.

    What it means is looked up without locks; then one operation is done, whose locks and checks decide. Raises
    CardNotFound for the card at the desk, CodeNotFound, and what `check_out`, `return_copy` and `receive` raise.
    """
    member = _member_with(card_number) if card_number is not None else None
    if card_number is not None and member is None:
        raise CardNotFound(card_number)
    if member is None and (scanned := _member_with(code)):
        return Scanned("member", standing_of(scanned, at=at))
    copy = _copies().filter(barcode=code, book__withdrawn_at=None).first()
    if copy is not None:
        return _take_from(copy, at, branch, override) if member is None else _hand_to(member, copy, at, override)
    if scanned := _member_with(code):
        return Scanned("member", standing_of(scanned, at=at))
    raise CodeNotFound(code)


def standing_of(member: Member, *, at: datetime) -> Standing:
    """How a member stands, in two statements."""
    loans = Loan.objects.active().of(member).aggregate(open=Count("pk"), overdue=Count("pk", filter=Q(due_at__lt=at)))
    ready = Reservation.objects.of(member).filter(status=Reservation.Status.READY)
    return Standing(
        member,
        is_expired=member.has_expired(timezone.localdate(at)),
        open_loans=loans["open"],
        overdue=loans["overdue"],
        to_collect=list(ready.select_related("book", "copy", "branch").order_by("shelf_until", "pk")),
    )


def _hand_to(member: Member, copy: Copy, at: datetime, override: Override) -> Scanned:
    """Lend a copy to whoever is at the desk, unless they have it already."""
    if copy.status == Status.ON_LOAN and copy.holder_id == member.pk:
        return Scanned("shown", standing_of(member, at=at), copy, _open_loan_of(copy))
    lent = check_out.within(
        member_id=member.pk, barcode=copy.barcode, at=at, on_unavailable="refuse", override=override
    )
    assert isinstance(lent, Lent)  # a barcode is lent or refused
    undo = _event_of(lent.loan, Event.Kind.CHECKOUT)
    return Scanned("lent", standing_of(member, at=at), _again(copy), lent.loan, undo=undo)


def _take_from(copy: Copy, at: datetime, branch: Branch | None, override: Override) -> Scanned:
    """Take a copy back, receive it, or show what it is: nobody is at the desk."""
    if copy.status == Status.ON_LOAN:
        returned = return_copy.within(barcode=copy.barcode, at=at, branch=branch, override=override)
        undo = None if returned.next.action == "lend" else _event_of(returned.loan, Event.Kind.RETURN)
        return Scanned("returned", None, _again(copy), returned.loan, returned.next, undo)
    if copy.status == Status.IN_TRANSIT and branch is not None and serving.destination(copy) == branch:
        moved = receive.within(barcode=copy.barcode, at=at, branch=branch)
        return Scanned("returned", None, _again(copy), None, moved.next)
    return Scanned("shown", None, copy, None, _step_for(copy, branch))


def _step_for(copy: Copy, branch: Branch | None) -> Next | None:
    """What to do with a copy that nobody lent or returned. None: it is not in circulation."""
    given = Reservation.objects.live().filter(copy=copy).select_related("book", "member", "branch", "copy")
    if copy.status == Status.ON_HOLD_SHELF:
        return Next("hold", given.first())
    if copy.status == Status.IN_TRANSIT:
        sent = given.filter(status=Reservation.Status.WAITING).first()
        return Next("transit", sent, sent.branch if sent else copy.branch)
    if copy.status == Status.AVAILABLE:
        return Next("shelve") if branch in (None, copy.branch) else Next("transit", branch=copy.branch)
    return None


def _copies() -> QuerySet[Copy]:
    return Copy.objects.select_related("book", "branch")


def _again(copy: Copy) -> Copy:
    """The copy as the operation left it."""
    return _copies().get(pk=copy.pk)


def _member_with(card_number: str) -> Member | None:
    return Member.objects.filter(card_number=card_number).first()


def _open_loan_of(copy: Copy) -> Loan | None:
    """None where it ended a moment ago."""
    return Loan.objects.active().filter(copy=copy).select_related("book", "copy__branch", "member").first()


def _event_of(loan: Loan, kind: Event.Kind) -> int:
    found: int = Event.objects.filter(book_id=loan.book_id, loan_id=loan.pk, kind=kind).latest("pk").pk
    return found
