"""What was read, kept in Redis until it changes.

Entries belong to a group, such as one title. Each group has a random token; a reader stores what it read together
with the token that it saw *before* reading, and a change removes the token after its commit. So a slow reader can
only store where nobody looks any more. (A counter in place of the random token could be evicted, start again and
make old entries current.)

Redis may be gone at any time: then everything is computed, and nobody asks Redis again for a few seconds. A change
that could not be announced is announced by the relay, which keeps it pending until it succeeds.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

TOKEN_TTL = 2 * 86_400  # seconds; a token that expires early only makes its entries unreachable
PAUSE = 5.0  # seconds without a question after Redis failed to answer

_failures = (RedisError, ConnectionInterrupted, OSError)
_silent_until = 0.0


def title_group(book_id: int) -> str:
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
    found: dict[K, T] = {}
    tokens: dict[K, str] = {}
    stored = _ask(lambda: cache.get_many([key for g in groups.values() for key in (_token(g), _entry(kind, g, name))]))
    for key, group in groups.items():
        token = (stored or {}).get(_token(group))
        entry = (stored or {}).get(_entry(kind, group, name))
        if token is not None and entry is not None and entry[0] == token:
            found[key] = entry[1]
        elif token is not None:
            tokens[key] = token
    missing = [key for key in groups if key not in found]
    if not missing:
        return found
    if stored is not None:
        # Written over one that somebody else gives at this moment, a new token costs them an entry and no more.
        new = {key: secrets.token_hex(8) for key in missing if key not in tokens}
        if _store({_token(groups[key]): token for key, token in new.items()}, TOKEN_TTL):
            tokens |= new
    computed = compute(missing)
    fresh = {_entry(kind, groups[key], name): [tokens[key], computed[key]] for key in tokens if key in computed}
    _store(fresh, settings.CACHE_TTL[kind])
    return found | dict(computed)


def forget(groups: Iterable[str]) -> bool:
    """Make everything stored for these groups unreachable. Call it after commit. False: Redis did not hear it."""
    keys = [_token(group) for group in groups]

    def drop() -> bool:
        cache.delete_many(keys)
        return True

    return not keys or _ask(drop) is True


def _token(group: str) -> str:
    return f"token:{group}"


def _entry(kind: str, group: str, name: str) -> str:
    return f"{kind}:{group}:{name}"


def _store(values: dict[str, Any], seconds: int) -> bool:
    """Write all in one round trip. Returns whether Redis took them."""

    def write() -> bool:
        cache.set_many(values, seconds)
        return True

    return not values or _ask(write) is True


def _ask(call: Callable[[], T]) -> T | None:
    """The answer of Redis, or None if it is away. One warning when it goes."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return None
    try:
        return call()
    except _failures as error:
        _silent_until = time.monotonic() + PAUSE
        logger.warning("The cache does not answer (%s). Going on without it for %g s at a time.", error, PAUSE)
        return None
