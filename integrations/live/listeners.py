"""Who listens to which title, and what they have heard.

Each listener has room for one piece of news, the newest. So one who is slow misses numbers in between and never the
last, and costs no more for being slow.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from events.exceptions import Busy


@dataclass(frozen=True)
class News:
    """What the listeners of a title are told, as it goes over the line. All of them share it."""

    version: float  # of the title; news that is no newer than what one has heard is none
    text: bytes
    is_last: bool = False


GOODBYE = News(float("inf"), b"", is_last=True)  # the process ends, or the client has left


class Listener:
    """One open stream. All but its making belongs to the event loop's thread."""

    __slots__ = ("_newest", "_waiter", "book_id", "heard")

    def __init__(self, book_id: int) -> None:
        self.book_id = book_id
        self.heard: float = -1
        self._newest: News | None = None
        self._waiter: asyncio.Future[None] | None = None

    def tell(self, news: News) -> None:
        """Have it take this next, unless it has heard that, or something newer, or is about to."""
        if news.version <= self.heard or (self._newest is not None and news.version <= self._newest.version):
            return
        self._newest = news
        if self._waiter is not None:
            _wake(self._waiter)

    async def next(self, patience: float) -> News | None:
        """What it was not told of yet, None if there was nothing for so many seconds."""
        if self._newest is None:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(patience, _wake, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        news, self._newest = self._newest, None
        if news is None or news.version <= self.heard:  # it may have heard that on another way since
            return None
        self.heard = news.version
        return news


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Listeners:
    """All of a process. They join on any thread and are told on the event loop's."""

    def __init__(self) -> None:
        self._of: dict[int, set[Listener]] = defaultdict(set)
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def join(self, book_id: int) -> Listener:
        """One more. Raises Busy when there are LIVE_LISTENERS."""
        listener = Listener(book_id)
        with self._lock:
            if self._count >= settings.LIVE_LISTENERS:
                raise Busy("As many listen as this service has room for. Please try again later.")
            self._of[book_id].add(listener)
            self._count += 1
        return listener

    def leave(self, listener: Listener) -> None:
        with self._lock:
            others = self._of[listener.book_id]
            if listener in others:
                others.remove(listener)
                self._count -= 1
            if not others:
                del self._of[listener.book_id]

    def titles(self) -> set[int]:
        """Those that somebody listens to."""
        with self._lock:
            return set(self._of)

    def tell(self, news: Mapping[int, News]) -> None:
        """What is new of each title, to whoever listens to it."""
        for book_id, one in news.items():
            for listener in self._listening(book_id):
                listener.tell(one)

    def end(self) -> None:
        """Say goodbye to all."""
        self.tell(dict.fromkeys(self.titles(), GOODBYE))

    def _listening(self, book_id: int) -> list[Listener]:
        with self._lock:
            return list(self._of.get(book_id, ()))


LISTENERS = Listeners()
