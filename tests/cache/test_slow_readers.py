"""Readers that count, are overtaken by a change, and only then store what they counted."""

import secrets
from datetime import timedelta

import pytest

from circulation.services import check_out, return_copy
from library import cache
from reservations import availability
from tests.factories import NOW, BookFactory, MemberFactory

pytestmark = pytest.mark.django_db(transaction=True)


def read_slowly(book, change):
    """Read a title's availability; between the count and its storing, the change commits."""

    def count_then_wait(book_ids):
        counted = availability.count(book_ids)
        change()
        return counted

    groups = {book.pk: cache.title_group(book.pk)}
    return cache.read_many("availability", groups, count_then_wait)[book.pk]["available"]


def test_a_slow_reader_cannot_bring_back_an_old_count():
    book, member = BookFactory(copies=1), MemberFactory()

    seen = read_slowly(book, lambda: check_out(member_id=member.pk, book_id=book.pk, at=NOW))

    assert seen == 1  # what it counted was true when it counted
    assert availability.of(book.pk)["available"] == 0


def test_a_slow_reader_of_a_warm_title_cannot_either():
    book, member = BookFactory(copies=1), MemberFactory()
    availability.of(book.pk)
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)

    seen = read_slowly(book, lambda: return_copy(member_id=member.pk, book_id=book.pk, at=NOW + timedelta(days=1)))

    assert seen == 0
    assert availability.of(book.pk)["available"] == 1


def test_two_slow_readers_at_once_leave_nothing_old_behind():
    book, member = BookFactory(copies=1), MemberFactory()

    read_slowly(book, lambda: read_slowly(book, lambda: check_out(member_id=member.pk, book_id=book.pk, at=NOW)))

    assert availability.of(book.pk)["available"] == 0


def test_control_with_a_counter_that_starts_again_in_place_of_random_tokens_the_old_count_comes_back(monkeypatch):
    monkeypatch.setattr(secrets, "token_hex", lambda _: "1")
    book, member = BookFactory(copies=1), MemberFactory()

    read_slowly(book, lambda: check_out(member_id=member.pk, book_id=book.pk, at=NOW))
    cache._store({cache._token(cache.title_group(book.pk)): "1"}, 60)  # the next reader, who counts from one again

    assert availability.of(book.pk)["available"] == 1


def test_control_with_a_change_that_forgets_nothing_the_old_count_stays(monkeypatch):
    monkeypatch.setattr(cache, "forget", lambda groups: True)
    book, member = BookFactory(copies=1), MemberFactory()

    read_slowly(book, lambda: check_out(member_id=member.pk, book_id=book.pk, at=NOW))

    assert availability.of(book.pk)["available"] == 1


@pytest.mark.parametrize("evicted", ["token", "entry"])
def test_eviction_of_either_half_costs_a_count_and_no_more(evicted, django_assert_num_queries):
    book = BookFactory(copies=2)
    availability.of(book.pk)
    group = cache.title_group(book.pk)
    cache.cache.delete(cache._token(group) if evicted == "token" else cache._entry("availability", group, ""))

    with django_assert_num_queries(1):
        assert availability.of(book.pk)["available"] == 2
    with django_assert_num_queries(0):
        assert availability.of(book.pk)["available"] == 2
