"""The relay: tells whoever must hear of committed events, until they have heard.

Every event leaves a pending row in its own transaction. The relay gives the rows that it can see their positions, in
order of id, and commits that; then it hands the events on in order of position. So a crash anywhere repeats what was
said and loses nothing, and what is repeated has the position that it had.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import Error, close_old_connections, connection, transaction
from django.db.models import QuerySet
from redis import RedisError

from events.alive import still_alive
from events.heartbeats import beat
from events.models import Event, Publication, Relay
from events.stream import Extent, Stream

logger = logging.getLogger(__name__)

# Told of publications before any stream. Each returns whether it succeeded, and must bear repetition.
handlers: list[Callable[[Sequence[Publication]], bool]] = []


@dataclass(frozen=True)
class Outlet:
    """A stream, and what it says of each publication."""

    stream: Stream
    render: Callable[[Sequence[Publication]], Sequence[str]]
    tend: Callable[[], bool] = lambda: False  # asked twice a second, and oftener while it says that it had work


outlets: list[Outlet] = []

BATCH = 500
KEEP = 200_000  # publications that can be repeated
IDLE = 0.05  # seconds between looks for new events
AFTER_FAILURE = 0.5  # seconds
STUCK = 10.0  # seconds before another try
UPKEEP_EVERY = 0.5  # seconds
NOTHING_LEFT = "relay, with nothing left"  # a heartbeat: everything that was committed before it is published

_NUMBER = """
WITH taken AS (
    DELETE FROM events_pendingevent
    WHERE event_id = ANY (ARRAY(SELECT event_id FROM events_pendingevent ORDER BY event_id LIMIT %s))
    RETURNING event_id
)
INSERT INTO events_publication (position, event_id)
SELECT %s + row_number() OVER (ORDER BY event_id), event_id FROM taken
"""


def relay_pending() -> int:
    """Publish one batch. Returns how many events: none when another relay has the turn or a handler failed.

    Raises RedisError when a stream cannot be written.
    """
    _number()
    return _publish()


def unpublished() -> int:
    """How many events are still to be published."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM events_pendingevent) + (
                SELECT count(*) FROM events_publication
                WHERE position > (SELECT coalesce(max(published), 0) FROM events_relay))
            """
        )
        found: int = cursor.fetchone()[0]
        return found


def publish_once_more(events: QuerySet[Event], *, progress: Callable[[int], Any] = lambda done: None) -> int:
    """Give these events new positions, in order of id, so that everybody is told of them again. Returns how many."""
    Relay.objects.bulk_create([Relay(pk=1)], ignore_conflicts=True)
    last = given = 0
    while ids := list(events.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic(durable=True):
            relay = Relay.objects.select_for_update().get()
            Publication.objects.bulk_create(
                Publication(position=relay.numbered + place, event_id=pk) for place, pk in enumerate(ids, start=1)
            )
            relay.numbered += len(ids)
            relay.save(update_fields=["numbered"])
        last, given = ids[-1], given + len(ids)
        progress(len(ids))
    return given


def forget_old_publications() -> int:
    """Drop those that will not be repeated any more. Returns how many."""
    relay = Relay.objects.first()
    if relay is None:
        return 0
    dropped, _ = Publication.objects.filter(position__lte=relay.published - KEEP).delete()
    return dropped


def keep_publishing(stop: threading.Event) -> None:
    """Publish events as they come, or stand by while another relay does, until told to stop."""
    next_upkeep = 0.0
    is_failing = False
    while not stop.is_set():
        still_alive()
        pause = IDLE
        try:
            if not _has_work():
                beat(NOTHING_LEFT)
            elif relay_pending():
                pause = 0.0
            beat("relay")
            if time.monotonic() >= next_upkeep:
                had_work = look_after_streams()
                next_upkeep = time.monotonic() + (IDLE if had_work else UPKEEP_EVERY)
            if is_failing:
                logger.info("The relay goes on.")
            is_failing = False
        except (Error, RedisError) as error:
            # The database or Redis may restart under a process that is meant to run for months.
            if not is_failing:
                logger.warning("The relay waits: %s", error)
            is_failing = True
            close_old_connections()
            pause = AFTER_FAILURE
        except Exception:  # a defect; nothing may be left out, so everything waits until it is mended
            logger.exception("The relay is stuck.")
            pause = STUCK
        stop.wait(pause)


@contextmanager
def _turn() -> Iterator[Relay | None]:
    """The turn to publish, for one transaction; None while another relay has it."""
    with transaction.atomic(durable=True):
        waiting = Relay.objects.select_for_update(skip_locked=True)
        relay = waiting.first()
        if relay is None:
            Relay.objects.bulk_create([Relay(pk=1)], ignore_conflicts=True)
            relay = waiting.first()
        yield relay


def _number() -> None:
    with _turn() as relay:
        if relay is None:
            return
        with connection.cursor() as cursor:
            cursor.execute(_NUMBER, [BATCH, relay.numbered])
            given = cursor.rowcount
        if given:
            relay.numbered += given
            relay.save(update_fields=["numbered"])


def _publish() -> int:
    with _turn() as relay:
        if relay is None:
            return 0
        publications = _from(relay.published + 1, BATCH)
        if not publications or not all(handler(publications) for handler in handlers):
            return 0
        for outlet in outlets:
            extent = Extent(oldest=_oldest(), published=publications[-1].position)
            outlet.stream.append(publications, outlet.render(publications), extent)
        relay.published = publications[-1].position
        relay.save(update_fields=["published"])
        return len(publications)


def look_after_streams() -> bool:
    """Say in each stream how far it goes, and repeat there what somebody missed. Returns whether more may be wanted."""
    had_work = False
    with _turn() as relay:
        if relay is None:
            return False
        for outlet in outlets:
            outlet.stream.tell(Extent(oldest=_oldest(), published=relay.published))
            wanted = outlet.stream.wanted()
            if wanted is not None:
                _repeat(outlet, max(wanted, _oldest()), relay.published)
            had_work |= outlet.tend() or wanted is not None
    return had_work


def _repeat(outlet: Outlet, first: int, published: int) -> None:
    """Once more from this position on, but never so much that the stream loses it again before it is read."""
    end = min(first + outlet.stream.repeatable, published + 1)
    while first < end and (publications := _from(first, min(BATCH, end - first))):
        outlet.stream.append(publications, outlet.render(publications))
        first = publications[-1].position + 1


def _from(position: int, count: int) -> list[Publication]:
    following = Publication.objects.filter(position__gte=position).order_by("position")
    return list(following.select_related("event")[:count])


def _has_work() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (SELECT FROM events_pendingevent)
                OR EXISTS (SELECT FROM events_relay WHERE published < numbered)
            """
        )
        found: bool = cursor.fetchone()[0]
        return found


def _oldest() -> int:
    """The first position that is kept."""
    first = Publication.objects.order_by("position").values_list("position", flat=True).first()
    return 1 if first is None else first
