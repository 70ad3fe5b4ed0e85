"""How the library and what it stands on are, for Prometheus: asked of PostgreSQL and Redis when somebody scrapes.

The same from every web server, so one takes the `max` of them, not the sum. Each group of questions takes a second at
most, and what was found is told again for a few seconds, so that scrapers cost nothing.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import Error, connection, connections, transaction
from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import RedisError

from circulation.models import Job, Loan
from config.observability import parts
from config.observability.probes import UNAVAILABLE, Probe, answers
from events import consuming, heartbeats
from events.models import OF_THE_DESK, Consumer, Event, FailedMessage, PendingEvent, Relay
from events.relay import NOTHING_LEFT
from integrations.notifications.models import Notice
from integrations.partners.breaker import breaker_states
from integrations.partners.models import PartnerReservation
from integrations.webhooks.models import Delivery, Subscription
from reservations.models import Reservation

logger = logging.getLogger(__name__)

KEPT = 5.0  # seconds that what was found is told again; scrapers come less often, so that no count of theirs goes back
PATIENCE = 1.5  # seconds for all groups together
MOST = 100_000  # rows that are counted of what waits; whoever has more of them knows enough
LIVE = ("waiting", "suspended", "ready")
STATES = ("closed", "half-open", "open", "unknown")


def gauge(name: str, text: str, values: Mapping[Any, float] | float, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    found = GaugeMetricFamily(f"circdesk_{name}", text, labels=tuple(labels))
    for key, value in (values if isinstance(values, Mapping) else {(): values}).items():
        found.add_metric(key, value)
    return found


def _build() -> Iterator[Metric]:
    about = (settings.SPECTACULAR_SETTINGS["VERSION"], settings.SERVICE, platform.python_version())
    yield gauge("build_info", "What runs here.", {about: 1}, ("version", "service", "python"))


def _parts() -> Iterator[Metric]:
    found = parts.all_parts()
    yield gauge(
        "up",
        "Whether a part that the service needs is there, as /health says.",
        {(name,): float(part.status != UNAVAILABLE) for name, part in found.items()},
        ["part"],
    )
    seconds = {(name,): part.latency_ms / 1000 for name, part in found.items() if part.latency_ms is not None}
    yield gauge("part_latency_seconds", "How long it took to answer.", seconds, ["part"])


def _desk() -> Iterator[Metric]:
    now = timezone.now()
    loans = Loan.objects.active().count()
    yield gauge("loans_open", "Copies on loan.", loans)
    yield gauge("loans_overdue", "Copies on loan whose due date has passed.", Loan.objects.overdue(now).count())
    live = Reservation.objects.filter(status__in=LIVE).order_by()
    by_state = dict(live.values_list("status").annotate(n=Count("pk")))
    yield gauge("reservations", "Live reservations.", {(state,): by_state.get(state, 0) for state in LIVE}, ["state"])
    lines = live.filter(status="waiting").values("book_id").annotate(n=Count("pk"))
    yield gauge(
        "longest_line",
        "How many wait for the title with the longest line.",
        lines.aggregate(longest=Max("n"))["longest"] or 0,
    )


def _today() -> Iterator[Metric]:
    """Begins anew at midnight, as Prometheus expects counters to at any time: so it is right in every process, after
    every restart, and whoever did it. Long counts of the past would change when it is imported."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    done = Event.objects.filter(kind__in=OF_THE_DESK, occurred_at__gte=midnight).order_by()
    counts = dict(done.values_list("kind").annotate(n=Count("pk")))
    found = CounterMetricFamily(
        "circdesk_desk_events",
        "What happened at the desk since midnight: checkout, return, reserve, …",
        labels=["kind"],
    )
    for kind in OF_THE_DESK:
        found.add_metric([kind.value], counts.get(kind.value, 0))
    yield found


def _events() -> Iterator[Metric]:
    relay = Relay.objects.first() or Relay()
    ages = heartbeats.ages()
    unnumbered = _count(PendingEvent.objects.all())
    yield gauge(
        "relay_pending", "Events that are still to be published.", unnumbered + relay.numbered - relay.published
    )
    yield gauge("relay_published", "The last position that everybody was told of.", relay.published)
    yield gauge("relay_oldest_seconds", "For how long the oldest of them has waited.", _oldest_event(relay, ages))
    yield gauge(
        "heartbeat_age_seconds",
        "How long ago a process that nobody asks anything was heard of.",
        {(name,): age for name, age in ages.items() if name != NOTHING_LEFT},
        ["process"],
    )
    positions = dict(Consumer.objects.values_list("group", "position"))
    lag = {
        (group.name,): float(max(0, relay.published - (positions.get(group.name) or 0)))
        for group in consuming.groups
        if not group.stream.service
    }
    yield gauge("consumer_lag", "How many messages a consumer has still to handle.", lag, ["group"])
    dead = dict(FailedMessage.objects.filter(retry_at=None).values_list("group").annotate(n=Count("pk")))
    letters = {(group.name,): float(dead.get(group.name, 0)) for group in consuming.groups}
    yield gauge("dead_letters", "Messages that a consumer could not handle and gave up.", letters, ["group"])


def _oldest_event(relay: Relay, ages: Mapping[str, float]) -> float:
    """By when it happened; but what is imported happened long ago, and nothing waits for longer than since the relay
    had nothing left to do."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT extract(epoch FROM now() - occurred_at)::float FROM events_event WHERE id = coalesce(
                (SELECT event_id FROM events_publication WHERE position > %s ORDER BY position LIMIT 1),
                (SELECT min(event_id) FROM events_pendingevent))
            """,
            [relay.published],
        )
        found = cursor.fetchone()
    return max(0.0, min(found[0], ages.get(NOTHING_LEFT, found[0]))) if found else 0.0


