"""What a web server's process keeps for itself, and how it hears that it changed."""

import os
import subprocess
import sys
import threading

import pytest
from django.core.cache import cache as stored
from django_redis import get_redis_connection

from circulation.services import check_out
from config import embedded
from library import cache
from library import nearby as module
from library.models import Book
from library.nearby import nearby
from reservations import availability
from tests.cache.test_everything import calls
from tests.factories import NOW, BookFactory, MemberFactory, general_policy
from tests.simulation.service import url_of
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listening(valkey, settings):
    """This process listens to a Valkey of its own, as a web server does, whose desk is open to all."""
    settings.OPEN_DESK = True
    nearby.want()
    try:
        nearby._listen()
        until(lambda: nearby.is_on)
        yield nearby
    finally:
        nearby.end()


def warm(book):
    """Read until it is kept: the first reading leaves a token, and its own news of it comes in the way."""

    def is_kept():
        availability.nearby(book.pk)
        return nearby.found(cache.title_group(book.pk)) is not None

    until(is_kept)
    until(lambda: not nearby._under_way)


def elsewhere(group):
    """Another process forgets this group: it tells Redis, and nobody here."""
    stored.delete(cache._token(group))


def manage_shell(settings, code):
    """Run it in another process, with this one's database and Valkey."""
    environment = {"DATABASE_URL": url_of(settings.DATABASES["default"]["NAME"])}
    environment["REDIS_URL"] = settings.CACHES["default"]["LOCATION"]
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", code],
        cwd=embedded.BASE_DIR,
        env=os.environ | environment,
        check=True,
    )


def test_a_process_that_was_not_told_to_listen_keeps_nothing():
    book = BookFactory(copies=1)

    for _ in range(3):
        availability.nearby(book.pk)

    assert (nearby.is_on, len(nearby), nearby._listener) == (False, 0, None)


def test_a_warm_title_asks_neither_redis_nor_postgresql(listening, client, django_assert_num_queries):
    book = BookFactory(copies=2)
    url = f"/api/books/{book.pk}/availability/"
    warm(book)
    first = client.get(url)
    before = get_redis_connection("default").info("stats")["total_commands_processed"]

    with django_assert_num_queries(0):
        answers = [client.get(url) for _ in range(50)]

    after = get_redis_connection("default").info("stats")["total_commands_processed"]
    assert {answer.content for answer in answers} == {first.content}
    # Of the fifty none; the question itself, and the listener, who asks whether Redis is there.
    assert after - before < 10


