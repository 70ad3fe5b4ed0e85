"""What the service stands on, part by part: how it is asked, and what is said of it. Never where it is, or a secret."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.conf import settings
from django.core.cache import cache
from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django_redis.exceptions import ConnectionInterrupted
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from config.celery import app
from config.observability.probes import DEGRADED, OK, PATIENCE, UNAVAILABLE, Part, Probe, answers
from events import consuming, heartbeats
from events.models import Consumer
from events.stream import EVENTS, Stream
from integrations.partners.breaker import UNKNOWN, breaker_states

logger = logging.getLogger(__name__)

T = TypeVar("T")

AWAY = (Error, RedisError, ConnectionInterrupted, BrokerError, OSError)
UNHEARD = "It does not answer."
LATE = Part(UNAVAILABLE, f"It did not answer within {PATIENCE:g} s.", PATIENCE * 1000)
NOT_IN_TIME = Part(UNAVAILABLE, f"Not known: nobody answered within {PATIENCE:g} s.")  # of what others know
NOT_KNOWN = "Not known: the database does not answer."

# After how many seconds without a sign of life a process counts as gone, and what it is missed for then.
SILENT = {
    "worker": (120.0, "Lines beside free copies are not served, mails and jobs wait."),
    "beat": (60.0, "Nobody wakes the workers."),
    "relay": (60.0, "Nobody is told of what happens."),
    "webhooks": (60.0, "Webhooks are not sent."),
}
REPLICA = "replica"  # its name in DATABASES
SILENT_SERVICE = 10.0  # seconds; its relay speaks twice a second
FAR_BEHIND = 1_000  # changes

Parts = dict[str, Part]


class _Migrations:
    """Whether the database has what this code needs. Once it has, it keeps it, and is not asked again."""

    are_applied = False

    def check(self) -> bool:
        if not self.are_applied:
            executor = MigrationExecutor(connections["default"])
            self.are_applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self.are_applied


migrations = _Migrations()


def _asked(name: str, ask: Callable[[], str]) -> Parts:
    """The part, with the time that the answer took. What `ask` returns is wrong with it; nothing, if all is well."""
    begun = time.perf_counter()
    try:
        detail = ask()
        status = DEGRADED if detail else OK
    except AWAY as error:
        logger.info("%s does not answer: %s", name.capitalize(), error)
        detail, status = UNHEARD, UNAVAILABLE
    except Exception:  # a defect, or a setting that makes no sense
        logger.exception("The %s cannot be asked.", name)
        detail, status = "It cannot be asked. The log says why.", UNAVAILABLE
    return {name: Part(status, detail, round((time.perf_counter() - begun) * 1000, 1))}


def _database() -> Parts:
    def ask() -> str:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
        return "" if migrations.check() else "Migrations are missing. Run manage.py migrate."

    found = _asked("database", ask)["database"]
    # Without its tables the desk cannot work either.
    return {"database": found if found.status == OK else Part(UNAVAILABLE, found.detail, found.latency_ms)}


def _replica() -> Parts:
    """The copy that is read from, where the settings name one."""

    def ask() -> str:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            return "" if cursor.fetchone() == (True,) else "It is no replica: it can be written to."

    return _asked(REPLICA, ask)


def _cache() -> Parts:
    def ask() -> str:
        cache.get("health")
        return ""

    return _asked("cache", ask)


def _stream() -> Parts:
    def ask() -> str:
        return "" if EVENTS.extent() is not None else "Nothing was published yet, or it was lost."

    return _asked("stream", ask)


def _broker() -> Parts:
    def ask() -> str:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
        return ""

    return _asked("broker", ask)


def _processes() -> Parts:
    """Those that nobody asks anything, by their signs of life in the database."""
    try:
        ages = heartbeats.ages()
        held = dict(Consumer.objects.values_list("group", "held_until"))
    except Error:
        return {name: Part(UNAVAILABLE, NOT_KNOWN) for name in (*SILENT, "consumers")}
    found = {name: _of_process(ages.get(name), *silent) for name, silent in SILENT.items()}
    now = timezone.now()
    idle = [group.name for group in consuming.groups if (until := held.get(group.name)) is None or until < now]
    detail = f"Nobody is at work for: {', '.join(idle)}." if idle else ""
    return {**found, "consumers": Part(UNAVAILABLE if idle else OK, detail)}


def _of_process(age: float | None, silent: float, missed: str) -> Part:
    if age is None:
        return Part(UNAVAILABLE, f"Nothing was heard of it yet. {missed}")
    heard = f"Heard of {age:.0f} s ago."
    return Part(OK, heard) if age <= silent else Part(UNAVAILABLE, f"{heard} {missed}")


def _other_service() -> Parts:
    """Of two services the other one, by what its relay says in Redis; where it is nobody here knows."""
    if settings.SERVICE == "all":
        return {}
    stream = Stream("rows", service="admin" if settings.SERVICE == "public" else "public")
    behind = 0

    def ask() -> str:
        nonlocal behind
        silence, behind = stream.silence(), changes_behind(stream, "store")
        if silence is None or silence > SILENT_SERVICE:
            since = "a minute" if silence is None else f"{silence:.0f} s"
            return f"Nothing was heard of it for {since}. What it changes meanwhile comes later."
        return f"{behind} of its changes are still to be taken over." if behind > FAR_BEHIND else ""

    return _asked("other service", ask)


def changes_behind(stream: Stream, group: str) -> int:
    """How many messages of a stream this consumer has still to handle."""
    extent = stream.extent()
    position = Consumer.objects.filter(group=group).values_list("position", flat=True).first()
    return max(0, extent.published - (position or 0)) if extent else 0


def _partners() -> Parts:
    """What is known of them already. None is asked for this: it would be the callers of /health who call them."""
    try:
        states = [state for state in breaker_states() if state.partner.is_on]
    except Error:
        return {"partners": Part(UNAVAILABLE, NOT_KNOWN)}
    if any(state.state == UNKNOWN for state in states):
        return {"partners": Part(DEGRADED, "Not known: the cache does not answer.")}
    left_alone = [state.partner.name for state in states if state.state != "closed"]
    if left_alone:
        return {"partners": Part(DEGRADED, f"Left alone after failures: {', '.join(left_alone)}.")}
    return {"partners": Part(OK, f"{len(states)} are asked." if states else "There are none.")}


_DATABASE = Probe(_database)
ASKED = ("database", REPLICA, "cache", "stream", "broker", "other service")  # themselves
# By the names of the parts that they tell of, for when they tell nothing.
_PROBES: dict[tuple[str, ...], Probe[Parts]] = {
    ("database",): _DATABASE,
    (REPLICA,): Probe(_replica),
    ("cache",): Probe(_cache),
    ("stream",): Probe(_stream),
    ("broker",): Probe(_broker),
    (*SILENT, "consumers"): Probe(_processes),
    ("other service",): Probe(_other_service),
    ("partners",): Probe(_partners),
}


def database() -> Part:
    """Whether the desk can work."""
    return _told({("database",): _DATABASE})["database"]


def all_parts() -> Parts:
    """Everything, in little more than a second whatever is away."""
    probes = dict(_PROBES)
    if REPLICA not in settings.DATABASES:
        del probes[REPLICA,]
    if settings.SERVICE == "all":
        del probes["other service",]
    return _told(probes)


def _told(probes: dict[tuple[str, ...], Probe[Parts]]) -> Parts:
    found: Parts = {}
    told = answers(probes.values())
    for names, parts in zip(probes, told, strict=True):
        late = LATE if names[0] in ASKED else NOT_IN_TIME
        found |= dict.fromkeys(names, late) if parts is None else parts
    return found


def status_of(parts: Iterable[Part], *, essential: Part) -> str:
    """Of the whole: `unavailable` only without what the desk cannot do without."""
    if essential.status != OK:
        return UNAVAILABLE
    return OK if all(part.status == OK for part in parts) else DEGRADED
