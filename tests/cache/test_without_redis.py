"""Redis away, back, and silent."""

import logging
import socket
import threading
import time

import pytest
from django.conf import settings as configured

from circulation.services import check_out
from events import redis
from events.relay import relay_pending, unpublished
from reservations import availability
from tests.cache.conftest import use_cache_at
from tests.factories import NOW, BookFactory, MemberFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_desk_works_while_redis_is_away_and_says_so_once(valkey, caplog, client):
    book, member = BookFactory(copies=1), MemberFactory()
    valkey.stop()

    with caplog.at_level(logging.WARNING, "events.redis"):
        assert client.get(f"/api/books/{book.pk}/availability/").json()["data"]["available"] == 1
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)
        assert client.get(f"/api/books/{book.pk}/availability/").json()["data"]["available"] == 0
        assert client.get("/api/books/").json()["data"]["results"][0]["available"] == 0

    assert len(caplog.records) == 1


def test_a_change_made_while_redis_was_away_is_announced_by_the_relay_when_it_is_back(valkey, monkeypatch):
    book, member = BookFactory(copies=1), MemberFactory()
    assert availability.of(book.pk)["available"] == 1
    valkey.stop()
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    assert relay_pending() == 0
    assert unpublished() == 1

    valkey.start(print)
    monkeypatch.setattr(redis, "_silent_until", 0.0)
    # It came back with what it held, and nobody has told it of the loan yet.
    assert availability.of(book.pk)["available"] == 1
    assert relay_pending() == 1
    assert availability.of(book.pk)["available"] == 0
    assert unpublished() == 0


def test_after_a_pause_redis_is_asked_again(valkey, monkeypatch, django_assert_num_queries):
    book = BookFactory(copies=1)
    valkey.stop()
    availability.of(book.pk)
    valkey.start(print)

    with django_assert_num_queries(1):
        availability.of(book.pk)  # within the pause nobody asks it
    monkeypatch.setattr(redis, "_silent_until", time.monotonic() - 0.001)
    availability.of(book.pk)
    with django_assert_num_queries(0):
        assert availability.of(book.pk)["available"] == 1


def test_a_redis_that_accepts_and_never_answers_is_waited_for_once(settings, caplog):
    book = BookFactory(copies=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def accept():
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        use_cache_at(settings, f"redis://127.0.0.1:{listener.getsockname()[1]}/0")

        begun = time.monotonic()
        for _ in range(20):
            assert availability.of(book.pk)["available"] == 1
        taken = time.monotonic() - begun

        assert len(accepted) == 1
        assert taken < 2  # 0.25 s, with room for a busy machine; twenty times that if all asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in accepted:
            connection.close()


def test_nobody_waits_long_for_redis():
    options = configured.CACHES["default"]["OPTIONS"]

    assert options["SOCKET_CONNECT_TIMEOUT"] + options["SOCKET_TIMEOUT"] <= 0.3
    assert options["CONNECTION_POOL_KWARGS"]["retry"].get_retries() == 0