def test_an_answer_that_was_kept_has_all_that_the_first_one_had(listening, client):
    book = BookFactory(copies=2)
    url = f"/api/books/{book.pk}/availability/"
    computed = client.get(url)
    warm(book)
    client.get(url)
    entry = nearby.found(cache.title_group(book.pk))
    assert entry.answer is not None

    kept = client.get(url, headers={"X-Request-ID": "7"})

    assert kept.content == computed.content
    assert kept.resolver_match.route == computed.resolver_match.route
    assert kept["X-Request-ID"] == "7"
    assert dict(kept.headers) == {**computed.headers, "X-Request-ID": "7"}
    assert client.get(url, headers={"If-None-Match": kept["ETag"]}).status_code == 304
    assert client.get(url, headers={"Accept": "text/html"}).status_code == 406
    assert client.get(url, headers={"Host": "elsewhere.example"}).status_code == 400
    assert client.get(url, headers={"X-API-Key": "nonsense"}).status_code == 401
    assert client.get(url, headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert client.post(url).status_code == 405


def test_where_requests_are_counted_those_for_what_was_kept_are_too(listening, client, settings):
    settings.OPEN_DESK, settings.THROTTLE = False, True
    rates = settings.THROTTLE_RATES
    settings.THROTTLE_RATES = rates | {"anonymous": rates["anonymous"] | {"read": 3}}
    book = BookFactory(copies=1)
    warm(book)

    answers = [client.get(f"/api/books/{book.pk}/availability/").status_code for _ in range(5)]

    assert answers == [200, 200, 200, 429, 429]


def test_a_change_by_another_process_is_seen(listening, client, settings):
    book, member = BookFactory(copies=1), MemberFactory()
    general_policy()
    url = f"/api/books/{book.pk}/availability/"
    warm(book)
    client.get(url)

    # In a process of its own, which tells nobody here but by way of Redis.
    lend = f"from circulation.services import check_out as f; f(member_id={member.pk}, book_id={book.pk}, at=NOW)"
    manage_shell(settings, f"from tests.factories import NOW; {lend}")

    until(lambda: client.get(url).json()["data"]["available"] == 0)


def test_what_changed_here_is_seen_here_at_once(listening):
    book, member = BookFactory(copies=1), MemberFactory()
    warm(book)

    check_out(member_id=member.pk, book_id=book.pk, at=NOW)

    assert availability.nearby(book.pk).value["available"] == 0


def test_after_the_news_of_a_change_nothing_older_is_answered(listening, monkeypatch):
    book = BookFactory(copies=1)
    warm(book)
    heard = threading.Event()
    forget = nearby.forget

    def forget_and_say(group):
        forget(group)
        heard.set()

    monkeypatch.setattr(nearby, "forget", forget_and_say)
    heard.clear()
    elsewhere(cache.title_group(book.pk))

    assert heard.wait(20)
    assert nearby.found(cache.title_group(book.pk)) is None


@pytest.mark.parametrize("what", ["title", "everything", "flush"])
def test_a_reading_that_began_before_the_news_is_not_kept(listening, what):
    book = BookFactory(copies=1)
    warm(book)
    group = cache.title_group(book.pk)
    nearby.forget(group)
    fetch = nearby.begin(group)

    if what == "flush":
        get_redis_connection("default").flushdb()
    else:
        elsewhere(group if what == "title" else "everything")
    until(lambda: fetch.is_old)
    entry = nearby.keep(fetch, {"available": 1}, is_told_of=True)
    nearby.end_of(fetch)

    assert entry.value == {"available": 1}  # whoever read it may answer it: it was so when they asked
    assert nearby.found(group) is None


def test_news_of_another_title_does_not_matter(listening):
    book, other = BookFactory(copies=1), BookFactory(copies=1)
    warm(book)
    warm(other)
    fetch = nearby.begin("title:0")

    elsewhere(cache.title_group(other.pk))
    until(lambda: nearby.found(cache.title_group(other.pk)) is None)

    nearby.end_of(fetch)
    assert not fetch.is_old
    assert nearby.found(cache.title_group(book.pk)) is not None


def test_what_was_counted_without_a_token_is_not_kept(listening, monkeypatch):
    book = BookFactory(copies=1)
    monkeypatch.setattr(cache, "_store", lambda *_: False)

    for _ in range(3):
        assert availability.nearby(book.pk).value["available"] == 1

    assert len(nearby) == 0


def test_a_title_that_does_not_exist_is_not_kept(listening, client):
    for _ in range(3):
        assert client.get("/api/books/47110815/availability/").status_code == 404

    assert (len(nearby), nearby._under_way) == (0, [])


def test_a_connection_that_is_cut_empties_it_and_it_comes_back(listening, monkeypatch):
    book = BookFactory(copies=1)
    warm(book)
    monkeypatch.setattr(module, "PAUSE", 0.3)
    client = get_redis_connection("default")
    number = next(row["id"] for row in client.client_list() if "t" in row["flags"] or "B" in row["flags"])

    client.client_kill_filter(_id=number)
    until(lambda: not nearby.is_on and len(nearby) == 0)
    assert availability.nearby(book.pk).value["available"] == 1

    until(lambda: nearby.is_on)
    warm(book)


def test_a_redis_that_says_nothing_any_more_is_not_trusted(listening, monkeypatch):
    book = BookFactory(copies=1)
    warm(book)
    monkeypatch.setattr(module, "SECONDS", 60.0)
    warm(book)

    get_redis_connection("default").client_pause(4_000)  # ms in which nobody gets an answer

    until(lambda: nearby.found(cache.title_group(book.pk)) is None)
    until(lambda: nearby.is_on)


def test_after_this_process_stood_still_what_it_has_yet_to_hear_is_not_answered(listening, monkeypatch):
    first, second = (cache.title_group(book.pk) for book in BookFactory.create_batch(2, copies=1))
    monkeypatch.setattr(module, "SECONDS", 60.0)
    forget, at, going_on = nearby.forget, [], {first: threading.Event(), second: threading.Event()}

    def stand_still(group):
        at.append(group)
        going_on[group].wait(20)
        forget(group)

    for group in (first, second):
        warm(Book.objects.get(pk=group.partition(":")[2]))
    monkeypatch.setattr(nearby, "forget", stand_still)
    try:
        elsewhere(first)
        elsewhere(second)
        until(lambda: at == [first] and not nearby.is_on)
        going_on[first].set()
        until(lambda: at == [first, second] and nearby.is_on)  # it heard the first, and did not come to the second

        assert nearby.found(second) is None
    finally:
        for event in going_on.values():
            event.set()


def test_it_is_bounded(listening, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    books = BookFactory.create_batch(5)

    for book in books:
        warm(book)

    assert len(nearby) == 3
    assert nearby.found(cache.title_group(books[0].pk)) is None
    assert nearby.found(cache.title_group(books[4].pk)) is not None


def test_entries_live_for_seconds_though_nothing_was_told(listening, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.05)
    book = BookFactory(copies=1)
    group = cache.title_group(book.pk)
    fetch = nearby.begin(group)
    nearby.keep(fetch, {}, is_told_of=True)
    nearby.end_of(fetch)

    assert len(nearby) == 1
    until(lambda: nearby.found(group) is None)


def test_lending_and_lists_do_not_read_it(listening, client):
    book = BookFactory(copies=1)
    warm(book)
    nearby.found(cache.title_group(book.pk)).value["available"] = 7
    before = calls("mget")

    assert client.get("/api/books/").json()["data"]["results"][0]["available"] == 1
    assert availability.of(book.pk)["available"] == 1
    assert calls("mget") > before
