"""/health: each part by itself, whatever is away, and soon."""

import os
import signal
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from django.core.cache import caches
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from config.celery import app
from config.embedded import for_celery
from config.observability import parts
from config.observability.probes import Probe, answers
from events import consuming, heartbeats
from events.models import Consumer, Heartbeat
from events.relay import look_after_streams, relay_pending
from events.stream import Extent, Stream
from events.tasks import show_life
from tests.servers import own_valkey

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ["database", "cache", "stream", "broker", "worker", "beat", "relay", "webhooks", "consumers", "partners"]


@pytest.fixture
def all_at_work():
    """As their processes leave it."""
    show_life()
    for name in ("beat", "relay", "webhooks"):
        heartbeats.beat(name)
    held = timezone.now() + timedelta(seconds=10)
    Consumer.objects.bulk_create(Consumer(group=group.name, position=0, held_until=held) for group in consuming.groups)
    relay_pending()
    look_after_streams()


@pytest.fixture(scope="module")
def valkey():
    with own_valkey(durable=False) as server:
        yield server


@pytest.fixture
def paused(valkey, settings, monkeypatch):
    """A Redis that takes connections and says nothing, in place of ours."""
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": valkey.url(db=1)}}
    settings.EVENTS_REDIS_URL = valkey.url(db=2)
    monkeypatch.setattr(app.conf, "broker_write_url", for_celery(valkey.url(db=2)))
    process = redis.Redis.from_url(valkey.url(db=1)).info("server")["process_id"]

    @contextmanager
    def pause():
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    yield pause
    caches["default"].close()


def told(http, status=200):
    response = http.get("/health")
    assert response.status_code == status
    return response.json()


def test_all_is_well(http, all_at_work):
    body = told(http)

    found = body.pop("parts")
    assert body == {"status": "ok", "service": "all", "version": "1.0.0"}
    assert {name: part["status"] for name, part in found.items()} == dict.fromkeys(NAMES, "ok")
    assert [name for name in NAMES if found[name]["latency_ms"] is not None] == [
        "database",
        "cache",
        "stream",
        "broker",
    ]
    assert found["worker"]["detail"].startswith("Heard of ")


def test_where_nobody_was_at_work_yet_the_desk_works(http):
    body = told(http)

    assert body["status"] == "degraded"
    assert body["parts"]["worker"] == {
        "status": "unavailable",
        "detail": "Nothing was heard of it yet. Lines beside free copies are not served, mails and jobs wait.",
        "latency_ms": None,
    }
    assert body["parts"]["consumers"]["detail"] == "Nobody is at work for: notices, webhooks."
    assert http.get("/health/ready").status_code == 200


@pytest.mark.parametrize(("name", "seconds"), [("worker", 120), ("beat", 60), ("relay", 60), ("webhooks", 60)])
def test_a_process_that_is_silent_for_long_is_missed(http, scrape, all_at_work, name, seconds):
    Heartbeat.objects.filter(name=name).update(at=timezone.now() - timedelta(seconds=seconds - 20))
    assert told(http)["status"] == "ok"

    Heartbeat.objects.filter(name=name).update(at=timezone.now() - timedelta(seconds=seconds + 1))

    body = told(http)
    assert body["status"] == "degraded"
    assert {part for part, found in body["parts"].items() if found["status"] != "ok"} == {name}
    assert body["parts"][name]["detail"].startswith("Heard of ")
    assert scrape()("up", part=name) == 0


def test_a_consumer_that_nobody_is_at_work_for_is_named(http, all_at_work):
    Consumer.objects.filter(group="notices").update(held_until=timezone.now() - timedelta(seconds=1))

    assert told(http)["parts"]["consumers"] == {
        "status": "unavailable",
        "detail": "Nobody is at work for: notices.",
        "latency_ms": None,
    }


