"""What stands on a branch's hold shelf, what has to be fetched for it, and what is on its way there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from events.models import Event
from library.models import Branch, Copy
from reservations.models import Reservation

SHOWN = 200
ENDED_DAYS = 3  # for so long an ended hold is told of, so that its copy is taken off the shelf
ON_THE_ROAD = timedelta(days=60)  # what was sent longer ago is found in the list of copies

Status = Reservation.Status


@dataclass(frozen=True)
class Ended:
    """A hold that nobody collected, and what to do with its copy now."""

    reservation: Reservation
    copy: Copy
    next: str


def to_pull(branch: Branch) -> list[Reservation]:
    """Copies of this branch that were given to somebody and must still be fetched, as one walks along the shelves."""
    given = Reservation.objects.filter(status__in=[Status.WAITING, Status.READY], copy__isnull=False, to_pull=True)
    return _rows(given.filter(copy__branch=branch).order_by("book__category", "book__title_folded", "pk"))


def waiting(branch: Branch, at: datetime) -> list[Reservation]:
    """What may be collected, the first to lapse first."""
    held = Reservation.objects.filter(status=Status.READY, branch=branch, shelf_until__gte=at, to_pull=False)
    return _rows(held.order_by("shelf_until", "pk"))


def lapsed(branch: Branch, at: datetime) -> list[Reservation]:
    """What was not collected in time and not swept yet."""
    held = Reservation.objects.filter(status=Status.READY, branch=branch, shelf_until__lt=at)
    return _rows(held.order_by("shelf_until", "pk"))


def _rows(found: QuerySet[Any]) -> list[Reservation]:
    return list(found.select_related("book", "copy__branch", "member", "branch")[:SHOWN])


def ended(branch: Branch, at: datetime) -> list[Ended]:
    """Holds that ended in the last days without being collected. What their copies are now tells where they go."""
    since = at - timedelta(days=ENDED_DAYS)
    told = Event.objects.filter(kind=Event.Kind.EXPIRE, occurred_at__gte=since, copy_id__isnull=False)
    last = told.order_by("-occurred_at", "-id").values_list("reservation_id", "copy_id")[: SHOWN * 5]
    copy_of = {reservation: copy for reservation, copy in last if reservation is not None and copy is not None}
    if not copy_of:
        return []
    rows = Reservation.objects.filter(pk__in=copy_of, branch=branch).select_related("book", "member")
    reservations = list(rows.order_by("-closed_at", "-pk")[:SHOWN])
    wanted = {copy_of[reservation.pk] for reservation in reservations}
    copies = {copy.pk: copy for copy in Copy.objects.filter(pk__in=wanted).select_related("branch", "holder")}
    shown = [(reservation, copies.get(copy_of[reservation.pk])) for reservation in reservations]
    return [Ended(reservation, copy, _next(copy, branch)) for reservation, copy in shown if copy is not None]


def _next(copy: Copy, branch: Branch) -> str:
    match copy.status:
        case Copy.Status.ON_HOLD_SHELF if copy.holder:
            return _("On the hold shelf for %(name)s now") % {"name": copy.holder.name}
        case Copy.Status.AVAILABLE:
            return _("Put it back on the shelf")
        case Copy.Status.IN_TRANSIT:
            return _("Take it off the shelf and receive it: it goes to another branch")
    return copy.get_status_display()


def on_the_way(branch: Branch, at: datetime) -> list[Copy]:
    """What was sent here and has not arrived. Asked of the events, for copies are in no order of their states."""
    sent = Event.objects.filter(kind=Event.Kind.TRANSIT, occurred_at__gte=at - ON_THE_ROAD, payload__branch=branch.name)
    ids = set(sent.order_by("-occurred_at", "-id").values_list("copy_id", flat=True)[: SHOWN * 10])
    copies = Copy.objects.filter(pk__in=[pk for pk in ids if pk], status=Copy.Status.IN_TRANSIT).select_related(
        "book", "branch"
    )
    bound = {copy.pk: copy for copy in copies.order_by("pk")}
    waits = _waits_for(bound)
    here = [copy for copy in bound.values() if waits.get(copy.pk, copy.branch_id) == branch.pk]
    return here[:SHOWN]


def _waits_for(copy_ids: Iterable[int]) -> dict[int, int]:
    """The branches to which copies were sent for somebody, by copy."""
    given = Reservation.objects.filter(Q(status=Status.WAITING), copy__in=list(copy_ids))
    return dict(given.values_list("copy_id", "branch_id"))
