"""Every partner is asked at once, for two seconds at most, and nobody at the desk waits for that."""

import json
import threading
import time

import pytest
from django.core.cache import cache
from django.db import connection, transaction

from integrations.partners import asking
from integrations.partners.asking import ask, room_to_wait
from integrations.partners.breaker import states_of
from integrations.partners.models import Partner
from tests.factories import BookFactory
from tests.partners.conftest import saved
from tests.waiting import until
from tests.webhooks import receiving
from tests.webhooks.receiving import Receiver, answering

pytestmark = pytest.mark.django_db(transaction=True)

ISBN = "9780141439549"
KEY = "cdk_0123456789012345678901234567890123456789012"


def having(available, total):
    body = {"data": {"results": [{"available": available, "total": total}]}}
    return answering(200, json.dumps(body).encode())


def told(book):
    return [
        (answer.partner.name, answer.available, answer.copies_available, answer.copies_total, answer.age)
        for answer in ask(book)
    ]


@pytest.fixture
def book(db):
    return BookFactory(isbn=ISBN, title="Middlemarch")


@pytest.fixture
def other():
    with Receiver() as receiver:
        yield receiver


# --- What they say -------------------------------------------------------------------------------------------


def test_without_partners_nobody_says_anything(book):
    assert ask(book) == []


def test_each_says_what_it_has_in_the_order_of_the_admin(book, server, other):
    server.behaviour, other.behaviour = having(0, 2), having(1, 1)
    saved(server, name="library 2", position=2)
    saved(other, name="library 3", position=1)

    assert told(book) == [("library 3", True, 1, 1, 0), ("library 2", False, 0, 2, 0)]


def test_those_that_are_off_are_not_asked(book, server):
    saved(server, is_on=False)

    assert ask(book) == []
    assert server.connections == 0


def test_a_title_without_an_isbn_is_not_asked_for(server, log):
    saved(server)
    book = BookFactory(isbn="")

    assert told(book) == [("library 2", None, None, None, None)]

    assert server.connections == 0
    assert log() == [f"Title {book.pk} has no ISBN, so that partners cannot be asked for it."]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (receiving.resetting, "The connection failed: Connection reset by peer."),
        (receiving.babbling, "Its answer is not HTTP."),
        (receiving.flooding, "Its answer is longer than 1 MB."),
        (answering(500, b"<h1>Oh</h1>"), "It answered 500."),
        (answering(200, b"<h1>Oh</h1>"), "Its answer is not JSON."),
        (answering(200, b"[]"), "Its answer does not have the shape that it should."),
        (answering(204), "It answered 204."),
        (
            answering(301, Location="http://169.254.169.254/"),
            "It answered 301, a redirect, which is not followed.",
        ),
    ],
)
def test_one_that_fails_is_unknown_and_the_log_says_why(book, server, other, behaviour, reason, log, caplog):
    server.behaviour, other.behaviour = behaviour, having(1, 1)
    saved(server, name="library 2", api_key=KEY)
    saved(other, name="library 3", api_key=KEY)

    assert told(book) == [("library 2", None, None, None, None), ("library 3", True, 1, 1, 0)]

    assert log() == [f"Partner library 2 did not say whether it has {ISBN}. {reason}"]
    assert KEY not in caplog.text
    assert states_of([Partner.objects.get(name="library 2")])[0].last_failure == reason


def test_what_goes_wrong_with_us_is_no_error_for_the_caller_either(book, server, monkeypatch, log):
    saved(server)
    monkeypatch.setattr(asking, "look_up", lambda *_, **__: 1 / 0)

    assert told(book) == [("library 2", None, None, None, None)]
    assert log() == ["Partner library 2 could not be asked."]


def test_one_that_goes_on_failing_is_left_alone(server, log):
    server.behaviour = answering(500)
    saved(server)
    isbns = ["9780141439549", "9780141439556", "9780141439563", "9780141439570"]

    for isbn in isbns:
        told(BookFactory(isbn=isbn))

    assert server.connections == 3
    assert log()[2:] == [
        f"Partner library 2 did not say whether it has {isbns[2]}. It answered 500.",
        "Partner library 2 is left alone for 30 seconds.",
        f"Partner library 2 was not asked for {isbns[3]}: it failed, and is left alone for a while.",
    ]


# --- At once, and not for long -------------------------------------------------------------------------------


def test_partners_are_asked_at_once(book, server, other):
    """Neither answers before the other one was asked."""
    both = threading.Barrier(2, timeout=20)

    def when_both(receiver, client):
        both.wait()
        having(1, 1)(receiver, client)

    server.behaviour = other.behaviour = when_both
    saved(server, name="library 2")
    saved(other, name="library 3")

    assert [answer.available for answer in ask(book)] == [True, True]


def test_one_that_stalls_takes_nothing_from_the_others(book, server, other, log):
    server.behaviour, other.behaviour = receiving.stalling, having(1, 1)
    saved(server, name="library 2", timeout=0.3)
    saved(other, name="library 3")

    assert [answer.available for answer in ask(book)] == [None, True]

    assert not server.ended.is_set()
    assert log() == [f"Partner library 2 did not say whether it has {ISBN}. It did not answer in time."]


