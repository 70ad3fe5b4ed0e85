"""Notices of each kind, about matters that stand as they say."""

import itertools
from datetime import timedelta

from integrations.notifications.kinds import OF_LOANS, OF_RESERVATIONS, Kind
from integrations.notifications.models import Notice, new_notice
from library.models import Copy
from tests.factories import NOW, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

DUE = NOW + timedelta(days=2)  # of loans that are not overdue
_number = itertools.count(1)


def reader(**fields):
    """A member with an address."""
    fields.setdefault("email", f"reader{next(_number)}@example.org")
    return MemberFactory(**fields)


def loan(kind=Kind.DUE_SOON, **fields):
    fields.setdefault("member", reader())
    if kind == Kind.RETURNED:
        return LoanFactory(returned=True, **fields)
    due = NOW - timedelta(hours=12) if kind == Kind.OVERDUE else DUE
    return LoanFactory(lent_at=NOW - timedelta(days=20), due_at=due, **fields)


def reservation(kind=Kind.READY, **fields):
    fields.setdefault("member", reader())
    if kind in (Kind.READY, Kind.EXPIRING):
        return ReservationFactory(ready=True, **fields)
    if kind == Kind.CANCELLED:
        return ReservationFactory(cancelled=True, **fields)
    return ReservationFactory(**fields)


def notice_of(kind, *, at=NOW, matter=None, **fields) -> Notice:
    """Queued, and true unless something is changed."""
    if kind in OF_LOANS:
        matter = matter or loan(kind, **fields)
        moment = matter.returned_at if kind == Kind.RETURNED else matter.due_at
        made = new_notice(kind, matter.member_id, loan_id=matter.pk, moment=moment, at=at)
    elif kind in OF_RESERVATIONS:
        matter = matter or reservation(kind, **fields)
        moment = matter.shelf_until or NOW
        made = new_notice(kind, matter.member_id, reservation_id=matter.pk, moment=moment, at=at)
    else:
        made = new_notice(kind, (matter or reader(**fields)).pk, moment=NOW, at=at)
    made.save()
    return made


def shelve(reservation, until):
    """Set a copy aside."""
    copy = CopyFactory(book=reservation.book, status=Copy.Status.ON_HOLD_SHELF, holder=reservation.member)
    type(reservation).objects.filter(pk=reservation.pk).update(status="ready", copy=copy, shelf_until=until)
