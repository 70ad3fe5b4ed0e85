"""Asking every partner at once what it has of a title, in two seconds at most, and answering what is known by then.

Whoever waits here holds a thread of the web server and nothing else: no transaction, no connection to PostgreSQL. Only
some may wait at a time, so that partners that do not answer hold up no desk.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from pybreaker import CircuitBreakerError

from events import redis
from integrations.partners.breaker import FAILURES, PAUSE, breaker_of
from integrations.partners.calling import Failure
from integrations.partners.models import Partner
from integrations.partners.protocols import Found, look_up
from library.models import Book

logger = logging.getLogger(__name__)

TOTAL = 2.0  # seconds that all partners have together
FRESH = 30  # seconds that an answer may be told again
AT_ONCE = 4  # look-ups at one partner, by one process: a look-up of its name that hangs cannot be cut short
THREADS = 32


@dataclass(frozen=True)
class Answer:
    """What a partner has of a title, as it said `age` seconds ago. None of it is known when it did not say."""

    partner: Partner
    copies_available: int | None = None
    copies_total: int | None = None
    age: int | None = None

    @property
    def available(self) -> bool | None:
        return None if self.copies_available is None else self.copies_available > 0


@dataclass(frozen=True)
class Told:
    """What a partner said, and when, in seconds since 1970."""

    found: Found
    at: float

    def by(self, partner: Partner) -> Answer:
        return Answer(partner, *self.found, age=max(0, int(time.time() - self.at)))


def ask(book: Book) -> list[Answer]:
    """What each partner that is on has of a title, in their order. Never raises for what a partner does.

    Raises TransactionManagementError inside a transaction: nobody may wait for others while holding locks.
    """
    partners = list(Partner.objects.on())
    if not partners:
        return []
    if not book.isbn:
        logger.info("Title %s has no ISBN, so that partners cannot be asked for it.", book.pk)
        return [Answer(partner) for partner in partners]
    told = _remembered(partners, book.isbn)
    missing = [partner for partner in partners if partner.pk not in told]
    if missing:
        told |= _asked(missing, book.isbn)
    return [told[partner.pk].by(partner) if partner.pk in told else Answer(partner) for partner in partners]


def _asked(partners: Sequence[Partner], isbn: str) -> dict[int, Told]:
    with room_to_wait() as is_room:
        if not is_room:
            logger.info("Partners were not asked for %s: enough requests wait for them.", isbn)
            return {}
        deadline = time.monotonic() + TOTAL
        asked = {partner: _look_ups.begin(partner, isbn, deadline) for partner in partners}
        wait([future for future in asked.values() if future], timeout=deadline - time.monotonic())
    told = {}
    for partner, future in asked.items():
        if future is None:
            logger.warning("Partner %s was not asked for %s: it is busy with others.", partner, isbn)
        elif not future.done():
            logger.warning("Partner %s did not answer within %g seconds.", partner, TOTAL)
        elif answer := future.result():
            told[partner.pk] = answer
    return told


# --- Waiting --------------------------------------------------------------------------------------------

_turn = threading.Lock()
_waiting = 0


@contextmanager
def room_to_wait() -> Iterator[bool]:
    """Whether this request may wait for partners. It holds no connection to PostgreSQL meanwhile.

    Raises TransactionManagementError inside a transaction.
    """
    global _waiting
    let_go()
    with _turn:
        is_room = _waiting < settings.PARTNER_REQUESTS
        _waiting += is_room
    try:
        yield is_room
    finally:
        with _turn:
            _waiting -= is_room


def let_go() -> None:
    """Give the connection to PostgreSQL back to its pool, before asking a partner.

    Raises TransactionManagementError inside a transaction.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("Nobody waits for partners inside a transaction.")
    connection.close()


# --- Looking up -----------------------------------------------------------------------------------------


class _LookUps:
    """Those of this process that are under way. The same one is not made twice at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="partners")
        self._turn = threading.Lock()
        self._under_way: dict[tuple[int, str], Future[Told | None]] = {}

    def begin(self, partner: Partner, isbn: str, deadline: float) -> Future[Told | None] | None:
        """None when too many are under way at this partner."""
        name = (partner.pk, isbn)
        with self._turn:
            if name in self._under_way:
                return self._under_way[name]
            if sum(other == partner.pk for other, _ in self._under_way) >= AT_ONCE:
                return None
            limit = min(deadline, time.monotonic() + partner.timeout)
            self._under_way[name] = future = self._threads.submit(copy_context().run, self._run, partner, isbn, limit)
            return future

    def _run(self, partner: Partner, isbn: str, deadline: float) -> Told | None:
        try:
            return _look_up(partner, isbn, deadline)
        finally:
            with self._turn:
                del self._under_way[partner.pk, isbn]


_look_ups = _LookUps()


def _look_up(partner: Partner, isbn: str, deadline: float) -> Told | None:
    """Ask one partner, unless it is left alone. The log says why nothing came of it."""
    breaker = breaker_of(partner)
    try:
        told = Told(breaker.call(look_up, partner, isbn, deadline=deadline), time.time())
    except CircuitBreakerError:
        logger.info("Partner %s was not asked for %s: it failed, and is left alone for a while.", partner, isbn)
        return None
    except Failure as failure:
        logger.warning("Partner %s did not say whether it has %s. %s", partner, isbn, failure)
        if breaker.fail_counter >= FAILURES:
            logger.warning("Partner %s is left alone for %g seconds.", partner, PAUSE)
        return None
    except Exception:  # ours, not theirs; and still no reason to refuse whoever asks what is known
        logger.exception("Partner %s could not be asked.", partner)
        return None
    _remember(partner, isbn, told)
    return told


# --- What was said a moment ago ---------------------------------------------------------------------------


def _remembered(partners: Sequence[Partner], isbn: str) -> dict[int, Told]:
    names = {partner.pk: _name(partner, isbn) for partner in partners}
    stored = redis.ask(lambda: cache.get_many(names.values())) or {}
    return {
        partner_id: Told(Found(available, total), at)
        for partner_id, name in names.items()
        if name in stored
        for available, total, at in [stored[name]]
    }


def _remember(partner: Partner, isbn: str, told: Told) -> None:
    redis.ask(lambda: cache.set(_name(partner, isbn), [*told.found, told.at], FRESH))


def forget(partner: Partner, isbn: str) -> None:
    """What a partner said of a title, as after something was reserved there."""
    redis.ask(lambda: cache.delete(_name(partner, isbn)))


def _name(partner: Partner, isbn: str) -> str:
    """Of an answer of the partner as it is set up now: what another address said is none of its."""
    where = hashlib.sha256(f"{partner.protocol} {partner.base_url} {partner.daia_id}".encode()).hexdigest()[:16]
    return f"partner:{partner.pk}:{where}:{isbn}"
