"""What was read, kept in Redis until it changes.

Entries belong to a group, such as one title, and all to everything. Each group has a random token; a reader stores
what it read together with the tokens that it saw *before* reading, and a change removes the token after its commit.
So a slow reader can only store where nobody looks any more. (A counter in place of the random token could be
evicted, start again and make old entries current.)

Redis may be gone at any time: then everything is computed, and Redis is asked again now and then. A change that
could not be announced is announced by the relay, which keeps it pending until it succeeds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django_redis import get_redis_connection

from events import redis
from library.nearby import EVERYTHING as EVERYTHING
from library.nearby import TOKEN, Entry, nearby

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

TOKEN_TTL = 2 * 86_400  # seconds; a token that expires early only makes its entries unreachable
SHAPE = 3  # counted up when a release stores something else under the name of a kind


# Told of each reading: its kind; `hit`, `miss` or `away` (Redis did not answer); and of how many entries. They must be
# quick, and raise nothing.
watchers: list[Callable[[str, str, int], None]] = []


def title_group(book_id: int | str) -> str:
    """Everything that is known of one title."""
    return f"title:{book_id}"


CATALOGUE = "catalogue"  # lists of titles


def read(kind: str, group: str, compute: Callable[[], T], *, name: str = "") -> T:
    """What `compute` returns, from the cache if it is there. `kind` gives its time to live, see CACHE_TTL."""
    found = read_many(kind, {"": group}, lambda _: {"": compute()}, name=name)
    return found[""]


def read_many(
    kind: str, groups: Mapping[K, str], compute: Callable[[list[K]], Mapping[K, T]], *, name: str = ""
) -> dict[K, T]:
    """The same for several groups in one round trip; `compute` is asked once, for those that are missing.

    What it leaves out stays left out. Values must survive JSON.
    """
    return _read_many(kind, groups, compute, name)[0]


def read_nearby(kind: str, key: K, group: str, compute: Callable[[list[K]], Mapping[K, T]]) -> Entry | None:
    """The same for one group, without a round trip while this process knows it (library/nearby.py).

    For whoever looks: it may be old for as long as Redis takes to tell of a change. None if `compute` leaves it out.
    """
    entry = nearby.found(group)
    if entry is not None:
        tell(kind, hit=1)
        return entry
    fetch = nearby.begin(group)
    try:
        found, has_token = _read_many(kind, {key: group}, compute, "")
        if key in found:
            return nearby.keep(fetch, found[key], is_told_of=has_token)
    finally:
        nearby.end_of(fetch)
    return None


def _read_many(
    kind: str, groups: Mapping[K, str], compute: Callable[[list[K]], Mapping[K, T]], name: str
) -> tuple[dict[K, T], bool]:
    """What was found, and whether there were tokens in Redis meanwhile, whose removal would be told of."""
    if not groups:
        return {}, False
    entries = {key: _entry(kind, group, name) for key, group in groups.items()}
    tokens = [_token(group) for group in (EVERYTHING, *groups.values())]
    stored = redis.ask(lambda: cache.get_many([*tokens, *entries.values()]))
    if stored is None:
        tell(kind, away=len(groups))
        return dict(compute(list(groups))), False
    found: dict[K, T] = {}
    for key, entry in entries.items():
        mark, value = stored.get(entry, (None, None))
        if mark is not None and mark == _mark(stored, groups[key]):
            found[key] = value
    missing = [key for key in groups if key not in found]
    tell(kind, hit=len(found), miss=len(missing))
    if not missing:
        return found, True
    # Written over one that somebody else gives at this moment, a new token costs them an entry and no more.
    new = {token: secrets.token_hex(8) for token in tokens if token not in stored}
    placed = _store(new, TOKEN_TTL)
    computed = compute(missing)
    if placed:
        marks = {key: _mark(stored | new, groups[key]) for key in computed}
        _store({entries[key]: [marks[key], value] for key, value in computed.items()}, settings.CACHE_TTL[kind])
        forget({groups[key] for key in missing if key not in computed})  # what does not exist leaves nothing behind
    return found | dict(computed), placed


def forget(groups: Iterable[str], *, insist: bool = False) -> bool:
    """Make everything stored for these groups unreachable. Call it after commit. False: Redis did not hear it.

    `insist` asks even a Redis that did not answer just now.
    """
    groups = list(groups)
    keys = [_token(group) for group in groups]

    def delete() -> bool:
        cache.delete_many(keys)
        return True

    done = not keys or redis.ask(delete, insist=insist) is True
    for group in groups:  # whoever changed it sees so at once, before this process is told of it
        nearby.forget(group)
    return done


def forget_what_was_restored() -> None:
    """Forget everything if Redis was restarted since this was last asked.

    A Redis that failed, or its replica, may come back without what it was told last: that something is to be forgotten.
    """

    def compare() -> bool:
        life = get_redis_connection("default").info("server")["run_id"]
        if cache.get("life") != life:
            cache.delete(_token(EVERYTHING))
            cache.set("life", life, None)
        return True

    redis.ask(compare)


def tell(kind: str, **counts: int) -> None:
    """Count what was looked for: as `hit`, `miss` or `away`."""
    for result, count in counts.items():
        if count:
            for watcher in watchers:
                watcher(kind, result, count)


def _token(group: str) -> str:
    return f"{TOKEN}{group}"


def _entry(kind: str, group: str, name: str) -> str:
    return f"{kind}.{SHAPE}:{group}:{name}"


def _mark(stored: Mapping[str, Any], group: str) -> str | None:
    """What a current entry of this group carries, None while there are no tokens to make it of."""
    everything, own = stored.get(_token(EVERYTHING)), stored.get(_token(group))
    return f"{everything}.{own}" if everything and own else None


def _store(values: dict[str, Any], seconds: int) -> bool:
    """Write all in one round trip. Returns whether Redis took them."""

    def write() -> bool:
        cache.set_many(values, seconds)
        return True

    return not values or redis.ask(write) is True
