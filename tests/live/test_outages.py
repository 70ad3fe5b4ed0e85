"""Redis stopped, started and emptied while people listen: their numbers are right again, on the line that they have."""

import pytest
import redis

pytestmark = pytest.mark.slow


def test_while_redis_is_away_changes_are_heard_all_the_same_and_afterwards_too(fragile_desk, valkey, listen):
    desk = fragile_desk
    book = desk.add(copies=3)
    listener = listen(desk.live, book)
    assert listener.numbers()["available"] == 3

    valkey.stop()
    desk.lend(book)
    assert listener.numbers()["available"] == 2
    newcomer = listen(desk.live, book)
    assert newcomer.numbers()["available"] == 2

    valkey.start(print)
    desk.lend(book)
    assert listener.numbers()["available"] == newcomer.numbers()["available"] == 1
    desk.lend(book)
    assert listener.numbers()["available"] == newcomer.numbers()["available"] == 0


def test_after_redis_was_emptied_changes_are_heard(fragile_desk, valkey, listen):
    desk = fragile_desk
    book = desk.add(copies=3)
    listener = listen(desk.live, book)
    listener.numbers()
    desk.lend(book)
    assert listener.numbers()["available"] == 2

    with redis.Redis.from_url(valkey.url(db=1)) as client:
        client.flushall()
    desk.lend(book)

    assert listener.numbers()["available"] == 1
