"""Leaving a partner that does not answer alone for a while: pybreaker's rules over a state that all processes share.

The state is in Redis and costs a round trip to read; nothing more while all is well. Without Redis every partner is
asked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django_redis import get_redis_connection
from pybreaker import (
    STATE_CLOSED,
    STATE_HALF_OPEN,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
    CircuitBreakerStorage,
)

from events import redis
from integrations.partners.models import Partner

FAILURES = 3  # in a row, until it is left alone
PAUSE = 30.0  # seconds, after which one request may try
TRIAL = 10  # seconds after which another one may, should the first have died
KEPT = 86_400  # seconds that the state is kept
REMEMBERED = 30 * 86_400  # seconds that the last failure is
UNKNOWN = "unknown"  # of which state it is while Redis is away


@dataclass(frozen=True)
class BreakerState:
    """How it stands with a partner: `closed` (asked), `open` (left alone), `half-open` (tried next) or `unknown`."""

    partner: Partner
    state: str
    failures: int
    opened_at: datetime | None
    last_failure: str
    last_failed_at: datetime | None


def breaker_of(partner: Partner) -> CircuitBreaker:
    """For one call, and never kept: its state is that of this moment, and it would let one call in at a time."""
    return CircuitBreaker(
        fail_max=FAILURES,
        reset_timeout=PAUSE,
        state_storage=_Shared(partner.pk),
        listeners=[_LastFailure(partner.pk)],
        throw_new_error_on_trip=False,
    )


def breaker_states() -> list[BreakerState]:
    """How it stands with every partner, whether it is on or not."""
    return states_of(list(Partner.objects.all()))


def states_of(partners: Sequence[Partner]) -> list[BreakerState]:
    """The same of these, in one round trip to Redis."""
    names = [_key(partner.pk, what) for partner in partners for what in ("failures", "opened", "last")]
    found = redis.ask(lambda: _redis().mget(names)) if names else []
    if found is None:
        return [BreakerState(partner, UNKNOWN, 0, None, "", None) for partner in partners]
    thrice = iter(found)
    rows = zip(thrice, thrice, thrice, strict=True)
    return [_state(partner, *row) for partner, row in zip(partners, rows, strict=True)]


def forget(partner_id: int) -> None:
    """Ask it again at once, as after somebody changed where it is."""
    redis.ask(lambda: _redis().delete(*(_key(partner_id, what) for what in ("failures", "opened", "trial"))))


def _state(partner: Partner, failures: bytes | None, opened: bytes | None, last: bytes | None) -> BreakerState:
    opened_at = _moment(float(opened)) if opened else None
    state = STATE_CLOSED
    if opened:
        state = STATE_OPEN if time.time() < float(opened) + PAUSE else STATE_HALF_OPEN
    reason, failed = json.loads(last) if last else ("", None)
    return BreakerState(partner, state, int(failures or 0), opened_at, reason, _moment(failed) if failed else None)


class _Shared(CircuitBreakerStorage):
    """The state of one partner: read when this is made, and written as it changes."""

    def __init__(self, partner_id: int) -> None:
        super().__init__("redis")
        self._id = partner_id
        found = redis.ask(lambda: _redis().mget([_key(partner_id, "failures"), _key(partner_id, "opened")]))
        failures, opened = found or (None, None)
        self._failures, self._successes = int(failures or 0), 0
        self._opened_at = _moment(float(opened)) if opened else None
        self._state = STATE_OPEN if opened else STATE_CLOSED

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        """Raises CircuitBreakerError when somebody else is already trying."""
        if state == STATE_HALF_OPEN:
            is_first = redis.ask(lambda: bool(_redis().set(_key(self._id, "trial"), 1, nx=True, ex=TRIAL)))
            if is_first is False:
                raise CircuitBreakerError("Another request is trying it.")
        elif state == STATE_CLOSED:
            forget(self._id)
        self._state = state

    def increment_counter(self) -> None:
        def count() -> int:
            pipeline = _redis().pipeline()
            pipeline.incr(_key(self._id, "failures"))
            pipeline.expire(_key(self._id, "failures"), KEPT)
            return int(pipeline.execute()[0])

        self._failures = redis.ask(count) or 0  # without Redis nothing is counted

    def reset_counter(self) -> None:
        if self._failures:
            redis.ask(lambda: _redis().delete(_key(self._id, "failures")))
            self._failures = 0

    def increment_success_counter(self) -> None:
        self._successes += 1

    def reset_success_counter(self) -> None:
        self._successes = 0

    @property
    def counter(self) -> int:
        return self._failures

    @property
    def success_counter(self) -> int:
        return self._successes

    @property
    def opened_at(self) -> datetime | None:
        return self._opened_at

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        def write() -> None:
            pipeline = _redis().pipeline()
            pipeline.set(_key(self._id, "opened"), moment.timestamp(), ex=KEPT)
            pipeline.delete(_key(self._id, "trial"))
            pipeline.execute()

        redis.ask(write)
        self._opened_at = moment


class _LastFailure(CircuitBreakerListener):
    """Writes down why a partner failed last, for people."""

    def __init__(self, partner_id: int) -> None:
        self._key = _key(partner_id, "last")

    def failure(self, cb: CircuitBreaker, exc: BaseException) -> None:
        redis.ask(lambda: _redis().set(self._key, json.dumps([str(exc), time.time()]), ex=REMEMBERED))


def _key(partner_id: int, what: str) -> str:
    return str(cache.make_key(f"partner:{partner_id}:{what}"))


def _redis() -> Any:
    return get_redis_connection("default")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
