"""The stream: what the relay puts there, how much of it stays, and what it does when Redis loses it."""

import json
import threading

import pytest
import redis
from django.db import connection

from events import relay
from events import stream as streams
from events.models import Event, PendingEvent, Publication, Relay
from tests.events.conftest import happen, publish

pytestmark = pytest.mark.django_db(transaction=True)


def positions(stream):
    return [entry.position for entry in stream.last(100_000)]


def told(stream):
    return [json.loads(entry.message)["id"] for entry in stream.last(100_000)]


def test_events_stand_in_the_stream_in_order_under_positions_without_a_gap(stream):
    ids = happen(5)

    assert publish() == 5

    assert told(stream) == ids
    assert positions(stream) == [1, 2, 3, 4, 5]
    extent = stream.extent()
    assert extent is not None
    assert (extent.oldest, extent.published) == (1, 5)


def test_positions_have_no_gap_where_ids_have_one(stream):
    happen(1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('events_event_id_seq')")  # as a transaction that was rolled back leaves it
    happen(1)
    publish()

    assert positions(stream) == [1, 2]
    first, second = told(stream)
    assert second == first + 2


def test_the_stream_keeps_no_more_than_its_length(stream, monkeypatch):
    monkeypatch.setattr(streams, "LENGTH", 200)
    happen(1000)
    publish()

    kept = positions(stream)
    assert kept[-1] == 1000
    assert 200 <= len(kept) <= 400  # Redis drops whole nodes of a hundred
    assert kept == list(range(kept[0], 1001))


def test_what_was_said_and_not_committed_is_said_again_under_the_same_positions(stream, monkeypatch):
    """As after a kill between the writing to Redis and the COMMIT."""
    happen(2)
    saved = Relay.save

    def dies(self, *args, **kwargs):
        if kwargs.get("update_fields") == ["published"]:
            raise KeyboardInterrupt
        saved(self, *args, **kwargs)

    monkeypatch.setattr(Relay, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        relay.relay_pending()
    monkeypatch.setattr(Relay, "save", saved)
    happen(1)
    publish()

    assert positions(stream) == [1, 2, 1, 2, 3]
    assert told(stream)[:2] == told(stream)[2:4]


def test_an_event_that_commits_late_is_said_late_and_under_a_later_position(stream):
    written, go_on = threading.Event(), threading.Event()

    def slow_writer():
        from django.db import transaction

        with transaction.atomic():
            happen(1)
            written.set()
            go_on.wait(5)
        connection.close()

    thread = threading.Thread(target=slow_writer)
    thread.start()
    written.wait(5)
    [second] = happen(1)
    publish()
    go_on.set()
    thread.join()
    publish()

    first = Event.objects.order_by("pk").first().pk
    assert told(stream) == [second, first]
    assert positions(stream) == [1, 2]


def test_while_redis_is_away_nothing_counts_as_published(stream, settings):
    happen(3)
    settings.EVENTS_REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(redis.RedisError):
        relay.relay_pending()

    assert relay.unpublished() == 3


def test_what_a_consumer_misses_is_published_again(stream):
    ids = happen(10)
    publish()
    streams.client().delete(stream.key)  # as a Redis that lost it

    stream.want("somebody", 4)
    relay.look_after_streams()
    publish()

    assert told(stream) == ids[3:]
    assert positions(stream) == list(range(4, 11))
    assert stream.wanted() is None


def test_of_two_that_miss_something_both_get_it(stream):
    ids = happen(10)
    publish()
    streams.client().delete(stream.key)

    stream.want("one", 8)
    stream.want("other", 6)
    relay.look_after_streams()
    publish()

    assert told(stream) == ids[5:]


def test_what_was_not_published_yet_cannot_be_missed(stream):
    happen(2)
    publish()

    stream.want("somebody", 3)
    relay.look_after_streams()
    publish()

    assert positions(stream) == [1, 2]


def test_the_relay_tells_a_new_redis_how_far_the_stream_goes(stream):
    happen(3)
    publish()
    stream.remove()
    assert stream.extent() is None

    relay.look_after_streams()

    extent = stream.extent()
    assert extent is not None
    assert (extent.oldest, extent.published) == (1, 3)


def test_old_publications_go_and_the_stream_says_so(stream, monkeypatch):
    monkeypatch.setattr(relay, "KEEP", 4)
    happen(10)
    publish()

    assert relay.forget_old_publications() == 6
    relay.look_after_streams()

    assert list(Publication.objects.order_by("pk").values_list("position", flat=True)) == [7, 8, 9, 10]
    extent = stream.extent()
    assert extent is not None
    assert extent.oldest == 7


def test_what_is_not_kept_any_more_is_published_again_from_where_it_is_kept(stream, monkeypatch):
    monkeypatch.setattr(relay, "KEEP", 4)
    happen(10)
    publish()
    relay.forget_old_publications()
    streams.client().delete(stream.key)

    stream.want("somebody", 2)
    relay.look_after_streams()
    publish()

    assert positions(stream) == [7, 8, 9, 10]


def test_events_of_the_past_are_published_once_more_after_those_that_wait(stream):
    ids = happen(4)
    publish()

    assert relay.publish_once_more(Event.objects.filter(pk__in=ids[1:3])) == 2
    publish()

    assert told(stream) == [*ids, *ids[1:3]]
    assert positions(stream) == [1, 2, 3, 4, 5, 6]


def test_nothing_is_pending_once_it_has_its_position(stream):
    happen(3)
    relay._number()

    assert not PendingEvent.objects.exists()
    assert relay.unpublished() == 3