def test_while_redis_says_nothing_the_answer_comes_and_says_so(http, scrape, all_at_work, paused):
    with paused():
        body = told(http)
        metrics = scrape()
        assert http.get("/health/ready").status_code == 200

    assert body["status"] == "degraded"
    found = body["parts"]
    assert found["database"]["status"] == found["worker"]["status"] == "ok"
    assert (found["cache"]["status"], found["cache"]["detail"]) == ("unavailable", "It does not answer.")
    # Whoever reads the stream waits five seconds for it. Nobody does here.
    late = {"status": "unavailable", "detail": "It did not answer within 1 s.", "latency_ms": 1000}
    assert found["stream"] == late
    assert found["broker"]["status"] == "unavailable"
    assert (found["partners"]["status"], found["partners"]["detail"]) == ("ok", "There are none.")
    assert metrics.by("part", "up") == {
        **dict.fromkeys(NAMES, 1),
        **dict.fromkeys(["cache", "stream", "broker"], 0),
    }
    assert metrics("loans_open") == 0


def test_without_the_tables_that_the_code_needs_it_is_not_ready(http, monkeypatch):
    monkeypatch.setattr(parts.migrations, "are_applied", False)
    recorder = MigrationRecorder(connection)
    [newest] = MigrationLoader(connection).graph.leaf_nodes("events")
    recorder.record_unapplied(*newest)
    try:
        assert http.get("/health/ready").status_code == 503
        body = told(http, 503)
    finally:
        recorder.record_applied(*newest)

    assert (body["status"], body["parts"]["database"]["detail"]) == (
        "unavailable",
        "Migrations are missing. Run manage.py migrate.",
    )
    assert http.get("/health/ready").status_code == 200


def test_of_two_services_the_other_one_is_known_by_its_stream(http, settings, all_at_work):
    settings.SERVICE = "public"
    settings.KEY_PREFIX_OF = settings.KEY_PREFIX_OF | {"admin": f"{settings.KEY_PREFIX_OF['all']}-of-admin"}
    stream = Stream("rows", service="admin")
    stream.remove()

    def other():
        found = told(http)["parts"]["other service"]
        return found["status"], found["detail"]

    assert other() == ("degraded", "Nothing was heard of it for a minute. What it changes meanwhile comes later.")
    stream.tell(Extent(oldest=1, published=30))
    assert other() == ("ok", "")
    Consumer.objects.create(group="store", position=20)
    stream.tell(Extent(oldest=1, published=5020))
    assert other() == ("degraded", "5000 of its changes are still to be taken over.")
    stream.remove()


def test_nothing_says_where_anything_is(http, all_at_work):
    text = http.get("/health").content.decode()

    assert not [word for word in ("postgres", "redis", "127.0.0.1", "sock", "/tmp", "password") if word in text.lower()]


def test_a_question_is_asked_once_at_a_time():
    asked = threading.Semaphore(0)
    go_on = threading.Event()

    def ask():
        asked.release()
        assert go_on.wait(30)
        return "yes"

    probe = Probe(ask)
    assert answers([probe, probe], patience=0.01) == [None, None]
    waiting = probe.begin()
    go_on.set()

    assert waiting.result(30) == "yes"
    assert asked.acquire(timeout=0)
    assert not asked.acquire(timeout=0)
    assert answers([probe], patience=30) == ["yes"]
    assert asked.acquire(timeout=0)


def test_a_question_without_an_answer_is_asked_anew_after_a_while(monkeypatch):
    go_on = threading.Event()
    asked = iter([lambda: go_on.wait(30), lambda: "yes"])
    probe = Probe(lambda: next(asked)())
    assert answers([probe], patience=0.01) == [None]
    monkeypatch.setattr("config.observability.probes.GIVEN_UP", 0)

    assert answers([probe], patience=30) == ["yes"]
    go_on.set()


def test_signs_of_life_are_written_now_and_then(django_assert_num_queries):
    with django_assert_num_queries(1):
        for _ in range(3):
            heartbeats.beat("relay")

    assert list(heartbeats.ages()) == ["relay"]
