"""Each request has a number and a line, which say what became of it and nothing about people."""

import logging
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.keys import create_key
from config.observability import requests as observed
from tests.factories import BookFactory, UserFactory

pytestmark = pytest.mark.django_db

REQUESTS = "config.observability.requests"


@pytest.fixture(autouse=True)
def _nothing_cached():
    cache.clear()


def test_a_request_is_one_line_with_all_that_an_operator_asks(client, lines, librarian_key):
    response = client.get(
        "/api/members?search=Lovelace&limit=5", HTTP_X_API_KEY=librarian_key.text, HTTP_X_REQUEST_ID="desk-1.7_a"
    )

    assert response["X-Request-ID"] == "desk-1.7_a"
    [line] = lines.of(REQUESTS)
    assert line["duration_ms"] > 0
    assert line["queries"] > 1
    del line["time"], line["duration_ms"], line["queries"]
    assert line == {
        "level": "info",
        "logger": REQUESTS,
        "message": "GET api/members/ 200",
        "request_id": "desk-1.7_a",
        "route": "api/members/",
        "user": librarian_key.owner_id,
        "key": librarian_key.pk,
        "method": "GET",
        "status": 200,
        "parameters": ["limit", "search"],
    }


@pytest.mark.parametrize(
    "query", ["Ada%20Lovelace", "search=Ada&%20Lovelace", "ada%40example.org=1", "search=a&Lovelace"]
)
def test_what_was_looked_for_is_not_told_however_the_query_is_written(client, lines, query):
    client.get(f"/api/books?{query}")

    [line] = lines.of(REQUESTS)
    assert set(line.get("parameters", [])) <= {"search"}
    assert "ovelace" not in str(line)
    assert "example.org" not in str(line)


@pytest.fixture
def librarian_key():
    key, text = create_key(owner=UserFactory(staff=True), name="desk", scopes=["members:read"])
    key.text = text
    return key


@pytest.mark.parametrize("asked", ["", "x" * 65, "a b", "a\n", "ä", "<script>"])
def test_a_number_that_is_none_is_replaced(client, asked):
    numbers = {client.get("/health/live", HTTP_X_REQUEST_ID=asked)["X-Request-ID"] for _ in range(2)}

    assert len(numbers) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", number) for number in numbers)


def test_whoever_signed_in_to_the_admin_is_told_by_number(client, lines):
    admin = UserFactory(is_superuser=True, is_staff=True)
    client.force_login(admin)

    client.get("/admin/")

    [line] = lines.of(REQUESTS)
    assert (line["user"], line["route"], line["status"]) == (admin.pk, "admin/", 200)


@pytest.mark.parametrize(
    ("path", "status", "refusal", "route"),
    [
        ("/api/members/", 401, "NOT_AUTHENTICATED", "api/members/"),
        ("/api/books/999/", 404, "BOOK_NOT_FOUND", "api/books/<id:book_id>/"),
        ("/api/nowhere/Ada", 404, "NOT_FOUND", "^(api|reserve|status|daia)/"),
        ("/Ada", 404, "NOT_FOUND", ""),
    ],
)
def test_a_refusal_is_told_by_its_code_and_where_by_its_route(client, lines, path, status, refusal, route):
    client.get(path)

    [line] = lines.of(REQUESTS)
    assert (line["status"], line["refusal"], line["route"]) == (status, refusal, route)
    assert "Ada" not in str(line)


def test_an_unknown_host_has_its_line_too(client, lines):
    response = client.get("/api/books/", HTTP_HOST="evil.example.org")

    assert response.status_code == 400
    assert response["X-Request-ID"] == lines.of(REQUESTS)[0]["request_id"]


def test_probes_are_told_when_debugging_only(client, lines):
    client.get("/health/ready")

    assert [(line["level"], line["route"]) for line in lines.of(REQUESTS)] == [("debug", "health/ready")]


def test_every_statement_is_counted(client, lines):
    book = BookFactory()
    client.get(f"/api/books/{book.pk}/availability/")  # what is remembered between requests
    lines.written.clear()

    client.get(f"/api/books/{book.pk}/availability/")
    with CaptureQueriesContext(connection) as asked:
        client.get("/api/members/1/")  # nobody may: nothing is asked
        client.get("/api/books/?search=emma")

    assert [line["queries"] for line in lines.of(REQUESTS)] == [0, 0, len(asked)]
    assert len(asked) > 1


def test_what_is_slow_is_a_warning_that_names_it(client, lines, settings):
    settings.SLOW_REQUEST_MS = settings.SLOW_QUERY_MS = 0

    client.get("/api/books/?search=emma", HTTP_X_REQUEST_ID="slow")

    *queries, request = lines.of(REQUESTS)
    assert request["message"] == "Slow request: GET api/books/ 200"
    assert queries
    for line in [*queries, request]:
        assert (line["level"], line["request_id"], line["route"]) == ("warning", "slow", "api/books/")
    assert all(line["message"].startswith("Slow query: ") for line in queries)
    assert any("FROM library_book" in line["sql"].replace('"', "") for line in queries)
    assert "emma" not in str(queries)


def test_statements_are_told_without_their_values(lines):
    with connection.execute_wrapper(observed.Queries(0)), connection.cursor() as cursor:
        cursor.execute("SELECT\n  %s::text, 'it''s Ada'", ["Lovelace"])

    [line] = lines.of(REQUESTS)
    assert line["sql"] == "SELECT %s::text, '?'"


def test_a_defect_is_told_with_its_trace_and_without_what_variables_held(client, lines, monkeypatch):
    def broken(*_, **__):
        reader = "Lovelace"
        raise ZeroDivisionError(f"of {reader.lower()}@example.org")

    monkeypatch.setattr("config.observability.parts.database", broken)
    client.raise_request_exception = False

    response = client.get("/health/ready", HTTP_X_REQUEST_ID="broken")

    assert response.status_code == 500
    [told] = lines.of("django.request")
    assert told["request_id"] == "broken"
    [error] = told["exception"]
    assert (error["exc_type"], error["exc_value"]) == ("ZeroDivisionError", "of [redacted]")
    assert [frame["name"] for frame in error["frames"]][-1] == "broken"
    assert all(set(frame) == {"filename", "lineno", "name"} for frame in error["frames"])
    assert "Lovelace" not in str(lines.written)


def test_nothing_is_known_of_a_request_after_it(client, lines):
    client.get("/health/live", HTTP_X_REQUEST_ID="first")
    logging.getLogger("tests").warning("after it")

    assert "request_id" not in lines.of("tests")[0]


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_lines_can_be_read_by_people(client, lines):
    client.get("/api/books/?search=Ada", HTTP_X_REQUEST_ID="read")

    [line] = [line for line in lines.written if REQUESTS in line]
    beginning, said = line.split(f" [{REQUESTS}] ")
    assert re.fullmatch(r"\S+Z \[info     \] GET api/books/ 200", beginning)
    told = dict(word.split("=") for word in said.split())
    assert float(told.pop("duration_ms")) > 0
    assert int(told.pop("queries")) > 0
    assert told == {
        "request_id": "read",
        "route": "api/books/",
        "method": "GET",
        "status": "200",
        "parameters": "['search']",
    }
