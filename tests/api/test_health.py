"""/health, /health/live and /health/ready, and what the API answers while something is away."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.cache import caches
from django.db import connection

from accounts.lookups import account
from circulation.models import Loan
from events import redis
from events.operations import operation
from tests.api.asking import data_of, error_of, message_of
from tests.api.signing import signed_in, with_key
from tests.events.desks import OtherDesk
from tests.factories import BookFactory, MemberFactory, UserFactory

NOBODY_LISTENS = "127.0.0.1:1"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_alive_and_ready(anyone, path):
    response = anyone.get(path)

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.fixture
def without_cache(settings, monkeypatch):
    """Redis is away, and nobody knows it yet."""
    default = settings.CACHES["default"]
    settings.CACHES = {"default": default | {"LOCATION": f"redis://{NOBODY_LISTENS}/0"}}
    monkeypatch.setattr(redis, "_silent_until", 0.0)
    yield
    caches["default"].close()


@pytest.mark.django_db
def test_without_its_cache_the_service_is_degraded_but_ready(anyone, without_cache):
    response = anyone.get("/health")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["parts"]["cache"] | {"latency_ms": 0} == {
        "status": "unavailable",
        "detail": "It does not answer.",
        "latency_ms": 0,
    }
    assert anyone.get("/health/ready").status_code == 200


@pytest.mark.django_db
def test_without_its_cache_every_answer_is_the_same(api, without_cache):
    book, member = BookFactory(copies=1), MemberFactory()

    assert data_of(api.get(f"/api/books/{book.pk}/"))["available"] == 1
    assert [row["available"] for row in data_of(api.get("/api/books/"))["results"]] == [1]
    sent = {"member_id": member.pk, "book_id": book.pk}
    data_of(api.post("/api/circulation/checkout/", sent, HTTP_IDEMPOTENCY_KEY="k"), 201)
    assert data_of(api.get(f"/api/books/{book.pk}/availability/"))["available"] == 0
    assert message_of(api.delete(f"/api/books/{BookFactory(title='Emma').pk}/")) == "“Emma” withdrawn."


def test_without_its_database_the_service_says_so():
    """In a process of its own, so that the pool of connections is a new one."""
    place = connection.settings_dict
    url = f"postgresql://{place['USER']}@{NOBODY_LISTENS}/{place['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "OPEN_DESK": "true", "OPEN_DESK_I_UNDERSTAND": "true"}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "x" * 32,
        "REDIS_URL": f"redis://{NOBODY_LISTENS}",
        "EVENTS_REDIS_URL": f"redis://{NOBODY_LISTENS}",
    }

    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-m", "tests.api.without"], cwd=root, env=environment, capture_output=True)

    assert ran.returncode == 0, ran.stderr.decode()
    answers = {request: (status, headers, body) for request, status, headers, body in json.loads(ran.stdout)}
    assert {request: status for request, (status, _, _) in answers.items()} == {
        "GET /health": 503,
        "GET /health/live": 200,
        "GET /health/ready": 503,
        "GET /metrics": 200,
        "GET /api/": 200,
        "GET /api/books/": 503,
        "GET /api/books/1/": 503,
        "GET /api/books/1/availability/": 503,
        "GET /api/loans/": 503,
        "POST /api/circulation/return/": 503,
    }
    assert answers["GET /health"][2]["status"] == "unavailable"
    assert {name: part["status"] for name, part in answers["GET /health"][2]["parts"].items()} == {
        "database": "unavailable",
        "cache": "unavailable",
        "stream": "unavailable",
        "broker": "unavailable",
        **dict.fromkeys(["worker", "beat", "relay", "webhooks", "consumers", "partners"], "unavailable"),
    }
    assert 'circdesk_up{part="database"} 0.0\n' in answers["GET /metrics"][2]
    assert "circdesk_loans_open" not in answers["GET /metrics"][2]
    assert answers["GET /health/ready"][2] == {"status": "unavailable"}
    for request in ("GET /api/books/", "GET /api/loans/", "POST /api/circulation/return/"):
        _, headers, body = answers[request]
        assert headers["Retry-After"] == "1"
        assert body == {
            "success": False,
            "error": {
                "message": "The database does not answer. Please try again in a moment.",
                "code": "DATABASE_UNAVAILABLE",
                "details": None,
                "status_code": 503,
            },
        }


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_is_replaced(api):
    """As after a restart of PostgreSQL: what was not yet done is done on a new connection, and only once."""
    book, member = BookFactory(copies=1), MemberFactory()
    sent = {"member_id": member.pk, "book_id": book.pk}

    die()
    data_of(api.post("/api/circulation/checkout/", sent), 201)
    assert Loan.objects.count() == 1

    die()
    error_of(api.get("/api/loans/"), 503, "DATABASE_UNAVAILABLE")
    assert len(data_of(api.get("/api/loans/"))["results"]) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("credential", ["token", "key"])
def test_who_presents_a_credential_does_not_notice_a_restart(credential):
    user = UserFactory(admin=True)
    client = signed_in(user) if credential == "token" else with_key(user, "circulation:read")

    for _ in range(2):
        end_pooled_connections()
        data_of(client.get("/api/loans/"))


@pytest.mark.django_db(transaction=True)
def test_inside_an_operation_it_is_the_operation_that_begins_again():
    user = UserFactory()
    asked = []

    @operation
    def ask_through_a_restart():
        asked.append(user.pk)
        if len(asked) == 1:
            die()
        return account(user.pk)

    assert ask_through_a_restart() == user

    assert len(asked) == 2


def end_pooled_connections():
    """As a restart of PostgreSQL leaves them: this thread's, and others that wait in the pool."""
    waiting = [connection.copy() for _ in range(3)]
    for other in [connection, *waiting]:
        other.ensure_connection()
    for other in waiting:
        other.close()
    with OtherDesk() as outside:
        outside.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def die():
    """Ends this thread's connection from another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 1000)", pid)
    other.close()
