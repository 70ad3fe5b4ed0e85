"""What touches more than one title: branches, facets, whole pages; and a Redis that lost its last moments."""

import logging
import shutil
import time

import pytest
from django.core.cache import cache as stored
from django_redis import get_redis_connection

from circulation.copies import withdraw
from circulation.housekeeping import sweep
from circulation.services import check_out
from events import redis
from events.operations import operation
from events.relay import relay_pending
from library import cache
from library.bulk import NewTitle, create_titles
from library.exceptions import BookNotFound
from library.models import Book
from library.services import edit_copy
from reservations import availability
from reservations.services import resume, suspend
from reservations.titles import add_copies
from tests.factories import NOW, BookFactory, BranchFactory, LoanFactory, MemberFactory, ReservationFactory, main_branch

pytestmark = pytest.mark.django_db(transaction=True)


# --- Changes ----------------------------------------------------------------------------------------------


def test_a_branch_that_is_renamed_has_its_new_name_everywhere():
    first, second = BookFactory(copies=1), BookFactory(copies=1)
    availability.of_many([first.pk, second.pk])

    branch = main_branch()
    branch.name = "Harbour"
    branch.save()

    for numbers in availability.of_many([first.pk, second.pk]).values():
        assert [row["branch"] for row in numbers["branches"]] == ["Harbour"]


def test_lists_count_the_titles_of_each_branch_as_they_are(client):
    book, harbour = BookFactory(copies=1), BranchFactory(name="Harbour")

    def branches():
        facets = client.get("/api/books/?facets=true").json()["data"]["facets"]
        return {row["value"]: row["count"] for row in facets["branch"]}

    assert branches() == {"Main Library": 1}
    [copy] = add_copies(book_id=book.pk, branch=harbour, at=NOW)
    assert branches() == {"Harbour": 1, "Main Library": 1}
    edit_copy(barcode=copy.barcode, fields={"branch": main_branch()}, at=NOW)
    assert branches() == {"Main Library": 1}
    for each in book.copies.all():
        withdraw(barcode=each.barcode, at=NOW)
    assert branches() == {}


def test_titles_that_come_many_at_once_are_in_the_lists_at_once(client):
    assert client.get("/api/books/").json()["data"]["results"] == []
    books = [NewTitle(Book(pk=1, title="Emma"), copies=1), NewTitle(Book(pk=2, title="Persuasion"), copies=3)]

    operation(lambda: create_titles(books, branch=main_branch(), at=NOW))()

    results = client.get("/api/books/").json()["data"]["results"]
    assert [(book["title"], book["total"]) for book in results] == [("Emma", 1), ("Persuasion", 3)]


def test_a_title_that_was_asked_for_before_it_came_is_found():
    with pytest.raises(BookNotFound):
        availability.of(7)

    operation(lambda: create_titles([NewTitle(Book(pk=7, title="Emma"), copies=2)], branch=main_branch(), at=NOW))()

    assert availability.of(7)["total"] == 2


def test_suspending_and_resuming_change_how_many_wait():
    reservation = ReservationFactory(book=LoanFactory().book)
    assert availability.of(reservation.book_id)["waiting"] == 1

    suspend(reservation_id=reservation.pk, at=NOW)
    assert availability.of(reservation.book_id)["waiting"] == 0
    resume(reservation_id=reservation.pk, at=NOW)
    assert availability.of(reservation.book_id)["waiting"] == 1


# --- Reading ----------------------------------------------------------------------------------------------


def calls(command):
    return get_redis_connection("default").info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]


def test_a_page_of_titles_is_one_question_to_redis_and_none_to_postgresql(valkey, django_assert_num_queries):
    ids = [BookFactory(copies=1).pk for _ in range(25)]
    availability.of_many(ids)
    before = calls("mget")

    with django_assert_num_queries(0):
        assert list(availability.of_many(ids)) == ids
    assert calls("mget") == before + 1


def test_of_a_page_that_is_known_in_part_only_the_rest_is_counted():
    asked = []

    def compute(keys):
        asked.append(keys)
        return {key: key * 2 for key in keys if key < 4}

    groups = {key: f"number:{key}" for key in (1, 2, 3, 4)}
    cache.read_many("book", {2: groups[2]}, compute)

    assert cache.read_many("book", groups, compute) == {1: 2, 2: 4, 3: 6}
    assert cache.read_many("book", groups, compute) == {1: 2, 2: 4, 3: 6}
    assert asked == [[2], [1, 3, 4], [4]]


