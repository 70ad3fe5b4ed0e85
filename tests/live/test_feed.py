"""The feed, on a thread of the test: what it tells, and what it does when something is away or lost."""

import json
import logging
import threading

import pytest
from django.db import OperationalError

from circulation.services import check_out
from events.relay import relay_pending
from events.stream import EVENTS, Stream, client
from integrations.live import feed, views
from integrations.live.listeners import Listeners
from integrations.live.wording import STILL_HERE
from reservations import availability
from reservations.titles import withdraw_title
from tests.factories import NOW, BookFactory, MemberFactory
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


class Told:
    """What was told, in order."""

    def __init__(self):
        self.all = []

    def __call__(self, news):
        self.all += [(book, json.loads(one.text.split(b"data: ")[1])) for book, one in news.items()]

    def available(self):
        return [data["available"] for _, data in self.all]


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def listeners():
    return Listeners()


@pytest.fixture
def follow(listeners, told, monkeypatch):
    """Starts the feed; it has begun when this returns."""
    EVENTS.remove()
    stop = threading.Event()
    begun = threading.Event()
    published = feed._published
    monkeypatch.setattr(feed, "_published", lambda: (begun.set(), published())[1])
    thread = threading.Thread(target=feed.follow, args=[listeners, told, stop])

    def start():
        thread.start()
        assert begun.wait(30)

    yield start
    stop.set()
    if thread.ident is not None:
        thread.join()
    EVENTS.remove()


def lend(book):
    check_out(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)


def publish():
    while relay_pending():
        pass


def test_only_titles_that_somebody_listens_to_are_told_of(listeners, told, follow):
    book, other = BookFactory(copies=2), BookFactory(copies=2)
    listeners.join(book.pk)
    follow()
    lend(other)
    lend(book)
    publish()

    until(lambda: told.available()[-1:] == [1])
    assert {number for number, _ in told.all} == {book.pk}


def test_nobody_listens_to_a_title_that_all_have_left(listeners):
    one, other = listeners.join(7), listeners.join(7)
    assert (len(listeners), listeners.titles()) == (2, {7})
    listeners.leave(one)
    listeners.leave(one)
    assert (len(listeners), listeners.titles()) == (1, {7})
    listeners.leave(other)
    assert (len(listeners), listeners.titles()) == (0, set())


def test_several_changes_at_once_are_told_of_once(listeners, told, follow):
    book = BookFactory(copies=4)
    listeners.join(book.pk)
    for _ in range(3):
        lend(book)
    follow()  # reads its numbers at the beginning
    until(lambda: told.available() == [1])
    publish()  # three messages, of which the feed reads as many at once as are there

    until(lambda: len(told.all) > 1)
    assert set(told.available()) == {1}


def test_the_cache_is_asked_for_what_changed_and_has_it(listeners, told, follow):
    """The relay forgets what is cached before it tells of a change."""
    book = BookFactory(copies=2)
    availability.of(book.pk)
    listeners.join(book.pk)
    follow()
    for left in (1, 0):
        lend(book)
        publish()
        until(lambda left=left: told.available()[-1:] == [left])


def test_of_a_withdrawn_title_it_is_told_that_it_is_gone(listeners, follow):
    book = BookFactory(copies=1)
    loop_told = []
    listeners.join(book.pk)
    stop = threading.Event()
    thread = threading.Thread(target=feed.follow, args=[listeners, loop_told.append, stop])
    thread.start()
    withdraw_title(book_id=book.pk, at=NOW)
    publish()

    until(lambda: loop_told and loop_told[-1][book.pk].is_last)
    assert loop_told[-1][book.pk].text == b'event: gone\ndata: {"book_id":%d}\n\n' % book.pk
    stop.set()
    thread.join()


@pytest.fixture
def holding(monkeypatch):
    """While it is set the feed hears nothing."""
    holding = threading.Event()
    holding.set()
    after = Stream.after

    def when_let(self, *args, **more):
        until(lambda: not holding.is_set())
        return after(self, *args, **more)

    monkeypatch.setattr(Stream, "after", when_let)
    yield holding
    holding.clear()


