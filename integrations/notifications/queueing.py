"""Notices of what happened: queued from the stream of events, in the transaction in which its position moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from events.consuming import Message
from events.models import Event
from events.operations import require_transaction
from events.waking import wake
from integrations.notifications.keeping import keep, look_again, unwanted_by_readers
from integrations.notifications.kinds import OF_LOANS, OF_RESERVATIONS, Kind
from integrations.notifications.models import Notice, new_notice
from integrations.notifications.tasks import send_notices
from integrations.publishing.types import TYPES

KINDS: dict[str, Kind] = {
    Event.Kind.MEMBER_ENROLLED: Kind.REGISTRATION,
    Event.Kind.RESERVE: Kind.RESERVED,
    Event.Kind.HOLD: Kind.READY,
    Event.Kind.CANCEL: Kind.CANCELLED,
    Event.Kind.EXPIRE: Kind.CANCELLED,
    Event.Kind.RETURN: Kind.RETURNED,
    Event.Kind.RENEW: Kind.RENEWED,
}
# Until when something is, in the payload of the event: told of once, however often it is said.
UNTIL = {Kind.READY: "shelf_until", Kind.RENEWED: "due_at"}
PAST = timedelta(days=1)  # whatever happened before is not written about

_NAMES = frozenset(TYPES[Event.Kind(kind)].name for kind in KINDS)


def queue(messages: Sequence[Message]) -> None:
    """Queue a notice of each of these that somebody is to be written about. Bears messages that it had before."""
    require_transaction()
    ids = [message["id"] for message in messages if message["type"] in _NAMES]
    if ids and queue_for(Event.objects.filter(pk__in=ids).order_by("pk"), at=timezone.now()):
        wake(send_notices)


def queue_for(events: Iterable[Event], *, at: datetime) -> int:
    """Queue notices of these events: not of the past, nor of slips that were undone, nor of what an import, a replay
    or a demonstration tells.

    Returns how many there were to be, those included that are there already.
    """
    told = [
        event
        for event in events
        if event.kind in KINDS and event.occurred_at >= at - PAST and not event.payload.keys() & {"retold", "undoes"}
    ]
    told = _without_those_served_at_once(told)
    unwanted = unwanted_by_readers({event.member_id for event in told if event.member_id is not None})
    notices = [
        _notice(event, event.member_id, at=at)
        for event in told
        if event.member_id is not None and KINDS[event.kind] not in unwanted.get(event.member_id, KINDS.values())
    ]
    look_again(notices, at=at)
    return keep(notices)


def _without_those_served_at_once(events: Sequence[Event]) -> list[Event]:
    """Whoever is given a copy in the same operation in which they join the line is told of the copy alone."""
    placed = {event.reservation_id: event for event in events if event.kind == Event.Kind.RESERVE}
    if not placed:
        return list(events)
    holds = Event.objects.filter(
        kind=Event.Kind.HOLD,
        book_id__in={event.book_id for event in placed.values()},
        reservation_id__in=placed,
        occurred_at__gte=min(event.occurred_at for event in placed.values()),
    )
    served = set(holds.values_list("reservation_id", "occurred_at"))
    return [
        event
        for event in events
        if event.kind != Event.Kind.RESERVE or (event.reservation_id, event.occurred_at) not in served
    ]


def _notice(event: Event, member_id: int, *, at: datetime) -> Notice:
    kind = KINDS[event.kind]
    until = parse_datetime(str(event.payload.get(UNTIL.get(kind, ""), "")))
    return new_notice(
        kind,
        member_id,
        loan_id=event.loan_id if kind in OF_LOANS else None,
        reservation_id=event.reservation_id if kind in OF_RESERVATIONS else None,
        moment=until or event.occurred_at,
        at=at,
    )
