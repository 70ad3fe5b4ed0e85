"""What was read last, kept in this process for as long as Redis would tell that it changed.

A thread listens to what becomes of the tokens of library/cache.py (client-side caching, in broadcasting mode): whatever
removes a token removes the entries of its group here. While nothing is heard, nothing is kept and nothing is answered,
so that whoever asks goes to Redis. Entries live for seconds, should all of that fail.

Only web servers listen, from the first reading on, each process for itself.
"""

from __future__ import annotations

import logging
import os
import threading
from time import monotonic
from typing import Any

from django.core.cache import cache
from django_redis import get_redis_connection
from redis.exceptions import ResponseError, TimeoutError

from events import redis

logger = logging.getLogger(__name__)

SECONDS = 5.0  # that an entry lives
MOST = 2_000  # entries, of some 3 kB each
ASK_EVERY = 0.5  # seconds without a word, after which Redis is asked whether it is still there
TRUST = 1.5  # seconds after its last word, in which it would have told of changes
PAUSE = 1.0  # seconds until it is looked for again
TOKEN = "token:"  # what the names of tokens begin with
EVERYTHING = "everything"


class Entry:
    """What was read of a group, and the answer that was made of it, once there is one."""

    __slots__ = ("answer", "until", "value")

    def __init__(self, value: Any, until: float) -> None:
        self.value = value
        self.until = until
        self.answer: Any = None


class Fetch:
    """Somebody who reads what is not here. `is_old` as soon as it may have changed since they began."""

    __slots__ = ("group", "is_old")

    def __init__(self, group: str, *, is_old: bool) -> None:
        self.group = group
        self.is_old = is_old


class Nearby:
    """The entries of this process."""

    def __init__(self) -> None:
        self._wanted = False
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)  # threads stay with the parent

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._under_way: list[Fetch] = []
        self._trusted_until = 0.0
        self._ended = threading.Event()
        self._listener: threading.Thread | None = None

    def want(self) -> None:
        """From now on, in this process and those that it forks."""
        self._wanted = True

    def end(self) -> None:
        """Stop listening, and keep nothing any more."""
        self._wanted = False
        listener = self._listener
        self._ended.set()
        if listener is not None:
            listener.join()
        self._begin_anew()

    @property
    def is_on(self) -> bool:
        """Whether Redis would tell of a change."""
        return monotonic() < self._trusted_until

    def __len__(self) -> int:
        return len(self._entries)

    def found(self, group: str) -> Entry | None:
        """What is known of a group. Takes no lock: of each request, and an entry is whole from its beginning."""
        entry = self._entries.get(group)
        if entry is None:
            return None
        now = monotonic()
        return entry if now < entry.until and now < self._trusted_until else None

    def begin(self, group: str) -> Fetch:
        """Before Redis is asked. Whoever begins ends, too."""
        if self._wanted and self._listener is None:
            self._listen()
        with self._lock:
            fetch = Fetch(group, is_old=not self.is_on)
            self._under_way.append(fetch)
        return fetch

    def keep(self, fetch: Fetch, value: Any, *, is_told_of: bool) -> Entry:
        """What was read, kept unless a change was told of since it was begun.

        `is_told_of`: there was a token in Redis meanwhile. Of the change of what has none, nobody is told.
        """
        now = monotonic()
        entry = Entry(value, now + SECONDS)
        with self._lock:
            if is_told_of and not fetch.is_old and now < self._trusted_until:
                self._entries.pop(fetch.group, None)
                while len(self._entries) >= MOST:
                    del self._entries[next(iter(self._entries))]  # the oldest
                self._entries[fetch.group] = entry
        return entry

    def end_of(self, fetch: Fetch) -> None:
        with self._lock:
            self._under_way.remove(fetch)

    def forget(self, group: str) -> None:
        """It changed, and so has what is being read of it at this moment."""
        if group == EVERYTHING:
            self.empty()
            return
        with self._lock:
            self._entries.pop(group, None)
            for fetch in self._under_way:
                if fetch.group == group:
                    fetch.is_old = True

    def empty(self) -> None:
        """Anything may have changed."""
        with self._lock:
            self._entries.clear()
            for fetch in self._under_way:
                fetch.is_old = True

    # --- Listening ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        with self._lock:
            if self._listener is None:
                arguments = (self._ended,)
                self._listener = threading.Thread(target=self._stay, args=arguments, name="nearby", daemon=True)
                self._listener.start()

    def _stay(self, ended: threading.Event) -> None:
        said = False
        while not ended.is_set():
            try:
                self._follow(ended)
            except ResponseError as error:
                if not said:
                    logger.warning("Redis does not tell of changes (%s). Each reading asks it.", error)
                said = True
            except redis.failures as error:
                logger.info("Redis tells of no changes at present (%s).", error)
            finally:
                self._trusted_until = 0.0
                self.empty()
            ended.wait(PAUSE)

    def _follow(self, ended: threading.Event) -> None:
        """Listen for as long as there is something to hear. Raises what Redis raises when there is not."""
        pool = get_redis_connection("default").connection_pool
        prefix = cache.make_key(TOKEN)

        def told(message: list[Any]) -> None:
            # Without names when everything was flushed.
            for key in message[1] if message[1] is not None else [f"{prefix}{EVERYTHING}".encode()]:
                self.forget(key.decode().removeprefix(prefix))

        connection = pool.connection_class(**pool.connection_kwargs | {"protocol": 3})
        try:
            connection.connect()
            connection._parser.set_invalidation_push_handler(told)
            connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix)
            connection.read_response()
            self.empty()  # what was read before could have changed unheard
            heard = monotonic()
            while not ended.is_set():
                self._trusted_until = heard + TRUST
                try:
                    connection.read_response(push_request=True, timeout=ASK_EVERY, disconnect_on_error=False)
                    if not self.is_on:  # this process stood still: more that changed long ago may wait to be heard
                        self.empty()
                    heard = monotonic()
                except TimeoutError:
                    if not self.is_on:
                        raise
                    connection.send_command("PING")
        finally:
            connection.disconnect()


nearby = Nearby()