def test_what_redis_lost_is_found_out_by_how_far_the_stream_went(listeners, told, follow, holding):
    book = BookFactory(copies=3)
    listeners.join(book.pk)
    follow()
    until(lambda: told.available() == [3])
    lend(book)
    publish()
    client().delete(EVENTS.key)
    holding.clear()

    until(lambda: told.available()[-1] == 2)
    lend(book)  # and what comes next is heard as ever
    publish()
    until(lambda: told.available()[-1] == 1)


def test_what_redis_lost_is_found_out_by_the_positions_of_what_follows(listeners, told, follow, holding):
    lost, other = BookFactory(copies=1), BookFactory(copies=1)
    listeners.join(lost.pk)
    follow()
    until(lambda: told.available() == [1])
    lend(lost)
    publish()
    client().delete(EVENTS.key)
    lend(other)
    publish()
    holding.clear()

    until(lambda: told.available()[-1] == 0)


def test_what_changes_while_the_numbers_are_read_is_not_missed(listeners, told, follow, monkeypatch):
    book = BookFactory(copies=2)
    listeners.join(book.pk)
    counted = availability.count
    changes = [book]

    def count(books):
        found = counted(books)
        while changes:
            lend(changes.pop())
            publish()
        return found

    monkeypatch.setattr(availability, "count", count)
    follow()

    until(lambda: told.available()[-1:] == [1])
    assert told.available()[0] == 2


def test_a_cache_that_is_older_than_what_was_heard_is_not_believed(listeners, monkeypatch):
    book = BookFactory(copies=2)
    old = availability.of(book.pk)
    lend(book)
    monkeypatch.setattr(availability, "of", lambda book_id: old)
    heard = availability.count([book.pk])[book.pk]["version"]
    listener = listeners.join(book.pk)

    assert views._news(listener, heard) == STILL_HERE
    assert listener.heard == heard > old["version"]


def test_without_redis_numbers_come_from_postgresql_now_and_then(
    listeners, told, follow, settings, monkeypatch, caplog
):
    monkeypatch.setattr(feed, "REFRESH_EVERY", 0.2)
    monkeypatch.setattr(feed, "AFTER_FAILURE", 0.05)
    book = BookFactory(copies=3)
    listeners.join(book.pk)
    there = settings.EVENTS_REDIS_URL
    with caplog.at_level(logging.INFO, "integrations.live.feed"):
        follow()
        until(lambda: told.available() == [3])
        settings.EVENTS_REDIS_URL = "redis://127.0.0.1:1/0"
        lend(book)
        until(lambda: told.available()[-1] == 2)
        lend(book)
        until(lambda: told.available()[-1] == 1)
        settings.EVENTS_REDIS_URL = there
        until(lambda: len(caplog.records) == 2)

    lend(book)
    publish()
    until(lambda: told.available()[-1] == 0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_without_postgresql_it_is_asked_again_until_it_answers(listeners, told, follow, monkeypatch, caplog):
    monkeypatch.setattr(feed, "AFTER_FAILURE", 0.05)
    book = BookFactory(copies=2)
    listeners.join(book.pk)
    is_away = threading.Event()
    counted = availability.count

    def count(books):
        if is_away.is_set() and threading.current_thread() is not threading.main_thread():
            raise OperationalError("away")
        return counted(books)

    monkeypatch.setattr(availability, "count", count)
    with caplog.at_level(logging.INFO, "integrations.live.feed"):
        follow()
        until(lambda: told.available() == [2])
        is_away.set()
        lend(book)
        publish()
        until(lambda: len(caplog.records) == 1)
        is_away.clear()
        until(lambda: told.available()[-1] == 1)
        until(lambda: len(caplog.records) == 2)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert len(listeners) == 1


def test_all_titles_are_read_again_in_one_statement(listeners, told, django_assert_num_queries):
    for book in BookFactory.create_batch(5, copies=1):
        listeners.join(book.pk)

    with django_assert_num_queries(1):
        feed.refresh(listeners, told)

    assert told.available() == [1] * 5


def test_without_listeners_nothing_is_read(listeners, told, django_assert_num_queries):
    with django_assert_num_queries(0):
        feed.refresh(listeners, told)
