"""/metrics: what a web server counts, and how the library is."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from circulation.services import check_out, return_copy
from config.observability import figures, keeping, metrics
from events import consuming, heartbeats
from events.models import Consumer, Event, FailedMessage, Heartbeat, PendingEvent, Publication, Relay
from events.relay import NOTHING_LEFT, relay_pending
from integrations.partners.breaker import breaker_of
from integrations.partners.calling import Failure
from integrations.webhooks.models import Delivery
from reservations.models import Reservation
from tests.factories import (
    BookFactory,
    JobFactory,
    LoanFactory,
    MemberFactory,
    PartnerFactory,
    ReservationFactory,
    UserFactory,
    WebhookFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def librarian():
    client = APIClient(SERVER_NAME="localhost")
    client.force_authenticate(UserFactory(staff=True))
    return client


def counted(name, **labels):
    return metrics.COUNTED.get_sample_value(f"circdesk_{name}", labels) or 0


def test_a_request_is_counted_by_its_pattern_and_how_it_ended(http):
    book = BookFactory()
    of_a_title = {"route": "api/books/<id:book_id>/", "method": "GET"}
    before = (
        counted("requests_total", **of_a_title, status="200"),
        counted("requests_total", **of_a_title, status="404"),
    )
    timed = counted("request_duration_seconds_count", **of_a_title)

    http.get(f"/api/books/{book.pk}/")
    http.get(f"/api/books/{book.pk}")
    http.get("/api/books/999999/")

    assert counted("requests_total", **of_a_title, status="200") == before[0] + 2
    assert counted("requests_total", **of_a_title, status="404") == before[1] + 1
    assert counted("request_duration_seconds_count", **of_a_title) == timed + 3


def test_whatever_is_not_there_is_counted_as_one(http):
    nothing = {"route": "unmatched", "method": "GET", "status": "404"}
    strange = {"route": "unmatched", "method": "other", "status": "404"}
    before = counted("requests_total", **nothing), counted("requests_total", **strange)
    routes = len(metrics._known)

    for number in range(5):
        http.get(f"/api/nothing/{number}/")
        http.get(f"/nothing-{number}")
        http.generic(f"FETCH{number}", f"/nothing-{number}")

    assert (counted("requests_total", **nothing), counted("requests_total", **strange)) == (
        before[0] + 10,
        before[1] + 5,
    )
    assert len(metrics._known) <= routes + 2


def test_refusals_are_counted_by_their_code_also_those_in_a_batch(librarian):
    book, member = BookFactory(copies=1), MemberFactory(blocked=True)
    before = counted("refusals_total", code="COPY_NOT_ON_LOAN"), counted("refusals_total", code="MEMBER_BLOCKED")
    barcode = book.copies.get().barcode

    librarian.post("/api/circulation/return/", {"barcode": barcode})
    operations = [
        {"op": "return", "barcode": barcode},
        {"op": "checkout", "member_id": member.pk, "barcode": barcode},
    ]
    librarian.post("/api/circulation/batch/", {"operations": operations})

    assert counted("refusals_total", code="COPY_NOT_ON_LOAN") == before[0] + 2
    assert counted("refusals_total", code="MEMBER_BLOCKED") == before[1] + 1


def test_what_was_found_in_the_cache_is_counted_by_kind(http, monkeypatch):
    book = BookFactory()

    def reads():
        return [counted("cache_reads_total", kind="availability", result=result) for result in ("hit", "miss", "away")]

    hits, misses, away = reads()
    http.get(f"/api/books/{book.pk}/availability/")
    assert reads() == [hits, misses + 1, away]
    http.get(f"/api/books/{book.pk}/availability/")
    assert reads() == [hits + 1, misses + 1, away]
    monkeypatch.setattr("events.redis._away", True)
    monkeypatch.setattr("events.redis._silent_until", float("inf"))
    http.get(f"/api/books/{book.pk}/availability/")
    assert reads() == [hits + 1, misses + 1, away + 1]


def test_how_the_desk_is(scrape):
    now = timezone.now()
    LoanFactory(lent_at=now - timedelta(days=2), due_at=now + timedelta(days=2))
    LoanFactory(lent_at=now - timedelta(days=9), due_at=now - timedelta(days=2))
    LoanFactory(returned=True)
    popular = BookFactory()
    ReservationFactory.create_batch(3, book=popular)
    ReservationFactory()
    ReservationFactory(suspended=True)
    ReservationFactory(ready=True)
    ReservationFactory(cancelled=True)

    told = scrape()

    assert (told("loans_open"), told("loans_overdue"), told("longest_line")) == (2, 1, 3)
    assert told.by("state", "reservations") == {"waiting": 4, "suspended": 1, "ready": 1}


def test_what_happens_at_the_desk_is_counted_from_midnight(scrape):
    now = timezone.now()
    member, book = MemberFactory(), BookFactory(copies=1)
    barcode = book.copies.get().barcode
    Event.objects.create(kind="checkout", occurred_at=now - timedelta(days=1, minutes=1))  # yesterday's, or an import's
    Event.objects.create(kind="book.edited", occurred_at=now)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)

    for _ in range(3):
        check_out(member_id=member.pk, barcode=barcode, at=midnight)
        return_copy(barcode=barcode, at=midnight + timedelta(microseconds=1))

    told = scrape().by("kind", "desk_events_total")
    assert (told["checkout"], told["return"], told["renew"]) == (3, 3, 0)
    assert "book.edited" not in told


def test_what_was_found_is_told_again_for_a_few_seconds(http, scrape):
    assert scrape()("loans_open") == 0
    LoanFactory()

    assert b"circdesk_loans_open 0.0" in http.get("/metrics").content
    assert scrape()("loans_open") == 1


def test_how_far_the_relay_is_behind(scrape):
    now = timezone.now()
    relay_pending()
    told = scrape()
    assert (told("relay_pending"), told("relay_oldest_seconds")) == (0, 0)

    Event.objects.create(kind="member.edited", occurred_at=now - timedelta(seconds=90))
    Event.objects.create(kind="member.edited", occurred_at=now)
    told = scrape()
    assert told("relay_pending") == 2
    assert 90 <= told("relay_oldest_seconds") < 120

    PendingEvent.objects.all().delete()
    Relay.objects.update_or_create(pk=1, defaults={"numbered": 1, "published": 0})
    Publication.objects.create(position=1, event=Event.objects.earliest("pk"))
    told = scrape()
    assert (told("relay_pending"), told("relay_published")) == (1, 0)
    assert 90 <= told("relay_oldest_seconds") < 120


def test_what_is_imported_from_long_ago_has_not_waited_since_then(scrape):
    heartbeats.beat(NOTHING_LEFT)

    Event.objects.create(kind="checkout", occurred_at=timezone.now() - timedelta(days=4000))

    told = scrape()
    assert told("relay_pending") == 1
    assert told("relay_oldest_seconds") < 60
    assert NOTHING_LEFT not in told.by("process", "heartbeat_age_seconds")


def test_how_far_consumers_are_behind_and_what_they_gave_up(scrape):
    now = timezone.now()
    Relay.objects.update_or_create(pk=1, defaults={"numbered": 10, "published": 10})
    Consumer.objects.create(group="webhooks", position=7)
    failed = {"group": "webhooks", "message": {}, "error": "ValueError", "failed_at": now}
    FailedMessage.objects.create(position=1, **failed)
    FailedMessage.objects.create(position=2, retry_at=now, **failed)

    told = scrape()

    assert {group.name for group in consuming.groups} == {"notices", "webhooks"}
    assert told.by("group", "consumer_lag") == {"notices": 10, "webhooks": 3}
    assert told.by("group", "dead_letters") == {"notices": 0, "webhooks": 1}


def test_what_waits_for_workers_and_for_how_long(scrape):
    now = timezone.now()
    JobFactory(created_at=now - timedelta(seconds=70))
    JobFactory(state="running")
    due = {"type": "book.updated", "body": "{}", "due_at": now - timedelta(seconds=40)}
    Delivery.objects.create(subscription=WebhookFactory(), event_id=1, **due)
    hold = ReservationFactory(ready=True)
    Reservation.objects.filter(pk=hold.pk).update(shelf_until=now - timedelta(seconds=200))

    told = scrape()

    assert told.by("queue", "waiting") == {"jobs": 1, "mails": 0, "webhooks": 1, "partner reservations": 0}
    assert told("jobs_running") == 1
    late = told.by("queue", "oldest_due_seconds")
    assert {name: int(seconds // 10) for name, seconds in late.items()} == {
        "jobs": 7,
        "mails": 0,
        "webhooks": 4,
        "partner reservations": 0,
        "holds": 20,
    }


def test_partners_that_are_left_alone(scrape, http):
    silent, _, off = PartnerFactory(name="library 2"), PartnerFactory(name="library 3"), PartnerFactory(is_on=False)

    def fail():
        raise Failure("It answered 500.")

    for partner in (silent, off):
        for _ in range(3):
            with pytest.raises(Failure):
                breaker_of(partner).call(fail)

    assert scrape().by("partner", "partner_breaker", state="open") == {"library 2": 1, "library 3": 0}
    assert scrape().by("partner", "partner_breaker", state="closed") == {"library 2": 0, "library 3": 1}
    assert http.get("/health").json()["parts"]["partners"] == {
        "status": "degraded",
        "detail": "Left alone after failures: library 2.",
        "latency_ms": None,
    }


def test_connections_of_the_pool(scrape):
    metrics.look()

    told = scrape().by("state", "pool_connections", database="default")

    assert told["allowed"] == 16
    assert 0 < told["open"] <= 16
    assert told["waiting"] == 0


def test_what_the_log_kept_and_dropped(scrape):
    handler = keeping.DatabaseHandler(logging.WARNING, limit=2)
    before = scrape().by("result", "log_entries_total")
    for number in range(5):
        handler.handle(logging.LogRecord("circdesk", logging.WARNING, "desk.py", 1, f"Trouble {number}", (), None))
    handler.close()

    told = scrape().by("result", "log_entries_total")

    assert {result: told[result] - before[result] for result in told} == {"kept": 2, "dropped": 3}


def test_signs_of_life_are_told_with_their_age(scrape):
    heartbeats.beat("worker")
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=300))

    assert 300 <= scrape()("heartbeat_age_seconds", process="worker") < 360


def test_a_group_of_figures_that_fails_does_not_hide_the_others(scrape, monkeypatch, caplog):
    monkeypatch.setattr("config.observability.figures.Loan", None)

    told = scrape()

    assert told("loans_open") is None
    assert told("relay_pending") == 0
    assert [record.getMessage() for record in caplog.records if record.name == figures.logger.name] == [
        "Some figures cannot be told."
    ]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        ("Bearer ö", 401),
        ("Basic long-secret", 401),
        ("Bearer long-secret", 200),
    ],
)
def test_with_a_token_only_who_has_it_reads_metrics(http, settings, sent, status):
    settings.METRICS_TOKEN = "long-secret"

    response = http.get("/metrics", headers={"Authorization": sent} if sent else {})

    assert response.status_code == status
    if status == 401:
        assert response["WWW-Authenticate"] == "Bearer"
        assert b"circdesk" not in response.content
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
def test_those_who_watch_may_ask_by_any_name(http, path):
    assert http.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert http.get("/api/", headers={"Host": "10.0.0.7:8000"}).status_code == 400


@pytest.mark.parametrize(
    ("accepted", "begins"),
    [
        ("*/*", "text/plain; version="),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text;"),
        ("application/openmetrics-text; version=latest", "text/plain; version="),
        ("text/plain; version=x", "text/plain; version="),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(http, accepted, begins):
    assert http.get("/metrics", headers={"Accept": accepted})["Content-Type"].startswith(begins)
