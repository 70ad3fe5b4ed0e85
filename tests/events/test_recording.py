"""Events are written with what happened, say who asked for it, and are never changed."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from events.models import Event, PendingEvent
from events.operations import operation
from events.recording import acting, event, record
from events.signals import recorded
from tests.factories import NOW

Kind = Event.Kind


@operation
def note(*events: Event) -> None:
    record(*events)


@pytest.mark.django_db
def test_an_event_keeps_what_it_was_told_and_leaves_out_what_is_none():
    note(event(Kind.CHECKOUT, at=NOW, book_id=1, copy_id=2, member_id=3, loan_id=4, limit=5, override=None, open=0))

    [written] = Event.objects.values("kind", "occurred_at", "book_id", "copy_id", "member_id", "loan_id", "payload")
    assert written == {
        "kind": "checkout",
        "occurred_at": NOW,
        "book_id": 1,
        "copy_id": 2,
        "member_id": 3,
        "loan_id": 4,
        "payload": {"limit": 5, "open": 0},
    }


@pytest.mark.django_db
def test_events_are_written_in_their_order_in_one_statement(django_assert_num_queries):
    several = [event(Kind.COPY_ADDED, at=NOW, copy_id=number) for number in (3, 1, 2)]

    with transaction.atomic(), django_assert_num_queries(1):
        record(*several)

    assert list(Event.objects.order_by("pk").values_list("copy_id", flat=True)) == [3, 1, 2]
    assert [one.pk for one in several] == sorted(one.pk for one in several)


@pytest.mark.django_db
def test_every_event_is_pending_from_the_moment_it_is_written():
    note(event(Kind.RETURN, at=NOW), event(Kind.HOLD, at=NOW))

    assert set(PendingEvent.objects.values_list("event_id", flat=True)) == set(
        Event.objects.values_list("pk", flat=True)
    )


@pytest.mark.django_db
def test_no_event_is_not_one(django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(0):
        record()


@pytest.mark.django_db
def test_whoever_caches_hears_of_what_was_written():
    heard = []

    def listen(sender, events, **_):
        heard.extend(events)

    recorded.connect(listen)
    try:
        one = event(Kind.RENEW, at=NOW, book_id=1)
        note(one)
    finally:
        recorded.disconnect(listen)
    assert heard == [one]


@pytest.mark.django_db(transaction=True)
def test_events_belong_inside_an_operation():
    with pytest.raises(TransactionManagementError, match="belongs inside an operation"):
        record(event(Kind.RENEW, at=NOW))
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_operation_that_fails_leaves_no_event_and_nothing_pending():
    @operation
    def fail():
        record(event(Kind.RENEW, at=NOW))
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert not Event.objects.exists()
    assert not PendingEvent.objects.exists()


# --- Who asked --------------------------------------------------------------------------------------------


def test_an_event_names_the_account_that_asked_for_it():
    with acting(7):
        assert event(Kind.RENEW, at=NOW).actor_id == 7
        with acting(None):
            assert event(Kind.RENEW, at=NOW).actor_id is None
        assert event(Kind.RENEW, at=NOW).actor_id == 7
    assert event(Kind.RENEW, at=NOW).actor_id is None


def test_an_error_does_not_leave_the_account_behind():
    with pytest.raises(ValueError, match=r"^$"), acting(7):
        raise ValueError
    assert event(Kind.RENEW, at=NOW).actor_id is None


def test_what_another_thread_does_was_not_asked_for_by_this_account():
    actors = []
    with acting(7):
        thread = threading.Thread(target=lambda: actors.append(event(Kind.RENEW, at=NOW).actor_id))
        thread.start()
        thread.join()
    assert actors == [None]


# --- For good ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("change", [lambda rows: rows.update(book_id=2), lambda rows: rows.delete()])
def test_events_are_never_changed_or_deleted(change):
    note(event(Kind.RETURN, at=NOW, book_id=1))

    with pytest.raises(IntegrityError, match="events are never changed or deleted"), transaction.atomic():
        change(Event.objects.all())
    assert Event.objects.get().book_id == 1


@pytest.mark.django_db
def test_whoever_anonymises_says_so_for_one_transaction():
    note(event(Kind.RETURN, at=NOW, member_id=1))

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL circdesk.anonymising = 'on'")
        Event.objects.update(member_id=None)
    assert Event.objects.get().member_id is None
