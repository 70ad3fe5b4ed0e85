"""Consumers of a stream: each message once, in order of position, whatever is killed or lost on the way.

A consumer's position stands in PostgreSQL and moves in the transaction of what it does with the messages; they are
acknowledged afterwards. Of several processes of a group one is at work and the others stand by: it holds the group for
some seconds at a time, again and again. Whoever takes over claims what its predecessor left.

- A message that was handled comes again: it is acknowledged, and that is all.
- One is missing: it and everything after it is asked for again, and the relay repeats it.
- It is not kept any more: the consumer is told what it missed.
- One cannot be handled: it is set aside, tried again a few times, and kept as a dead letter. Those after it go on.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.utils import timezone
from redis import RedisError

from events.alive import still_alive
from events.exceptions import Busy
from events.models import Consumer, FailedMessage
from events.stream import BLOCK, Entry, Extent, Stream

logger = logging.getLogger(__name__)

HOLD = 10.0  # seconds that a group stays held by a process that says nothing
RETRIES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120))  # after each failure; then it is given up
AFTER_FAILURE = 0.5  # seconds
STUCK = 10.0  # seconds before another try
ASK_AGAIN = 2.0  # seconds to wait for what was asked for
WENT_BACK = 5.0  # seconds after which a stream that is behind its consumer is believed

# Of two processes that come at once, the second waits for the first one's row, and then sees that it is held.
_TAKE_TURN = """
INSERT INTO events_consumer AS held ("group", holder, held_until)
VALUES (%(group)s, %(name)s, now() + make_interval(secs => %(hold)s))
ON CONFLICT ("group") DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE held.holder = excluded.holder OR held.held_until IS NULL OR held.held_until < now()
"""

Message = dict[str, Any]
PAUSE = 0.1  # seconds
TROUBLE = (OperationalError, InterfaceError, Busy, RedisError)  # not the fault of a message


@dataclass(frozen=True)
class Group:
    """Who reads a stream, and what they do with it.

    `handle` runs in a transaction, with up to `batch` messages; it must bear messages that it had before. `missed` runs
    in one when messages cannot be had any more, and before the first. `meanwhile` is asked between readings, and says
    whether it has more to do.
    """

    name: str
    stream: Stream
    handle: Callable[[Sequence[Message]], None]
    missed: Callable[[], None] = lambda: None
    meanwhile: Callable[[], bool] = lambda: False
    batch: int = 100


groups: list[Group] = []


@dataclass
class Worker:
    """A process at work for a group, or standing by."""

    group: Group
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}")
    _is_new: bool = True  # at work only just now: there may be something to claim
    _asked: tuple[int, float] = (0, 0.0)  # for which position, and when
    _behind_since: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Handle messages until told to stop."""
        is_failing = False
        while not stop.is_set():
            still_alive()
            try:
                worked = self.step()
                if is_failing:
                    logger.info("Consumer %s goes on.", self.group.name)
                is_failing = False
                if worked is None:
                    stop.wait(1)
            except TROUBLE as error:
                if not is_failing:
                    logger.warning("Consumer %s waits: %s", self.group.name, error)
                is_failing = True
                self._is_new = True  # what was read and not handled is claimed
                close_old_connections()
                stop.wait(AFTER_FAILURE)
            except Exception:  # a defect; whatever runs beside goes on, and this when it is mended
                logger.exception("Consumer %s is stuck.", self.group.name)
                self._is_new = True
                stop.wait(STUCK)
        self._leave()

    def step(self) -> int | None:
        """Read once and handle what came. Returns how many messages were handled; None while standing by."""
        if not self._take_turn():
            return None
        self._retry()
        extent = self.group.stream.extent()
        if extent is None:  # nothing was published yet, or Redis lost it and the relay will say so
            time.sleep(PAUSE)
            return 0
        position = self._followed(extent)
        handled = 0
        if self._is_new:
            handled = self._look(position, self.group.stream.claim(self.group.name, self.name))
            self._is_new = False
        wait = PAUSE / 10 if self.group.meanwhile() else BLOCK
        entries = self.group.stream.read(self.group.name, self.name, count=self.group.batch, wait=wait)
        handled += self._look(position + handled, entries)
        if not entries and position + handled < extent.published:  # that was there before we looked
            self._want(position + handled + 1)
        return handled

    # --- Whose turn it is ---------------------------------------------------------------------------------

    def _take_turn(self) -> bool:
        """Whether the group is ours, for some seconds from now on."""
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_TURN, {"group": self.group.name, "name": self.name, "hold": HOLD})
            is_ours: bool = cursor.rowcount == 1
        self._is_new = self._is_new or not is_ours
        return is_ours

    def _leave(self) -> None:
        """Let the next one come at once."""
        try:
            Consumer.objects.filter(group=self.group.name, holder=self.name).update(held_until=None)
        except TROUBLE:
            close_old_connections()

    # --- Where we are -------------------------------------------------------------------------------------

    def _followed(self, extent: Extent) -> int:
        """Our position; moved where the stream cannot be followed from there."""
        position = Consumer.objects.values_list("position", flat=True).get(group=self.group.name)
        if position is None:
            return self._move(extent.published, "Consumer %s begins after position %s.", logging.DEBUG)
        if position + 1 < extent.oldest:
            return self._move(extent.oldest - 1, "Consumer %s missed what is not kept any more, up to position %s.")
        if position <= extent.published:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = time.monotonic()  # said by a Redis that lost its last moments, perhaps
        elif time.monotonic() - self._behind_since > WENT_BACK:
            self._behind_since = None
            return self._move(extent.published, "The stream of consumer %s went back to position %s.")
        return position

    def _move(self, position: int, message: str, level: int = logging.WARNING) -> int:
        with transaction.atomic(durable=True):
            state = self._locked()
            self.group.missed()
            state.position = position
            state.save(update_fields=["position"])
        logger.log(level, message, self.group.name, position)
        return position

    def _want(self, position: int) -> None:
        asked, at = self._asked
        if position != asked or time.monotonic() - at > ASK_AGAIN:
            self._asked = position, time.monotonic()
            self.group.stream.want(self.group.name, position)

    # --- What comes ---------------------------------------------------------------------------------------

    def _look(self, position: int, entries: Sequence[Entry]) -> int:
        """Handle what follows our position, and acknowledge all of it. Returns how many were handled."""
        following: list[Entry] = []
        for entry in entries:
            expected = position + len(following) + 1
            if entry.position == expected:
                following.append(entry)
            elif entry.position > expected:
                self._want(expected)
                break
        self._handle(following)
        self.group.stream.acknowledge(self.group.name, entries)
        return len(following)

    def _handle(self, entries: Sequence[Entry]) -> None:
        """All of them in one transaction; if that fails, each in its own."""
        if not entries:
            return
        try:
            with transaction.atomic(durable=True):
                state = self._locked()
                self.group.handle([json.loads(entry.message) for entry in entries])
                state.position = entries[-1].position
                state.save(update_fields=["position"])
        except TROUBLE:
            raise
        except Exception as error:
            if len(entries) == 1:
                self._set_aside(entries[0], error)
            else:
                for entry in entries:
                    self._handle([entry])

    def _locked(self) -> Consumer:
        """The group's row, locked. Raises Busy when the turn went to somebody else meanwhile."""
        state = Consumer.objects.select_for_update().get(group=self.group.name)
        if state.holder != self.name:
            raise Busy("Another process has the turn.")
        return state

    # --- What fails ---------------------------------------------------------------------------------------

    def _set_aside(self, entry: Entry, error: Exception) -> None:
        logger.error("Consumer %s cannot handle position %s.", self.group.name, entry.position, exc_info=error)
        now = timezone.now()
        with transaction.atomic(durable=True):
            state = self._locked()
            FailedMessage.objects.update_or_create(
                group=self.group.name,
                position=entry.position,
                defaults={
                    "message": json.loads(entry.message),
                    "error": _told(error),
                    "failed_at": now,
                    "retry_at": now + RETRIES[0],
                },
            )
            state.position = entry.position
            state.save(update_fields=["position"])

    def _retry(self) -> None:
        due = FailedMessage.objects.filter(group=self.group.name, retry_at__lte=timezone.now())
        for failed in due.order_by("position")[:20]:
            retry(failed, self.group)


def work(stop: threading.Event, wanted: Sequence[Group] | None = None) -> None:
    """Work for these groups, or all, each on a thread, until told to stop."""

    def run(group: Group) -> None:
        try:
            Worker(group).run(stop)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=[group], name=group.name) for group in (groups if wanted is None else wanted)
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()


def retry(failed: FailedMessage, group: Group) -> bool:
    """Handle a message that failed once more. Returns whether it succeeded."""
    try:
        with transaction.atomic(durable=True):
            row = FailedMessage.objects.select_for_update().filter(pk=failed.pk)
            if row.exists():  # else somebody else did it
                group.handle([failed.message])
                row.delete()
    except TROUBLE:
        raise
    except Exception as error:
        now = timezone.now()
        delay = RETRIES[failed.attempts] if failed.attempts < len(RETRIES) else None
        FailedMessage.objects.filter(pk=failed.pk).update(
            attempts=failed.attempts + 1, error=_told(error), failed_at=now, retry_at=now + delay if delay else None
        )
        return False
    return True


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:2000]
