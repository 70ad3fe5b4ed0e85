"""Moving somebody to a place in the line: the order is of priorities, so some of those before may get new ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from events.models import Event
from events.operations import operation
from events.recording import record
from library.exceptions import InvalidTransition
from reservations import serving
from reservations.exceptions import StaleQueue
from reservations.models import Reservation
from reservations.services import closed, line_version, lock_reservation

LOWEST = -1000  # as files have them


@operation
def move_to(
    *, reservation_id: int, place: int, reason: str, at: datetime, queue_version: int | None = None
) -> Reservation:
    """Put a reservation at this place among those who wait; at the end, if there are fewer.

    Raises StaleQueue when the line is no longer at `queue_version`, ReservationClosed, and InvalidTransition when a
    copy is already set aside.
    """
    book, reservation = lock_reservation(reservation_id)
    if queue_version is not None and (version := line_version(book)) != queue_version:
        raise StaleQueue(version)
    if not reservation.is_live:
        raise closed(reservation)
    if reservation.status == Reservation.Status.READY:
        raise InvalidTransition(
            "A copy is set aside for this reservation already: it has no place any more.", status=reservation.status
        )
    others = list(Reservation.objects.live().filter(book=book).exclude(pk=reservation_id).in_order())
    waiting = [position for position, other in enumerate(others) if other.status != Reservation.Status.READY]
    position = waiting[place - 1] if place <= len(waiting) else len(others)
    before = {other.pk: other.priority for other in (reservation, *others)}
    changed = _arrange(others[:position], reservation, others[position:])
    Reservation.objects.bulk_update(changed, ["priority"])
    record(
        *(
            serving.told_of(
                Event.Kind.REORDER, other, at, before=before[other.pk], priority=other.priority, reason=reason
            )
            for other in changed
        )
    )
    serving.settle(book, at=at)
    reservation.refresh_from_db()
    return reservation


def _arrange(before: Sequence[Reservation], moved: Reservation, after: Sequence[Reservation]) -> list[Reservation]:
    """Give priorities so that this is the order. Returns those to be saved, the one that is moved first.

    Nobody gets one above zero who has none, or whoever joins later would go before them: so it is those before that
    make room, never those after.
    """
    last, following = (before[-1] if before else None), (after[0] if after else None)
    highest = max(0, moved.priority, last.priority if last else 0)
    near = [moved.priority]
    near += [last.priority, last.priority + 1] if last else []
    near += [following.priority, following.priority - 1] if following else []
    for priority in near:
        place = (priority, moved.placed_at, moved.pk)
        fits = (last is None or _place(last) < place) and (following is None or place < _place(following))
        if fits and LOWEST <= priority <= highest:
            moved.priority = priority
            return [moved]
    everybody = [*before, moved, *after]
    if last is None or before[0].priority - 2 < LOWEST:
        for number, reservation in enumerate(everybody):
            reservation.priority = number - len(everybody)
        return [moved, *before, *after]
    moved.priority = last.priority - 1
    for reservation in before:
        reservation.priority -= 2
    return [moved, *before]


def _place(reservation: Reservation) -> tuple[int, datetime, int]:
    return reservation.priority, reservation.placed_at, reservation.pk
