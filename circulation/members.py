"""Changes of a member that loans and lines feel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from accounts.models import Role
from accounts.tokens import forget_account
from circulation.exceptions import MemberHasOpenLoans
from circulation.models import Loan
from events.anonymising import forget_actors, forget_answers_about, forget_members, of_accounts
from events.models import Event
from events.operations import operation
from events.recording import event, record
from library import locks
from library.exceptions import refuse
from library.models import Copy, Member
from library.services import change, edit_member, member_revision
from reservations.exceptions import ReservationExists
from reservations.models import Reservation
from reservations.services import settle_titles


def edit(*, member_id: int, fields: Mapping[str, Any], at: datetime, expected: str | None = None) -> Member:
    """Change a member, then serve the lines in which they may be eligible again. Raises as `edit_member`."""
    member = edit_member(member_id=member_id, fields=fields, at=at, expected=expected)
    settle_lines_of(member, at=at)
    return member


def settle_lines_of(member: Member, *, at: datetime) -> None:
    """Serve the titles for which this member waits beside a free copy, each in a transaction of its own."""
    waiting = Reservation.objects.of(member).filter(status=Reservation.Status.WAITING, book__withdrawn_at=None)
    free = Copy.objects.filter(status=Copy.Status.AVAILABLE, book__in=waiting.values("book"))
    settle_titles(free.values_list("book_id", flat=True).distinct().order_by("book_id"), at=at)


@operation
def delete(*, member_id: int, at: datetime, expected: str | None = None) -> None:
    """Remove a member, their account, and every trace of who they were. What they borrowed stays in the counts.

    Raises MemberHasOpenLoans and ReservationExists while they have open loans or live reservations.
    """
    member = locks.lock_member(member_id)
    change(member, {}, current=member_revision(member), expected=expected)
    loans = Loan.objects.active().of(member).count()
    live = Reservation.objects.live().of(member).count()
    refuse(
        [
            MemberHasOpenLoans(f"{member.name} still has {loans} on loan.", open=loans) if loans else None,
            ReservationExists(f"{member.name} still has {live} reservations.", open=live) if live else None,
        ]
    )
    account = member.user
    own = Event.objects.filter(member_id=member.pk)
    if account is not None and account.role == Role.MEMBER:
        # Also what they set off for others, such as the next in line when they returned a copy by themselves.
        titles = set(own.exclude(book_id=None).values_list("book_id", flat=True))
        forget_actors(Event.objects.filter(Q(book_id__in=titles) | Q(member_id=member.pk), actor_id=account.pk))
        forget_actors(of_accounts([account.pk]).filter(actor_id=account.pk))
    forget_members(own)
    forget_answers_about(member.pk, member.card_number)
    record(event(Event.Kind.MEMBER_DELETED, at=at, member_id=member.pk))
    member.delete()
    if account is not None and account.role == Role.MEMBER:  # staff who no longer borrow still work here
        forget_account(account)
