"""What a web server of granian and a worker of Celery write, keep, and tell the collectors of traces and of errors."""

import gzip
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from types import SimpleNamespace

import psycopg
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from accounts.keys import create_key
from circulation.simulation.own_database import own_database
from integrations.logbook.models import Entry
from integrations.partners.models import Partner
from tests.factories import BookFactory, UserFactory
from tests.servers import own_valkey
from tests.simulation.service import url_of, web_server
from tests.waiting import until
from tests.webhooks.receiving import Receiver, answering

PATIENCE = 60  # seconds, for a slow machine
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PASSWORD = "correct horse battery"  # in what is sent, so that it could be told


@pytest.fixture(scope="module")
def desk(django_db_setup, django_db_blocker, tmp_path_factory):
    """A library with a collector for both, and a partner that says nothing useful."""
    log = tmp_path_factory.mktemp("served") / "log"
    with django_db_blocker.unblock(), ExitStack() as stack:
        collector = stack.enter_context(Receiver(answering(200)))
        partner = stack.enter_context(Receiver(answering(404, b"{}")))
        valkey = stack.enter_context(own_valkey(durable=False))
        database = stack.enter_context(own_database(workers=1))
        written = stack.enter_context(log.open("ab"))
        variables = {
            "REDIS_URL": valkey.url(db=1),
            "EVENTS_REDIS_URL": valkey.url(db=2),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "",
            "LOG_DAYS": "30",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "SENTRY_DSN": f"http://public@127.0.0.1:{collector.port}/1",
        }
        url, _ = stack.enter_context(web_server(database, log=written, **variables))
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "--app=config.celery", "worker", "--concurrency=1", "--without-mingle"],
            env=os.environ | variables | {"DATABASE_URL": url_of(database), "CACHE_KEY_PREFIX": database},
            stdout=subprocess.DEVNULL,
            stderr=written,
        )
        try:
            Partner.objects.create(name="library 2", base_url=f"http://127.0.0.1:{partner.port}", allows_private=True)
            yield SimpleNamespace(url=url, log=log, collector=collector, partner=partner, database=database)
        finally:
            worker.terminate()
            worker.wait(PATIENCE)


@pytest.fixture(autouse=True)
def _unblocked(django_db_blocker):
    with django_db_blocker.unblock():
        yield


def lines(desk, **wanted):
    """Those of the log that say this."""
    said = [json.loads(line) for line in desk.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in said if wanted.items() <= line.items()]


def content(received):
    return gzip.decompress(received.body) if received.headers.get("Content-Encoding") == "gzip" else received.body


def spans(desk, trace_id=TRACE):
    """Those of a trace, by name, with their attributes."""
    found = []
    for received in list(desk.collector.received):
        if received.target == "/v1/traces":
            body = content(received)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                [name] = [
                    pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"
                ]
                assert name == "circdesk"
                found += [span for scope in resource.scope_spans for span in scope.spans]
    return [span for span in found if span.trace_id.hex() == trace_id]


def told(span):
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


def named(desk, name):
    return [told(span) for span in spans(desk) if span.name == name]


def test_one_trace_has_the_request_its_statements_redis_the_task_and_the_partner(desk):
    book = BookFactory(isbn="9780141439587")
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "walk"}

    answer = requests.get(
        f"{desk.url}/api/books/{book.pk}/availability/?partners=true", headers=headers, timeout=PATIENCE
    )
    assert answer.status_code == 200
    _, key = create_key(owner=UserFactory(admin=True), name="night", scopes=["admin"])
    asked = requests.post(
        f"{desk.url}/api/exports/", json={"format": "csv"}, headers=headers | {"X-API-Key": key}, timeout=PATIENCE
    )
    assert asked.status_code == 202

    until(lambda: named(desk, "run/circulation.jobs.tasks.run_job"))
    [request] = named(desk, "GET api/books/<id:book_id>/availability/")
    assert request == {
        "http.request.method": "GET",
        "http.route": "api/books/<id:book_id>/availability/",
        "http.response.status_code": 200,
        "request_id": "walk",
        "refusal": 0,
    }
    statements = [told(span)["db.statement"] for span in spans(desk) if "db.statement" in told(span)]
    assert any('FROM "library_book"' in statement for statement in statements)
    assert any(statement.startswith("MGET ?") for statement in statements)
    [asked] = [about for about in named(desk, "GET") if "http.url" in about or "url.full" in about]
    assert str(desk.partner.port) in str(asked)
    assert "9780141439587" not in str(spans(desk))
    assert "127.0.0.1" not in str(request)
    [heard] = desk.partner.received[:1]
    assert heard.headers["traceparent"].split("-")[1] == TRACE
    assert heard.headers["X-Request-ID"] == "walk"


def test_the_lines_of_a_request_name_its_trace(desk):
    [line] = until(lambda: lines(desk, request_id="walk", message="GET api/books/<id:book_id>/availability/ 200"))

    assert line["trace_id"] == TRACE
    assert line["duration_ms"] > 0


def test_a_defect_is_in_the_log_the_database_and_sentry_with_its_number_and_nothing_else(desk):
    _, key = create_key(owner=UserFactory(staff=True), name="desk", scopes=["members:read"])
    with psycopg.connect(url_of(desk.database)) as connection:
        connection.execute("ALTER TABLE library_member RENAME TO library_member_gone")
    answer = requests.get(
        f"{desk.url}/api/members/?search=Lovelace&email=ada@example.org",
        headers={"X-API-Key": key, "X-Request-ID": "defect", "Cookie": f"sessionid={PASSWORD}"},
        timeout=PATIENCE,
    )
    with psycopg.connect(url_of(desk.database)) as connection:
        connection.execute("ALTER TABLE library_member_gone RENAME TO library_member")

    assert answer.status_code == 500, answer.text
    [line] = until(lambda: lines(desk, request_id="defect", level="error"))
    assert line["logger"] == "django.request"
    assert line["exception"][0]["exc_type"] == "ProgrammingError"
    entry = until(lambda: Entry.objects.filter(request_id="defect").first())
    assert (entry.level, entry.logger, entry.route) == (Entry.Level.ERROR, "django.request", "api/members/")
    assert entry.trace.startswith("Traceback")
    [report] = until(lambda: [r for r in desk.collector.received if r.target.startswith("/api/1/envelope")])
    body = content(report)
    [event] = [json.loads(part) for part in body.splitlines() if b'"exception"' in part]
    assert event["exception"]["values"][-1]["type"] == "ProgrammingError"
    assert event["tags"] == {"request_id": "defect", "route": "api/members/"}
    assert event["request"] == {"method": "GET"}
    everything = desk.log.read_text() + body.decode() + entry.trace + entry.message
    for secret in ("Lovelace", "ada@example.org", key, PASSWORD, "vars"):
        assert secret not in everything
