"""What one hears, from a process of its own that granian runs, with a relay at work."""

import http.client
import signal

import psutil
import pytest
import requests
from django.db import connection

from tests.live.listening import PATIENCE, live_server
from tests.waiting import until

MANY = 500


def test_whoever_connects_hears_the_present_numbers_and_then_each_change(desk, listen):
    book = desk.add(copies=2)
    listener = listen(desk.live, book)

    assert (listener.status, listener.answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert listener.block() == ["retry: 2000"]
    assert listener.numbers() == desk.availability(book)
    desk.lend(book)
    assert listener.numbers() == desk.availability(book)
    assert desk.availability(book)["available"] == 1
    desk.lend(book)
    assert listener.numbers()["available"] == 0


def test_proxies_are_told_to_keep_nothing_back(desk, listen):
    listener = listen(desk.live, desk.add(), **{"Accept-Encoding": "gzip, br"})

    headers = listener.answer.headers
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["Content-Encoding"] is headers["ETag"] is None
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_what_changed_between_two_connections_is_heard_at_once(desk, listen):
    book = desk.add(copies=3)
    listener = listen(desk.live, book)
    first = listener.numbers()
    listener.leave()
    desk.lend(book)

    again = listen(desk.live, book, last=first["version"])

    assert again.block() == ["retry: 2000"]
    assert again.numbers()["available"] == 2


def test_who_knows_the_present_numbers_is_told_only_that_the_line_stands(desk, listen):
    book = desk.add(copies=2)
    known = desk.availability(book)["version"]

    listener = listen(desk.live, book, last=known)

    assert listener.block() == ["retry: 2000"]
    assert listener.block() == [": still here"]
    desk.lend(book)
    assert listener.numbers()["available"] == 1  # and nothing before that


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "²", "9" * 40, "0"])
def test_what_can_be_no_version_is_ignored(desk, listen, last):
    listener = listen(desk.live, desk.add(), last=last.encode())

    assert listener.numbers()["available"] == 1


def test_a_version_that_is_yet_to_come_is_no_reason_for_silence(desk, listen):
    book = desk.add()
    listener = listen(desk.live, book, last=desk.availability(book)["version"] + 1000)

    assert listener.numbers()["available"] == 1


def sessions(database):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database])
        return cursor.fetchone()[0]


def test_hundreds_in_one_process_all_hear_of_a_change(desk, listen):
    book = desk.add(copies=1)
    listeners = [listen(desk.live, book) for _ in range(MANY)]
    assert {listener.numbers()["available"] for listener in listeners} == {1}

    assert sessions(desk.database) < MANY / 10  # of PostgreSQL: nobody keeps one who listens

    desk.lend(book)

    assert [listener.numbers()["available"] for listener in listeners] == [0] * MANY


def test_changes_of_other_titles_are_not_heard(desk, listen):
    book, other = desk.add(copies=1), desk.add(copies=1)
    listener, other_listener = listen(desk.live, book), listen(desk.live, other)
    listener.numbers(), other_listener.numbers()

    desk.lend(other)
    assert other_listener.numbers()["available"] == 0
    desk.lend(book)

    data = listener.numbers()
    assert (data["book_id"], data["available"]) == (book, 0)


def test_when_a_title_is_withdrawn_its_stream_ends(desk, listen):
    book = desk.add()
    listener = listen(desk.live, book)
    listener.numbers()

    desk.withdraw(book)

    assert listener.event() == ("gone", {"book_id": book})
    assert listener.event() is None
    assert listen(desk.live, book).status == 404


def error(answer):
    body = answer.json()
    assert list(body) == ["success", "error"]
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, body["error"]["code"]


def test_what_is_no_stream_is_answered_as_everywhere(desk):
    def asked(path, method="GET", **headers):
        headers = {"Accept": "text/event-stream", **headers}
        return requests.request(method, f"{desk.live}{path}", headers=headers, timeout=PATIENCE)

    book = desk.add()
    stream = f"/api/books/{book}/availability/stream"
    assert error(asked("/api/books/987654321/availability/stream")) == (404, "BOOK_NOT_FOUND")
    assert error(asked(f"/api/books/{book}/availability")) == (404, "NOT_FOUND")
    assert error(asked("/")) == (404, "NOT_FOUND")
    assert error(asked(stream, "POST")) == (405, "METHOD_NOT_ALLOWED")
    assert error(asked(stream, Host="elsewhere.example")) == (400, "VALIDATION_ERROR")
    assert error(asked(stream, Authorization="Bearer x.y.z")) == (401, "TOKEN_INVALID")
    assert error(asked(stream, **{"X-API-Key": "cdk_x"})) == (401, "TOKEN_INVALID")
    assert asked("/health/live").json() == {"status": "ok"}
    assert asked(stream, "OPTIONS").json()["data"] == {"methods": ["GET", "HEAD", "OPTIONS"]}


def test_whoever_asks_for_the_head_does_not_listen(desk, listen, django_db_setup):
    with live_server(desk.database, LIVE_LISTENERS="1") as (url, _):
        stream = f"{url}/api/books/{desk.add()}/availability/stream"
        for _ in range(3):
            answer = requests.head(stream, timeout=PATIENCE)
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")


def test_how_often_one_connects_is_counted(desk, listen):
    with live_server(desk.database, OPEN_DESK="false", THROTTLE_RATES="anonymous:read=2") as (url, _):
        book = desk.add()
        listeners = [listen(url, book) for _ in range(3)]

        assert [listener.status for listener in listeners] == [200, 200, 429]
        assert listeners[0].answer.headers["RateLimit-Policy"] == '"read";q=2;w=60'
        assert listeners[2].answer.headers["Retry-After"]


def test_there_is_room_for_so_many_and_who_leaves_makes_room(desk, listen):
    book = desk.add()
    with live_server(desk.database, LIVE_LISTENERS="2") as (url, _):
        listeners = [listen(url, book) for _ in range(3)]
        assert [listener.status for listener in listeners] == [200, 200, 503]
        assert listeners[2].answer.headers["Retry-After"] == "1"
        assert b'"code":"BUSY"' in listeners[2].answer.read().replace(b": ", b":")

        listeners[0].leave()

        until(lambda: listen(url, book).status == 200)
        assert listen(url, book).status == 503


def test_a_process_that_is_told_to_end_ends_its_streams_in_order(desk, listen):
    book = desk.add()
    with live_server(desk.database) as (url, process):
        listeners = [listen(url, book) for _ in range(20)]
        for listener in listeners:
            listener.numbers()

        process.send_signal(signal.SIGTERM)

        for listener in listeners:
            # Of a server that was killed: IncompleteRead. It may have said meanwhile that it is there.
            assert listener.answer.read() in (b"", b": still here\n\n")
        assert process.wait(PATIENCE) == 0


def test_a_stream_that_is_cut_off_is_told_from_one_that_ends(desk, listen):
    """The control of the test above."""
    with live_server(desk.database) as (url, process):
        listener = listen(url, desk.add())
        listener.numbers()
        for worker in psutil.Process(process.pid).children():
            worker.kill()

        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            listener.answer.read()


# --- At the one address of the service ---------------------------------------------------------------------


def test_the_web_server_says_where_one_listens(desk):
    book = desk.add()
    stream = f"/api/books/{book}/availability/stream"

    for path in (stream, f"{stream}/"):
        answer = requests.get(f"{desk.web}{path}", timeout=PATIENCE, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (307, f"{desk.live}{stream}/")
    with requests.get(f"{desk.web}{stream}", timeout=PATIENCE, stream=True) as followed:
        assert next(followed.iter_lines()) == b"retry: 2000"