def test_a_name_that_nobody_can_look_up_costs_no_more_than_the_time_that_there_is(book, server, monkeypatch, log):
    """A look-up cannot be cut short: it goes on, and the caller does not wait for it."""
    over = threading.Event()
    saved(server)
    monkeypatch.setattr(asking, "TOTAL", 0.2)
    monkeypatch.setattr("integrations.reaching.addresses_of", lambda *_: over.wait(60) or [])
    try:
        assert told(book) == [("library 2", None, None, None, None)]
        assert not over.is_set()
        assert log() == ["Partner library 2 did not answer within 0.2 seconds."]

        for isbn in ("9780141439556", "9780141439563", "9780141439570"):
            ask(BookFactory(isbn=isbn))
        ask(BookFactory(isbn="9780141439587"))
        assert log()[-1] == "Partner library 2 was not asked for 9780141439587: it is busy with others."
    finally:
        over.set()
    until(lambda: not asking._look_ups._under_way)


def test_the_same_look_up_is_made_once_at_a_time(book, server, settings):
    settings.PARTNER_REQUESTS = 5
    go_on = threading.Event()

    def when_told(receiver, client):
        go_on.wait(20)
        having(1, 2)(receiver, client)

    server.behaviour = when_told
    partner = saved(server)
    answers = []
    threads = [threading.Thread(target=_asking, args=[book, answers]) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: asking._waiting == 5)
    go_on.set()
    for thread in threads:
        thread.join(20)

    assert [answer.copies_total for answer in answers] == [2] * 5
    assert (server.connections, answers[0].partner) == (1, partner)


def _asking(book, answers):
    try:
        answers.extend(ask(book))
    finally:
        connection.close()


# --- What was said a moment ago ------------------------------------------------------------------------------


def test_what_was_said_is_told_again_with_its_age(book, server, monkeypatch):
    server.behaviour = having(1, 2)
    saved(server)
    ask(book)
    server.behaviour = having(0, 2)

    now = time.time()
    monkeypatch.setattr(asking.time, "time", lambda: now + 12.5)

    assert told(book) == [("library 2", True, 1, 2, 12)]
    assert server.connections == 1


def test_it_is_kept_for_half_a_minute(book, server):
    server.behaviour = having(1, 2)
    partner = saved(server)
    ask(book)

    assert 25 < cache.ttl(asking._name(partner, ISBN)) <= 30


def test_a_partner_that_moved_is_asked_again(book, server, other):
    server.behaviour, other.behaviour = having(1, 1), having(0, 1)
    partner = saved(server)
    assert [answer.available for answer in ask(book)] == [True]

    partner.base_url = f"http://127.0.0.1:{other.port}"
    partner.save()

    assert [answer.available for answer in ask(book)] == [False]


def test_a_failure_is_not_remembered_as_an_answer(book, server):
    server.behaviour = answering(500)
    saved(server)
    assert [answer.available for answer in ask(book)] == [None]
    server.behaviour = having(1, 1)

    assert [answer.available for answer in ask(book)] == [True]


def test_without_redis_they_are_asked_each_time(book, server, settings, caplog):
    server.behaviour = having(1, 1)
    saved(server)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}

    assert [[answer.age for answer in ask(book)] for _ in range(3)] == [[0]] * 3
    assert server.connections == 3
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == ["Redis does not answer"]


# --- Nobody at the desk waits --------------------------------------------------------------------------------


def test_nobody_waits_for_partners_inside_a_transaction(book, server):
    saved(server)

    with transaction.atomic(), pytest.raises(transaction.TransactionManagementError):
        ask(book)

    assert server.connections == 0


def test_who_waits_holds_no_connection_to_the_database(book, server):
    in_use = []

    def count():
        stats = connection.pool.get_stats()
        in_use.append(stats["pool_size"] - stats["pool_available"])

    server.behaviour = lambda receiver, client: (count(), having(1, 1)(receiver, client))
    saved(server)
    count()

    assert [answer.available for answer in ask(book)] == [True]

    assert in_use == [1, 0]


def test_only_some_requests_wait_at_a_time_and_the_others_hear_at_once_what_is_known(book, server, settings, log):
    settings.PARTNER_REQUESTS = 2
    server.behaviour = having(1, 1)
    saved(server)
    ask(book)
    another = BookFactory(isbn="9780141439556")
    server.behaviour = receiving.stalling

    with room_to_wait() as first, room_to_wait() as second:
        assert (first, second) == (True, True)
        assert [answer.available for answer in ask(book)] == [True]
        assert [answer.available for answer in ask(another)] == [None]

    assert server.connections == 1
    assert log() == ["Partners were not asked for 9780141439556: enough requests wait for them."]
    with room_to_wait() as again:
        assert again


def test_room_is_made_again_whatever_happens(settings):
    settings.PARTNER_REQUESTS = 1

    def waiting():
        with room_to_wait() as is_room:
            assert is_room
            raise RuntimeError

    for _ in range(3):
        with pytest.raises(RuntimeError):
            waiting()
