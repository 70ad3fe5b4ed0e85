"""The stream in Redis by which committed events travel: bounded, in order of position, and never the only place.

Beside the entries stand how far they go (`:state`, written together with them), and what consumers missed (`:wanted`),
which the relay repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, cast

import redis
from django.conf import settings

from events.models import Publication

LENGTH = 20_000  # entries that the stream keeps, at least
TIMEOUT = 5.0  # seconds; longer than anybody blocks
REMEMBERED = 60.0  # seconds that it is known of a stream when its relay spoke last
BLOCK = 1.0  # seconds that a reader waits for something new


@cache
def _connected(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_connect_timeout=1, socket_timeout=TIMEOUT, health_check_interval=10
    )


def client() -> redis.Redis:
    """The Redis of the streams, which is neither evicted nor flushed with the cache."""
    return _connected(settings.EVENTS_REDIS_URL)


@dataclass(frozen=True)
class Entry:
    """What stands in a stream: a message, as JSON, at its position."""

    id: str
    position: int
    message: str


@dataclass(frozen=True)
class Extent:
    """From which position on a stream can be repeated, and how far it goes."""

    oldest: int
    published: int


@dataclass(frozen=True)
class Stream:
    """A stream by its name, of this service or of another one that shares its Redis."""

    name: str
    service: str = ""
    is_private: bool = False  # for one group alone, which leaves nothing behind of what it read

    @property
    def key(self) -> str:
        # Asked each time: a simulation has a prefix of its own.
        prefix = settings.CACHES["default"]["KEY_PREFIX"] if not self.service else settings.KEY_PREFIX_OF[self.service]
        return f"{prefix}:{self.name}"

    # --- For the relay ----------------------------------------------------------------------------------

    def append(
        self, publications: Sequence[Publication], messages: Sequence[str], extent: Extent | None = None
    ) -> None:
        """Add one entry for each publication, and with them how far the stream then goes, unless that stays."""
        with client().pipeline(transaction=True) as pipeline:
            for publication, message in zip(publications, messages, strict=True):
                entry = {"position": publication.position, "message": message}
                pipeline.xadd(self.key, cast(dict[Any, Any], entry), maxlen=LENGTH, approximate=True)
            if extent is not None:
                pipeline.hset(self._state, mapping=cast(Any, asdict(extent)))
            pipeline.execute()

    @property
    def repeatable(self) -> int:
        """How many entries may be added at once without those who read being left behind."""
        return LENGTH // 4

    def tell(self, extent: Extent) -> None:
        """Say how far the stream goes, to whoever may have missed it, or to a Redis that lost it."""
        with client().pipeline(transaction=False) as pipeline:
            pipeline.hset(self._state, mapping=cast(Any, asdict(extent)))
            pipeline.set(self._alive, 1, px=int(REMEMBERED * 1000))
            pipeline.execute()

    def wanted(self) -> int | None:
        """The first position that a consumer misses; each is told of once."""
        with client().pipeline(transaction=True) as pipeline:
            pipeline.hvals(self._wanted)
            pipeline.delete(self._wanted)
            positions, _ = pipeline.execute()
        return min(map(int, positions), default=None)

    # --- For readers -------------------------------------------------------------------------------------

    def extent(self) -> Extent | None:
        """How far it goes; None before anything was published, or after Redis lost it."""
        state = cast(dict[str, str], client().hgetall(self._state))
        return Extent(int(state["oldest"]), int(state["published"])) if len(state) == 2 else None

    def silence(self) -> float | None:
        """For how many seconds its relay has said nothing; None when that is long, or nobody knows any more."""
        left = client().pttl(self._alive)
        return max(0.0, REMEMBERED - left / 1000) if left >= 0 else None

    def want(self, group: str, position: int) -> None:
        """Ask the relay to publish everything from this position on once more."""
        client().hset(self._wanted, group, str(position))

    def read(self, group: str, consumer: str, *, count: int, wait: float = 0.0) -> list[Entry]:
        """The next entries for this group, after so many seconds none. Makes the group where it is not there."""
        try:
            found = client().xreadgroup(group, consumer, {self.key: ">"}, count=count, block=max(1, int(wait * 1000)))
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            client().xgroup_create(self.key, group, id="0", mkstream=True)
            return []
        return [entry for entries in _by_stream(found) for entry in _entries(entries)]

    def claim(self, group: str, consumer: str) -> list[Entry]:
        """Whatever was delivered to this group and never acknowledged, whoever it was delivered to."""
        entries: list[Entry] = []
        start = "0-0"
        try:
            while True:
                start, found, *_ = client().xautoclaim(self.key, group, consumer, 0, start_id=start, count=500)
                entries += _entries(found)
                if start == "0-0":
                    break
            for other in client().xinfo_consumers(self.key, group):
                if other["name"] != consumer and not other["pending"]:
                    client().xgroup_delconsumer(self.key, group, other["name"])
        except redis.ResponseError as error:
            if not str(error).startswith(("NOGROUP", "no such key")):
                raise
        return entries

    def acknowledge(self, group: str, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        ids = [entry.id for entry in entries]
        with client().pipeline(transaction=True) as pipeline:
            pipeline.xack(self.key, group, *ids)
            if self.is_private:
                pipeline.xdel(self.key, *ids)
            pipeline.execute()

    def last(self, count: int) -> list[Entry]:
        """The newest entries, oldest first."""
        return _entries(cast(list[Any], client().xrevrange(self.key, count=count)))[::-1]

    def after(self, entry_id: str, *, count: int = 500, wait: float = BLOCK) -> list[Entry]:
        """What follows this entry, after a while nothing. For readers without a group."""
        found = client().xread({self.key: entry_id}, count=count, block=int(wait * 1000))
        return [entry for entries in _by_stream(found) for entry in _entries(entries)]

    def remove(self) -> None:
        client().delete(self.key, self._state, self._wanted, self._alive)

    @property
    def _state(self) -> str:
        return f"{self.key}:state"

    @property
    def _alive(self) -> str:
        return f"{self.key}:alive"  # gone by itself: no clock but that of Redis is asked

    @property
    def _wanted(self) -> str:
        return f"{self.key}:wanted"


def _by_stream(found: Any) -> list[list[Any]]:
    """The entries of each stream, as the two versions of the protocol write them."""
    if not found:
        return []
    if isinstance(found, dict):
        return [batch for batches in found.values() for batch in batches]
    return [entries for _, entries in found]


def _entries(found: list[Any]) -> list[Entry]:
    # An entry that was trimmed while it waited for its acknowledgement comes without fields.
    return [Entry(key, int(fields["position"]), fields["message"]) for key, fields in found if fields]


EVENTS = Stream("events")
