"""The relay: every committed event is told of at least once, in order, whatever fails."""

import threading

import pytest
from django.db import connection, transaction

from circulation.services import check_out, return_copy
from events import relay
from events.models import Event, PendingEvent, Relay
from library.services import add_title
from tests.factories import NOW, BookFactory, MemberFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard(monkeypatch):
    """The ids that a handler of ours was told, in its order, and nobody else was told any."""
    ids = []

    def listen(publications):
        ids.extend(publication.event.pk for publication in publications)
        return True

    monkeypatch.setattr(relay, "handlers", [listen])
    return ids


def event_ids():
    return list(Event.objects.order_by("pk").values_list("pk", flat=True))


def test_every_event_is_told_of_once_and_in_order(heard):
    book, member = BookFactory(copies=1), MemberFactory()
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    return_copy(member_id=member.pk, book_id=book.pk, at=NOW)

    assert relay.relay_pending() == 2
    assert heard == event_ids()
    assert relay.relay_pending() == 0
    assert not PendingEvent.objects.exists()


def test_what_was_rolled_back_is_not_told_of(heard):
    add_title.rehearse(at=NOW, title="Middlemarch")

    assert relay.relay_pending() == 0
    assert heard == []


def test_a_handler_that_fails_is_told_again(monkeypatch):
    add_title(at=NOW, title="Middlemarch", copies=0)
    answers = iter([False, True])
    monkeypatch.setattr(relay, "handlers", [lambda events: next(answers)])

    assert relay.relay_pending() == 0
    assert relay.unpublished() == 1
    assert relay.relay_pending() == 1
    assert relay.unpublished() == 0


def test_a_handler_that_breaks_loses_nothing(monkeypatch):
    add_title(at=NOW, title="Middlemarch", copies=0)

    def breaks(events):
        raise ConnectionError

    monkeypatch.setattr(relay, "handlers", [breaks])
    with pytest.raises(ConnectionError):
        relay.relay_pending()
    assert relay.unpublished() == 1


def test_one_batch_follows_the_other(heard, monkeypatch):
    monkeypatch.setattr(relay, "BATCH", 2)
    add_title(at=NOW, title="Middlemarch", copies=4)

    assert [relay.relay_pending() for _ in range(4)] == [2, 2, 1, 0]
    assert heard == event_ids()


def test_a_second_relay_stands_by(heard):
    add_title(at=NOW, title="Middlemarch", copies=0)
    told = []

    def other_relay():
        told.append(relay.relay_pending())
        connection.close()

    Relay.objects.create(pk=1)
    with transaction.atomic():
        Relay.objects.select_for_update().get()
        thread = threading.Thread(target=other_relay)
        thread.start()
        thread.join()
    assert told == [0]
    assert relay.relay_pending() == 1


def test_an_event_that_commits_after_a_later_one_is_not_skipped(heard):
    """Ids are given before commits: the lower id may become visible last."""
    written, go_on = threading.Event(), threading.Event()

    def slow_writer():
        with transaction.atomic():
            Event.objects.create(kind=Event.Kind.MEMBER_EDITED, member_id=1, occurred_at=NOW)
            written.set()
            go_on.wait(5)
        connection.close()

    thread = threading.Thread(target=slow_writer)
    thread.start()
    written.wait(5)
    Event.objects.create(kind=Event.Kind.MEMBER_EDITED, member_id=2, occurred_at=NOW)
    assert relay.relay_pending() == 1
    go_on.set()
    thread.join()
    assert relay.relay_pending() == 1
    lower, higher = event_ids()
    assert heard == [higher, lower]
