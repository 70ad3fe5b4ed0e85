"""The feed: follows the stream of events and tells listeners the present numbers of the titles that changed.

A thread of its own, one in a process. The stream only says *that* something changed; the numbers are read afterwards,
once for all who listen to a title. Whenever something may have been missed, those of all such titles are read.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from django.db import Error, connection
from redis import RedisError

from events.operations import discard_dead_connections
from events.stream import BLOCK, EVENTS, Entry
from integrations.live.listeners import Listeners, News
from integrations.live.wording import gone, numbers
from reservations import availability

logger = logging.getLogger(__name__)

Tell = Callable[[Mapping[int, News]], object]

AFTER_FAILURE = 0.5  # seconds
REFRESH_EVERY = 5.0  # seconds, while the stream cannot be read


def follow(listeners: Listeners, tell: Tell, stop: threading.Event) -> None:
    """Tell of changes as they come until told to stop, whatever is away meanwhile. `tell` is called on this thread."""
    is_failing = False

    def is_well() -> None:
        nonlocal is_failing
        if is_failing:
            logger.info("Live availability follows the events again.")
        is_failing = False

    next_refresh = 0.0
    while not stop.is_set():
        try:
            _follow_from_its_end(listeners, tell, stop, is_well)
        except (Error, RedisError) as error:
            if not is_failing:
                logger.warning("Live availability does without the events: %s", error)
            is_failing = True
            if time.monotonic() >= next_refresh:
                _refresh_if_possible(listeners, tell)
                next_refresh = time.monotonic() + REFRESH_EVERY
            stop.wait(AFTER_FAILURE)
    connection.close()


def _follow_from_its_end(listeners: Listeners, tell: Tell, stop: threading.Event, is_well: Callable[[], None]) -> None:
    """Returns when something was missed, or when told to stop."""
    # In this order: what happens in between is read twice, and not missed.
    last = next((entry.id for entry in EVENTS.last(1)), "0-0")
    seen = _published()
    refresh(listeners, tell)
    is_well()
    while not stop.is_set():
        entries = EVENTS.after(last, wait=BLOCK)
        if not entries:
            if _published() > seen:
                return  # Redis lost what we were to read, or its stream began again
            continue
        if _has_gap(entries, seen):
            return
        last, seen = entries[-1].id, max(seen, *(entry.position for entry in entries))
        if books := listeners.titles() & _titles_of(entries):
            tell(_news(books, availability.of_many(books)))


def refresh(listeners: Listeners, tell: Tell) -> None:
    """The numbers of all titles that are listened to, from PostgreSQL in one statement."""
    if books := listeners.titles():
        tell(_news(books, availability.count(books)))


def _refresh_if_possible(listeners: Listeners, tell: Tell) -> None:
    try:
        discard_dead_connections()
        refresh(listeners, tell)
    except Error:
        pass  # PostgreSQL is away as well: the listeners stay


def _published() -> int:
    """The position up to which events were published, as the relay says. 0 where Redis does not know it yet."""
    extent = EVENTS.extent()
    return extent.published if extent is not None else 0


def _has_gap(entries: Iterable[Entry], seen: int) -> bool:
    """Whether a position is missing before or between these. What is repeated has one that was seen."""
    for entry in entries:
        if entry.position > seen + 1:
            return True
        seen = max(seen, entry.position)
    return False


def _titles_of(entries: Iterable[Entry]) -> set[int]:
    books = (json.loads(entry.message)["book"] for entry in entries)
    return {book["id"] for book in books if book is not None}


def _news(books: Collection[int], found: Mapping[int, availability.Availability]) -> dict[int, News]:
    return {book: numbers(found[book]) if book in found else gone(book) for book in books}