def test_what_does_not_exist_leaves_nothing_in_redis(client):
    client.get("/api/books/47110815/")

    assert [key for key in stored.keys("*") if "47110815" in key] == []


@pytest.mark.parametrize("path", ["", "?facets=true&count=true", "{}/", "{}/availability/"])
def test_an_answer_from_the_cache_is_the_one_that_was_computed(client, path):
    book = BookFactory(title="Emma", authors="Jane Austen", published_year=1815, category="Novel", copies=2)
    ReservationFactory(book=LoanFactory(book=book).book)
    url = f"/api/books/{path.format(book.pk)}"

    computed, cached = client.get(url), client.get(url)

    assert cached.json() == computed.json()
    assert cached.get("ETag") == computed.get("ETag")


def test_lists_differ_by_what_is_asked_and_by_nothing_else(client):
    BookFactory.create_batch(3)
    urls = ["/api/books/?limit=1", "/api/books/?limit=2", "/api/books/?limit=2&ordering=-id"]
    assert len({str(client.get(url).json()["data"]["results"]) for url in urls}) == 3
    before = len(list(stored.keys("book_list*")))

    client.get("/api/books/?ordering=-id&limit=2")
    client.get("/api/books/?limit=2&ordering=-id&nonsense=1")
    assert len(list(stored.keys("book_list*"))) == before


def test_clearing_the_cache_touches_no_other_database_of_redis(valkey):
    stored.set("here", 1)
    with get_redis_connection("default") as here:
        kwargs = here.connection_pool.connection_kwargs | {"db": 3}
        there = type(here)(unix_socket_path=kwargs["path"], db=3)
        there.set("job", "waiting")

        stored.clear()

        assert (stored.get("here"), there.get("job")) == (None, b"waiting")
        there.close()


# --- Redis away and back ----------------------------------------------------------------------------------


def test_a_redis_that_came_back_without_its_last_moments_is_forgotten_by_the_next_sweep(valkey):
    book, member = BookFactory(copies=1), MemberFactory()
    sweep(at=NOW)
    assert availability.of(book.pk)["available"] == 1
    valkey.stop()
    kept = valkey.data.with_name("kept")
    shutil.copytree(valkey.data, kept)
    valkey.start(print)
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    assert relay_pending() == 1  # told of, and so told of nobody again
    valkey.stop()
    shutil.copytree(kept, valkey.data, dirs_exist_ok=True)  # as if the power had failed before this was on disk
    valkey.start(print)

    assert availability.of(book.pk)["available"] == 1  # the control: here is what would stay so for a day
    sweep(at=NOW)
    assert availability.of(book.pk)["available"] == 0


def test_the_next_sweep_after_that_keeps_what_was_read_since(valkey, django_assert_num_queries):
    book = BookFactory(copies=1)
    sweep(at=NOW)
    availability.of(book.pk)

    sweep(at=NOW)

    with django_assert_num_queries(0):
        availability.of(book.pk)


def test_the_relay_asks_again_without_waiting_for_the_end_of_the_pause(valkey, django_assert_num_queries):
    book, member = BookFactory(copies=1), MemberFactory()
    assert availability.of(book.pk)["available"] == 1
    valkey.stop()
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    assert relay_pending() == 0
    valkey.start(print)

    assert relay_pending() == 1

    assert availability.of(book.pk)["available"] == 0
    with django_assert_num_queries(0):  # and so everybody in this process knows that it is back
        availability.of(book.pk)


def test_however_long_redis_is_away_it_is_said_once_and_its_return_too(valkey, caplog, monkeypatch):
    book = BookFactory(copies=1)
    valkey.stop()

    with caplog.at_level(logging.INFO, "events.redis"):
        for _ in range(5):
            monkeypatch.setattr(redis, "_silent_until", 0.0)
            availability.of(book.pk)
        valkey.start(print)
        monkeypatch.setattr(redis, "_silent_until", 0.0)
        availability.of(book.pk)

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_after_a_pause_one_asks_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(redis, "_away", True)
    monkeypatch.setattr(redis, "_silent_until", time.monotonic() - 1)

    def first():
        assert redis.ask(lambda: "asked too") is None
        return "asked"

    assert redis.ask(first) == "asked"
