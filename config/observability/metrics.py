"""What Prometheus is told: what this web server counts, and how the library and what it stands on are.

Labels have few values: a route is its pattern, and what no route matches is one. What other processes do is seen in
PostgreSQL and Redis, so only web servers are asked.
"""

from __future__ import annotations

import hmac
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    values,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config.observability import keeping
from config.observability.figures import Figures
from config.observability.places import Places

logger = logging.getLogger(__name__)


def _places() -> Places | None:
    """Where several processes of a server count together; None where there is one, or no such directory."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")  # prometheus-client reads it as well
    try:
        return Places(Path(directory)) if directory else None
    except OSError as error:
        logger.warning("Each process counts for itself: PROMETHEUS_MULTIPROC_DIR cannot be used (%s).", error.strerror)
        return None


disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks since when each is counted
PLACES = _places()
# Before the first metric is made, which takes it from there.
values.ValueClass = values.MutexValue if PLACES is None else values.MultiProcessValue(PLACES)  # type: ignore[no-untyped-call]

COUNTED = CollectorRegistry()
REQUESTS = Counter("circdesk_requests", "Requests that were answered.", ["route", "method", "status"], registry=COUNTED)
SECONDS = Histogram(
    "circdesk_request_duration_seconds",
    "How long answers took.",
    ["route", "method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=COUNTED,
)
REFUSALS = Counter(
    "circdesk_refusals", "Requests that were refused, by the code in the answer.", ["code"], registry=COUNTED
)
CACHE_READS = Counter(
    "circdesk_cache_reads",
    "What was looked for in the cache, by kind: found (hit), not there (miss), or Redis did not answer (away).",
    ["kind", "result"],
    registry=COUNTED,
)
POOL = Gauge(
    "circdesk_pool_connections",
    "Connections to PostgreSQL of this server's processes: open, idle, allowed, and requests that wait for one.",
    ["database", "state"],
    multiprocess_mode="livesum",
    registry=COUNTED,
)
POOL_WAITS = Counter(
    "circdesk_pool_waits", "Requests that had to wait for a connection.", ["database"], registry=COUNTED
)
POOL_TIMEOUTS = Counter("circdesk_pool_timeouts", "Requests that waited in vain.", ["database"], registry=COUNTED)
LOG_ENTRIES = Counter(
    "circdesk_log_entries",
    "Warnings and errors for the log in the database: kept, or dropped.",
    ["result"],
    registry=COUNTED,
)
if PLACES is None:
    ProcessCollector(namespace="circdesk", registry=COUNTED)

UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LOOK_EVERY = 5.0  # seconds

_known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
_looking = threading.Lock()
_next_look = 0.0
_logged: dict[str, int] = {}


def answered(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """A request was answered. Of each, so it must take microseconds."""
    match = request.resolver_match
    # As the log has it. What the last route catches is not there; and an empty label would be none.
    route = UNMATCHED if match is None or match.route.startswith("^(") else match.route or "/"
    method = request.method if request.method in METHODS else "other"
    key = (route, method or "other", response.status_code)
    try:
        requests, durations = _known[key]
    except KeyError:
        requests, durations = REQUESTS.labels(*key), SECONDS.labels(*key[:2])
        _known[key] = requests, durations
    requests.inc()
    durations.observe(seconds)
    if time.monotonic() > _next_look:
        look()


def refused(code: str) -> None:
    REFUSALS.labels(code).inc()


def read_from_cache(kind: str, result: str, count: int) -> None:
    CACHE_READS.labels(kind, result).inc(count)


def cache_reads(kind: str) -> dict[str, int]:
    """What was looked for of a kind since this server began, by result, in all of its processes."""
    found: dict[str, int] = {}
    for metric in _counted().collect():
        for sample in metric.samples:
            if sample.name == "circdesk_cache_reads_total" and sample.labels["kind"] == kind:
                found[sample.labels["result"]] = int(sample.value)
    return found


def look() -> None:
    """How many connections this process has, and what it logged. One thread is enough for that; the others go on."""
    global _next_look
    if not _looking.acquire(blocking=False):
        return
    try:
        _next_look = time.monotonic() + LOOK_EVERY
        for result, count in keeping.counts().items():
            LOG_ENTRIES.labels(result).inc(max(0, count - _logged.get(result, 0)))
            _logged[result] = count
        for database in connections:
            pool = getattr(connections[database], "pool", None)
            if pool is None:
                continue
            found = pool.pop_stats()
            for state, name in (("open", "size"), ("idle", "available"), ("allowed", "max")):
                POOL.labels(database, state).set(found.get(f"pool_{name}", 0))
            POOL.labels(database, "waiting").set(found.get("requests_waiting", 0))
            POOL_WAITS.labels(database).inc(found.get("requests_queued", 0))
            POOL_TIMEOUTS.labels(database).inc(found.get("requests_errors", 0))
    finally:
        _looking.release()


class _Counted(Collector):
    """What this process counted, where it is the only one of its server."""

    def collect(self) -> Iterable[Metric]:
        return COUNTED.collect()


def _counted() -> CollectorRegistry:
    """What the processes of this server counted."""
    registry = CollectorRegistry()
    if PLACES is None:
        registry.register(_Counted())
    else:
        PLACES.forget_the_dead()
        MultiProcessCollector(registry, str(PLACES.directory))  # type: ignore[no-untyped-call]
    return registry


def metrics(request: HttpRequest) -> HttpResponse:
    """Everything, in the format that was asked for. Always 200: what cannot be known is left out."""
    if not _may_read(request):
        return HttpResponse(
            "Send the token: Authorization: Bearer …\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"},
        )
    look()
    registry = _counted()
    registry.register(Figures())
    try:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    except (TypeError, ValueError):  # a version that is none, which prometheus-client compares all the same
        encode, content_type = choose_encoder("")
    return HttpResponse(encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"})


def _may_read(request: HttpRequest) -> bool:
    """Everybody, unless METRICS_TOKEN is set: then whoever has it."""
    token: str = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return not token or hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
