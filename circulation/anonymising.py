"""History without people: what was lent stays in every count, to whom is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import User
from circulation.models import Loan
from events.anonymising import forget_actors, forget_members, forget_particulars
from events.models import Event
from events.operations import operation
from events.signals import history_forgotten
from reservations.models import Reservation

BATCH = 500  # rows in a transaction
OF_PEOPLE = [
    Event.Kind.MEMBER_ENROLLED,
    Event.Kind.MEMBER_EDITED,
    Event.Kind.PREFERENCES_SAVED,
    Event.Kind.PREFERENCES_DELETED,
    Event.Kind.ACCOUNT_SAVED,
    Event.Kind.ACCOUNT_DELETED,
]


@dataclass
class Forgotten:
    """How many rows no longer say who it was."""

    loans: int = 0
    reservations: int = 0
    actors: int = 0
    edits: int = 0


def anonymise_history(
    *, before: datetime, progress: Callable[[int], Any] = lambda done: None, done: Forgotten | None = None
) -> Forgotten:
    """Forget who had what that ended before this moment: loans, reservations, and the events of both.

    And what members were called before, and from where they came: the old and new values of their edited records.
    What is still on loan or in a line stays, whatever its age. Members keep their own page; only their past goes. A
    few hundred rows in a transaction, so that the desk does not wait; running it again goes on. `done` is counted on.
    """
    done = done or Forgotten()
    for batch in _batches(past_loans(before)):
        done.loans += _forget_loans(batch)
        progress(len(batch))
    for batch in _batches(past_reservations(before)):
        done.reservations += _forget_reservations(batch)
        progress(len(batch))
    for batch in _batches(past_self_service(before)):
        done.actors += _forget_actors(batch)
        progress(len(batch))
    for batch in _batches(past_edits(before)):
        done.edits += _forget_edits(batch)
        progress(len(batch))
    return done


def past_loans(before: datetime) -> QuerySet[Loan]:
    """Loans that ended before this moment and still say whose they were."""
    return Loan.objects.returned().filter(returned_at__lt=before, member__isnull=False)


def past_reservations(before: datetime) -> QuerySet[Reservation]:
    """Reservations that ended before this moment and still say whose they were."""
    return Reservation.objects.filter(closed_at__lt=before, member__isnull=False)


def past_self_service(before: datetime) -> QuerySet[Event]:
    """Events from before this moment that still say which member asked for them.

    Not only those of their own loans and reservations: whoever returned a copy by themselves also asked for what then
    happened to the next in line.
    """
    staff = User.objects.filter(is_staff=True).values("pk")
    past = Event.objects.filter(occurred_at__lt=before, actor_id__isnull=False)
    return past.exclude(actor_id__in=staff)


def past_edits(before: datetime) -> QuerySet[Event]:
    """Events of members' records from before this moment that still say what was in them, or where it came from.

    Not of accounts that work here: who got which role stays known.
    """
    staff = User.objects.filter(is_staff=True).values("pk")
    past = Event.objects.filter(kind__in=OF_PEOPLE, occurred_at__lt=before)
    telling = past.filter(Q(payload__has_key="changes") | Q(address__isnull=False) | Q(request_id__isnull=False))
    return telling.exclude(record_id__in=staff)


def _batches(rows: QuerySet[Any]) -> Iterator[list[int]]:
    """Ids by ascending order, a batch at a time. A row that was passed is not looked at again."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield batch
        last = batch[-1]


@operation
def _forget_loans(ids: list[int]) -> int:
    loans = Loan.objects.filter(pk__in=ids, member__isnull=False)
    members = set(loans.values_list("member", flat=True))
    # Named by their members, too, by whom events are found.
    forget_members(Event.objects.filter(member_id__in=members, loan_id__in=ids))
    history_forgotten.send(Loan, loans=ids)
    return loans.update(member=None)


@operation
def _forget_reservations(ids: list[int]) -> int:
    reservations = Reservation.objects.filter(pk__in=ids, member__isnull=False)
    members = set(reservations.values_list("member", flat=True))
    # The check-out that a reservation ended with goes with its loan.
    forget_members(Event.objects.filter(member_id__in=members, reservation_id__in=ids, loan_id=None))
    history_forgotten.send(Reservation, reservations=ids)
    return reservations.update(member=None)


@operation
def _forget_edits(ids: list[int]) -> int:
    return forget_particulars(Event.objects.filter(pk__in=ids))


@operation
def _forget_actors(ids: list[int]) -> int:
    return forget_actors(Event.objects.filter(pk__in=ids, actor_id__isnull=False))
