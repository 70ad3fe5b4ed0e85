"""At a service that answers HTTP: what goes wrong on the way is repaired by the key, and what is wrong is seen."""

import http.server
import re
import threading
from contextlib import closing

import pytest
import requests
from django.db import connection

from circulation.models import Loan
from circulation.simulation import outside
from circulation.simulation.http_desk import HttpDesk
from events.models import Event
from library.models import Book, Copy, Member
from tests.circulation.commands import run
from tests.simulation.runs import SMALL
from tests.simulation.service import BadLine, service


@pytest.fixture(scope="module")
def url(django_db_blocker):
    with django_db_blocker.unblock(), service() as url:
        yield url


def simulate(url, **options):
    return run("simulate", **(SMALL | {"http": url} | options))


def added():
    """Titles, copies and members."""
    return Book.objects.count(), Copy.objects.count(), Member.objects.count()


def test_it_says_what_it_adds_and_what_it_checked(url):
    before = added()
    ran = simulate(url, seed=31, events=60)
    assert ran.failure is None, ran.out
    (mark,) = re.findall(r"“(simulation [0-9a-f]{8})”", ran.out[0])
    assert ran.out[0] == f"Adding 6 titles and 12 members named “{mark}” to {url}. They stay there."
    titles, _, members = (now - then for now, then in zip(added(), before, strict=True))
    assert (titles, members) == (6, 12)
    assert Book.objects.filter(title__endswith=f"({mark})", category="simulation").count() == 6
    assert Member.objects.filter(last_name__endswith=f"({mark})").count() == 12
    assert sum(" OK " in line for line in ran.out) == 10
    assert any(line.startswith("receive ") for line in ran.out)  # between its two branches
    assert Copy.objects.filter(book__title__endswith=f"({mark})").values("branch").distinct().count() == 2
    assert "in what order they are published cannot be seen from outside" in re.sub(r"\s+", " ", " ".join(ran.out))


@pytest.mark.parametrize("workers", [1, 6])
def test_over_a_line_that_loses_answers_everything_is_done_once(url, workers):
    begun = Event.objects.order_by("id").last()
    with closing(BadLine(url)) as line:
        ran = simulate(line.url, seed=32, events=60, workers=workers)
    assert ran.failure is None, ran.out
    assert line.lost >= 8
    assert line.excused >= 8
    [again] = [text for text in ran.out if text.startswith("Tried again: ")]
    assert int(re.findall(r"(\d+) no answer", again)[0]) >= 1
    assert int(re.findall(r"(\d+) answered 503", again)[0]) >= 1
    assert int(re.findall(r"(\d+) done already", again)[0]) >= 8
    lent = Event.objects.filter(id__gt=begun.pk if begun else 0, kind="checkout").count()
    assert any(f"{lent} checkout" in text for text in ran.out)


def test_without_the_key_things_would_be_done_twice(url, monkeypatch):
    """The control of the test above."""
    request = requests.Session.request
    monkeypatch.setattr(requests.Session, "request", lambda *asked, headers=None, **rest: request(*asked, **rest))
    with closing(BadLine(url)) as line:
        ran = simulate(line.url, seed=32, events=40)
    assert ran.failure is not None
    assert "recorded" in ran.failure


def tampered(monkeypatch, *statements):
    """Something happens to the database after the last event, before it is looked at."""
    check = outside.check_from_outside

    def tamper_first(desk, holdings, run):
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, {"titles": list(holdings.book_ids.values())})
                assert cursor.rowcount == 1, statement
        return check(desk, holdings, run)

    monkeypatch.setattr("circulation.management.commands.simulate.check_from_outside", tamper_first)


OPEN_LOAN = "(SELECT min(id) FROM circulation_loan WHERE returned_at IS NULL AND book_id = ANY(%(titles)s))"


@pytest.mark.parametrize(
    ("statement", "check", "said"),
    [
        (
            f"UPDATE circulation_loan SET returned_at = now() WHERE id = {OPEN_LOAN}",
            {1, 5},
            "is on_loan, with 0 open loans",
        ),
        (
            f"DELETE FROM circulation_loan WHERE id = {OPEN_LOAN}",
            {1, 5},
            "is on_loan, with 0 open loans",
        ),
        (
            "UPDATE reservations_reservation SET placed_at = placed_at - interval '1 day' WHERE id = "
            "(SELECT max(id) FROM reservations_reservation WHERE book_id = ANY(%(titles)s))",
            {10},
            "acknowledged",
        ),
        (
            "UPDATE library_member SET blocked_reason = 'rude' WHERE id = "
            "(SELECT holder_id FROM library_copy WHERE status = 'on_loan' AND book_id = ANY(%(titles)s) LIMIT 1)",
            {9},
            "blocked 0 times and unblocked 0 times",
        ),
    ],
)
def test_what_is_wrong_is_seen_from_outside(url, monkeypatch, statement, check, said):
    tampered(monkeypatch, statement)
    ran = simulate(url, seed=33, events=60, members=30, titles=2)
    assert ran.failure is not None
    assert ran.failure.startswith("Seed 33, in the course of 60 events: ")
    assert said in re.sub(r"\s+", " ", " ".join(ran.out))
    assert check <= {int(text[:3]) for text in ran.out if "BROKEN" in text}


def test_a_service_that_needs_signing_in_is_one_line_and_gets_nothing(django_db_blocker):
    with django_db_blocker.unblock(), service(OPEN_DESK="false") as url:
        ran = simulate(url, events=10)
        assert added() == (0, 0, 0)
    assert ran.out == []
    assert ran.failure == (
        f"The Circdesk at {url} answers 401 to whoever has not signed in. A simulation needs an open desk: "
        "OPEN_DESK=true."
    )


@pytest.mark.parametrize("body", [b"<html></html>", b"[]", b'{"data": {"books": "/books/"}}'])
def test_something_else_that_answers_is_one_line(body):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{other.server_port}"
    try:
        ran = simulate(url, events=10)
    finally:
        other.shutdown()
        other.server_close()
    assert (ran.out, ran.failure) == ([], f"What answers at {url} is not a Circdesk.")


def test_a_service_that_goes_away_is_named_with_the_event(url, monkeypatch):
    perform = HttpDesk.perform

    def gone(self, event):
        if event.number == 10:
            self._url = "http://127.0.0.1:1"
        return perform(self, event)

    monkeypatch.setattr(HttpDesk, "perform", gone)
    monkeypatch.setattr("circulation.simulation.http_desk.RETRY.total", 1)
    ran = simulate(url, seed=34, events=30)
    assert ran.failure.startswith("Seed 34, event 10: ")
    assert "has no answer: ConnectionError" in ran.failure
    assert Loan.objects.count() >= 1