def _other_service() -> Iterator[Metric]:
    """Of two services: how much of the other one's is still to be taken over."""
    theirs = [group for group in consuming.groups if group.stream.service]
    lag = {(group.stream.service,): float(parts.changes_behind(group.stream, group.name)) for group in theirs}
    yield gauge("other_service_lag", "Changes of the other service that are still to be taken over.", lag, ["service"])


def _queues() -> Iterator[Metric]:
    now = timezone.now()
    queued = Job.objects.filter(state=Job.State.QUEUED)
    mails = Notice.objects.filter(state=Notice.State.QUEUED)
    webhooks = Delivery.objects.filter(state=Delivery.State.WAITING)
    elsewhere = PartnerReservation.objects.filter(next_try_at__isnull=False)
    waiting = {
        ("jobs",): _count(queued),
        ("mails",): _count(mails),
        ("webhooks",): _count(webhooks),
        ("partner reservations",): _count(elsewhere),
    }
    yield gauge("waiting", "What waits for a worker, or for its next attempt.", waiting, ["queue"])
    holds = Reservation.objects.filter(status=Reservation.Status.READY)
    due = {
        "jobs": _first(queued, "created_at"),
        "mails": _first(mails, "due_at"),
        "webhooks": _first(webhooks, "due_at"),
        "partner reservations": _first(elsewhere, "next_try_at"),
        "holds": _first(holds, "shelf_until"),
    }
    late = {(name,): max(0.0, (now - moment).total_seconds()) if moment else 0.0 for name, moment in due.items()}
    yield gauge("oldest_due_seconds", "For how long what should have been done first is due.", late, ["queue"])
    running = Job.objects.filter(state=Job.State.RUNNING).count()
    yield gauge("jobs_running", "Imports, exports and other long work that a worker is at.", running)
    yield gauge(
        "mails_failed",
        "Mails that could not be sent, of the last 90 days.",
        _count(Notice.objects.filter(state=Notice.State.FAILED)),
    )
    lost = Delivery.objects.filter(created_at__gte=now - timedelta(days=2), state=Delivery.State.FAILED)
    yield gauge("webhooks_dead", "Deliveries of the last two days that were given up.", _count(lost))
    failing = Subscription.objects.filter(active=True, failing_since__isnull=False).count()
    yield gauge("webhooks_failing", "Webhooks whose last delivery failed.", failing)


def _partners() -> Iterator[Metric]:
    """Every state of every partner, so that what it is not is told as well."""
    found = {
        (one.partner.name, state): float(one.state == state)
        for one in breaker_states()
        if one.partner.is_on
        for state in STATES
    }
    yield gauge("partner_breaker", "Whether a partner library is left alone: open.", found, ["partner", "state"])


def _replica() -> Iterator[Metric]:
    """Behind by the time of what it has last; 0 while it has everything that came."""
    text = "How far the replica of the database is behind."
    if parts.REPLICA not in settings.DATABASES:
        yield gauge("replica_lag_seconds", text, {})
        return
    with connections[parts.REPLICA].cursor() as cursor:
        cursor.execute(
            """
            SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float END
            """
        )
        [lag] = cursor.fetchone()
    if lag is not None:
        yield gauge("replica_lag_seconds", text, lag)


def _count(rows: QuerySet) -> int:  # type: ignore[type-arg]
    """How many there are, up to MOST."""
    return rows.order_by()[:MOST].count()


def _first(rows: QuerySet, moment: str) -> datetime | None:  # type: ignore[type-arg]
    found: datetime | None = rows.order_by().aggregate(first=Min(moment))["first"]
    return found


def _asked(group: Callable[[], Iterator[Metric]]) -> Callable[[], list[Metric]]:
    """In a second at most; nothing, when PostgreSQL or Redis does not answer."""

    def ask() -> list[Metric]:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL statement_timeout = '1s'")
                return list(group())
        except (Error, RedisError, OSError):
            return []
        except Exception:  # a defect; the rest is told
            logger.exception("Some figures cannot be told.")
            return []

    return ask


GROUPS = (_desk, _today, _events, _queues, _partners, _other_service, _replica)
_PROBES = [Probe(_asked(group)) for group in GROUPS]


def _found() -> list[Metric]:
    begun = time.monotonic()
    found = [*_build(), *_parts()]
    if any(metric.name == "circdesk_up" and _is_up(metric, "database") for metric in found):
        for metrics in answers(_PROBES, patience=PATIENCE):
            found += metrics or []
    found.append(gauge("figures_seconds", "How long all this took to find out.", time.monotonic() - begun))
    return found


def _is_up(metric: Metric, part: str) -> bool:
    return any(sample.labels["part"] == part and sample.value for sample in metric.samples)


_ALL = Probe(_found)


class Figures(Collector):
    """Everything above, no older than KEPT."""

    _last: tuple[float, list[Metric]] = (float("-inf"), [])

    def collect(self) -> Iterable[Metric]:
        at, found = Figures._last
        if time.monotonic() > at + KEPT:
            found = _ALL.begin().result()
            Figures._last = time.monotonic(), found
        return found

    def describe(self) -> Iterable[Metric]:
        return []


def forget() -> None:
    """Ask anew."""
    Figures._last = (float("-inf"), [])
