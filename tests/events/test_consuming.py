"""Consumers: every message once and in order, whatever is killed, lost or cannot be handled."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from events import consuming, relay
from events import stream as streams
from events.consuming import Group, Worker, retry
from events.models import Consumer, FailedMessage
from tests.events.conftest import happen, publish

pytestmark = pytest.mark.django_db(transaction=True)


class Shelf:
    """Where a group of ours puts what it handled."""

    def __init__(self, stream, **options):
        self.ids, self.calls, self.missed, self.poisoned = [], 0, 0, set()
        self.group = Group("tests", stream, self.handle, self.miss, **options)

    def handle(self, messages):
        self.calls += 1
        for message in messages:
            if message["id"] in self.poisoned:
                raise ValueError(f"cannot handle {message['id']}")
        self.ids += [message["id"] for message in messages]

    def miss(self):
        self.missed += 1


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(consuming, "BLOCK", 0.01)
    monkeypatch.setattr(consuming, "ASK_AGAIN", 0.0)


@pytest.fixture
def shelf(stream):
    """A group that has begun."""
    relay.look_after_streams()
    shelf = Shelf(stream)
    Worker(shelf.group, "first").step()
    Consumer.objects.update(held_until=None)
    shelf.missed = 0
    return shelf


def work(worker, *, until, steps=50):
    for _ in range(steps):
        if until():
            return
        worker.step()
        relay.look_after_streams()
        publish()
    raise AssertionError("it does not get there")


def at():
    return Consumer.objects.get(group="tests").position


def test_a_consumer_gets_every_message_in_order(shelf):
    ids = happen(250)
    publish()

    work(Worker(shelf.group), until=lambda: at() == 250)

    assert shelf.ids == ids


def test_a_new_consumer_begins_with_what_comes_and_is_told_that_it_missed_the_past(stream):
    happen(3)
    publish()
    shelf = Shelf(stream)
    worker = Worker(shelf.group)
    worker.step()
    [following] = happen(1)
    publish()

    work(worker, until=lambda: at() == 4)

    assert shelf.ids == [following]
    assert shelf.missed == 1


def test_messages_are_acknowledged_after_the_commit(shelf, stream):
    happen(3)
    publish()
    worker = Worker(shelf.group)

    def unacknowledged():
        return streams.client().xpending(stream.key, "tests")["pending"]

    seen = []
    handle = shelf.handle
    shelf.group = Group("tests", stream, lambda messages: (seen.append(unacknowledged()), handle(messages)))
    worker = Worker(shelf.group)
    work(worker, until=lambda: at() == 3)

    assert seen == [3]
    assert unacknowledged() == 0


def test_what_was_handled_and_comes_again_is_acknowledged_and_that_is_all(shelf, stream):
    ids = happen(5)
    publish()
    worker = Worker(shelf.group)
    work(worker, until=lambda: at() == 5)

    stream.want("somebody else", 1)
    relay.look_after_streams()
    publish()
    for _ in range(5):
        worker.step()

    assert shelf.ids == ids
    assert streams.client().xlen(stream.key) == 10
    assert streams.client().xpending(stream.key, "tests")["pending"] == 0


def test_whoever_takes_over_claims_what_was_delivered_and_not_handled(shelf, stream):
    ids = happen(5)
    publish()
    assert len(stream.read("tests", "killed", count=3, wait=1)) == 3

    worker = Worker(shelf.group)
    work(worker, until=lambda: at() == 5)

    assert shelf.ids == ids
    assert streams.client().xpending(stream.key, "tests")["pending"] == 0
    assert [consumer["name"] for consumer in streams.client().xinfo_consumers(stream.key, "tests")] == [worker.name]


def test_what_was_handled_and_not_acknowledged_is_not_handled_again(shelf, stream, monkeypatch):
    """As after a kill between the COMMIT and the acknowledgement."""
    ids = happen(3)
    publish()
    killed = Worker(shelf.group, "killed")

    def dies(self, group, entries):
        if entries:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(streams.Stream, "acknowledge", dies)
        with pytest.raises(KeyboardInterrupt):
            killed.step()
    assert shelf.ids == ids
    Consumer.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    ids += happen(1)
    publish()
    work(Worker(shelf.group), until=lambda: at() == 4)

    assert shelf.ids == ids
    assert streams.client().xpending(stream.key, "tests")["pending"] == 0


def test_a_second_one_stands_by_until_the_first_says_nothing_any_more(shelf):
    [first_id] = happen(1)
    publish()
    first, second = Worker(shelf.group, "one"), Worker(shelf.group, "two")
    work(first, until=lambda: at() == 1)
    [second_id] = happen(1)
    publish()
    assert second.step() is None
    assert shelf.ids == [first_id]

    Consumer.objects.update(held_until=timezone.now() - timedelta(seconds=0.1))
    work(second, until=lambda: at() == 2)

    assert shelf.ids == [first_id, second_id]
    assert first.step() is None


def test_one_that_lost_its_turn_while_it_read_changes_nothing(shelf, stream, monkeypatch):
    happen(2)
    publish()
    worker = Worker(shelf.group, "slow")
    look = Worker._look

    def late(self, position, entries):
        Consumer.objects.update(holder="another")
        return look(self, position, entries)

    monkeypatch.setattr(Worker, "_look", late)
    with pytest.raises(consuming.Busy):
        worker.step()

    assert shelf.ids == []
    assert at() == 0


def test_when_redis_loses_everything_what_was_not_handled_comes_again(shelf, stream):
    ids = happen(5)
    publish()
    worker = Worker(shelf.group)
    work(worker, until=lambda: at() == 5)
    ids += happen(5)
    publish()
    stream.remove()
    ids += happen(5)
    publish()

    work(worker, until=lambda: at() == 15)

    assert shelf.ids == ids
    assert shelf.missed == 0


def test_an_end_that_was_lost_comes_again_though_nothing_follows(shelf, stream):
    """As after a kill of Redis, whose file lags behind by a second."""
    ids = happen(5)
    publish()
    for entry in stream.last(2):
        streams.client().xdel(stream.key, entry.id)

    work(Worker(shelf.group), until=lambda: at() == 5)

    assert shelf.ids == ids


def test_a_hole_in_the_middle_is_filled(shelf, stream):
    ids = happen(9)
    publish()
    streams.client().xdel(stream.key, stream.last(100)[4].id)

    work(Worker(shelf.group), until=lambda: at() == 9)

    assert shelf.ids == ids


def test_a_consumer_that_was_away_for_longer_than_the_stream_is_gets_what_was_trimmed(shelf, stream, monkeypatch):
    monkeypatch.setattr(streams, "LENGTH", 100)
    ids = happen(700)
    publish()
    assert streams.client().xlen(stream.key) < 300

    work(Worker(shelf.group), until=lambda: at() == 700, steps=1000)

    assert shelf.ids == ids
    assert shelf.missed == 0


def test_what_is_not_kept_any_more_is_told_as_missed(shelf, stream, monkeypatch, caplog):
    monkeypatch.setattr(relay, "KEEP", 10)
    ids = happen(50)
    publish()
    stream.remove()
    relay.forget_old_publications()
    relay.look_after_streams()

    work(Worker(shelf.group), until=lambda: at() == 50)

    assert shelf.ids == ids[40:]
    assert shelf.missed == 1
    assert "missed what is not kept any more, up to position 40" in caplog.text


def test_after_the_source_was_restored_from_a_backup_its_consumers_follow_it(shelf, stream, monkeypatch, caplog):
    monkeypatch.setattr(consuming, "WENT_BACK", 0.05)
    happen(3)
    publish()
    Consumer.objects.update(position=500)
    worker = Worker(shelf.group)
    worker.step()
    assert at() == 500  # it may be Redis only that lost its last moments
    time.sleep(0.1)
    worker.step()
    assert at() == 3
    [following] = happen(1)
    publish()

    work(worker, until=lambda: at() == 4)

    assert shelf.ids[-1] == following
    assert shelf.missed == 1


def test_a_message_that_cannot_be_handled_is_set_aside_and_those_after_it_go_on(shelf):
    ids = happen(5)
    shelf.poisoned = {ids[2]}
    publish()

    work(Worker(shelf.group), until=lambda: at() == 5)

    assert shelf.ids == [*ids[:2], *ids[3:]]
    failed = FailedMessage.objects.get()
    assert (failed.group, failed.position, failed.message["id"]) == ("tests", 3, ids[2])
    assert failed.error == f"ValueError: cannot handle {ids[2]}"
    assert failed.attempts == 1
    assert failed.retry_at is not None


def test_what_was_set_aside_is_tried_again_and_then_handled(shelf):
    [pk] = happen(1)
    shelf.poisoned = {pk}
    publish()
    worker = Worker(shelf.group)
    work(worker, until=lambda: at() == 1)
    worker.step()
    assert FailedMessage.objects.get().attempts == 1  # not before its time
    FailedMessage.objects.update(retry_at=timezone.now())
    shelf.poisoned = set()
    worker.step()

    assert shelf.ids == [pk]
    assert not FailedMessage.objects.exists()


def test_after_some_attempts_it_is_given_up_and_kept(shelf):
    [pk] = happen(1)
    shelf.poisoned = {pk}
    publish()
    worker = Worker(shelf.group)
    work(worker, until=lambda: at() == 1)
    for _ in range(10):
        FailedMessage.objects.filter(retry_at__isnull=False).update(retry_at=timezone.now())
        worker.step()

    failed = FailedMessage.objects.get()
    assert failed.retry_at is None
    assert failed.attempts == 5

    shelf.poisoned = set()
    assert retry(failed, shelf.group)
    assert shelf.ids == [pk]


def test_trouble_with_the_database_is_no_fault_of_the_message(shelf, caplog):
    [pk] = happen(1)
    publish()
    worker = Worker(shelf.group)
    worker.step()
    handle, failing = shelf.handle, [True]

    def breaks(messages):
        if failing:
            failing.clear()
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")
        handle(messages)

    worker.group = Group("tests", shelf.group.stream, breaks)
    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    happen(1)
    publish()
    worker.run(stop)

    assert shelf.ids[-1] == pk + 1
    assert not FailedMessage.objects.exists()
    assert "Consumer tests waits" in caplog.text
    assert "cannot handle" not in caplog.text


def test_a_process_at_work_goes_on_when_redis_comes_back_and_says_so_once(shelf, settings, caplog):
    url = settings.EVENTS_REDIS_URL
    ids = happen(2)
    publish()
    settings.EVENTS_REDIS_URL = "redis://127.0.0.1:1/0"
    stop = threading.Event()

    def run():
        Worker(shelf.group).run(stop)
        connection.close()

    thread = threading.Thread(target=run)
    with caplog.at_level("INFO", "events.consuming"):
        thread.start()
        time.sleep(1.2)
        settings.EVENTS_REDIS_URL = url
        give_up = time.monotonic() + 10
        while at() != 2 and time.monotonic() < give_up:
            time.sleep(0.05)
        stop.set()
        thread.join(10)

    assert shelf.ids == ids
    assert [record.message.partition(":")[0] for record in caplog.records if record.name == "events.consuming"] == [
        "Consumer tests waits",
        "Consumer tests goes on.",
    ]
    assert Consumer.objects.get(group="tests").held_until is None  # the next one may come at once
