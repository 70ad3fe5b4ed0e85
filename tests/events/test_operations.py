"""The transaction of an operation: whole or not at all, retried, rehearsed, recorded."""

import threading
import time
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg_pool import PoolTimeout

from events import operations
from events.exceptions import DomainError
from events.models import Event, PendingEvent
from events.operations import (
    ATTEMPTS,
    Restart,
    constraint_of,
    discard_dead_connections,
    operation,
    require_transaction,
    together,
)
from events.recording import acting, event, record
from library import locks
from library.exceptions import CopyNotCirculating, Duplicate
from library.models import Branch, Member
from tests.events.desks import OtherDesk, name_of, rename
from tests.factories import NOW, BookFactory, BranchFactory, MemberFactory
from tests.refusals import refused
from tests.sessions import waiting_at_most

pytestmark = pytest.mark.django_db


# --- Whole or not at all ---------------------------------------------------------------------------------------


def test_an_operation_is_called_like_its_function_and_looks_like_it():
    member = MemberFactory()

    assert rename(member, name="Augusta") == "Augusta"
    assert name_of(member) == "Augusta"
    assert (rename.__name__, rename.__doc__) == ("rename", "Give a member another name.")


def test_an_operation_that_fails_changes_nothing():
    member = MemberFactory()

    @operation
    def fail():
        Member.objects.filter(pk=member.pk).update(first_name="Augusta")
        raise CopyNotCirculating("no")

    with refused("COPY_NOT_CIRCULATING"):
        fail()

    assert name_of(member) == "Ada"


@pytest.mark.django_db(transaction=True)
def test_operations_never_nest():
    member = MemberFactory()

    @operation
    def outer():
        rename(member, "Augusta")

    with pytest.raises(RuntimeError, match="durable"):
        outer()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        rename(member, "Augusta")
    assert name_of(member) == "Ada"


@pytest.mark.django_db(transaction=True)
def test_steps_know_whether_they_are_inside_an_operation():
    with pytest.raises(transaction.TransactionManagementError):
        require_transaction()
    operation(require_transaction)()


# --- Rehearsal -------------------------------------------------------------------------------------------------


def test_a_rehearsal_returns_what_the_operation_would_and_changes_nothing():
    member = MemberFactory()

    assert rename.rehearse(member, "Augusta") == "Augusta"
    assert name_of(member) == "Ada"


def test_a_rehearsal_is_refused_as_the_operation_would_be():
    @operation
    def fail():
        raise CopyNotCirculating("no")

    with refused("COPY_NOT_CIRCULATING"):
        fail.rehearse()


# --- Another try -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_loser_of_a_deadlock_tries_again():
    books = BookFactory.create_batch(2)
    first_lock_taken = threading.Barrier(2)
    runs = []

    @operation
    def lock_both(one, other):
        runs.append(one)
        locks.lock_book(one)
        if len(runs) <= 2:
            first_lock_taken.wait(10)
        locks.lock_book(other)
        return one

    results = []

    def desk(one, other):
        try:
            results.append(lock_both(one.pk, other.pk))
        finally:
            connection.close()

    desks = [threading.Thread(target=desk, args=pair) for pair in (books, reversed(books))]
    for thread in desks:
        thread.start()
    for thread in desks:
        thread.join()

    assert sorted(results) == sorted(book.pk for book in books)
    assert len(runs) == 3  # twice in parallel, then the loser once more


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("conflicts", [1, ATTEMPTS - 1, ATTEMPTS])
def test_a_serialization_failure_is_tried_again_a_few_times(conflicts):
    member = MemberFactory()
    runs = []

    @operation
    def rename_in_snapshot():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT 1 FROM library_member")
        runs.append(1)
        if len(runs) <= conflicts:
            with OtherDesk() as other:
                other.execute("UPDATE library_member SET first_name = 'Byron'")
                other.commit()
        Member.objects.filter(pk=member.pk).update(first_name="Augusta")

    if conflicts < ATTEMPTS:
        rename_in_snapshot()
        assert (len(runs), name_of(member)) == (conflicts + 1, "Augusta")
    else:
        with pytest.raises(OperationalError):
            rename_in_snapshot()
        assert (len(runs), name_of(member)) == (ATTEMPTS, "Byron")


def test_an_operation_that_learned_what_it_must_lock_begins_again():
    runs = []

    @operation
    def restart_twice():
        runs.append(MemberFactory())
        if len(runs) < 3:
            raise Restart
        return len(runs)

    assert restart_twice() == 3
    assert list(Member.objects.all()) == [runs[-1]]


def test_an_operation_that_never_gets_what_it_must_lock_gives_up():
    runs = []

    @operation
    def restart_for_ever():
        runs.append(1)
        raise Restart

    with refused("BUSY") as caught:
        restart_for_ever()

    assert (len(runs), caught.value.kind) == (ATTEMPTS, "busy")


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_too_long_for_a_lock_is_told_that_the_desk_is_busy():
    book = BookFactory()
    lock = operation(locks.lock_book)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("3s",)
    with waiting_at_most("50ms"), OtherDesk() as other:
        other.execute("SELECT 1 FROM library_book WHERE id = %s FOR NO KEY UPDATE", book.pk)
        with refused("BUSY") as caught:
            lock(book.pk)
        other.commit()
        assert lock(book.pk) == book

    assert caught.value.kind == "busy"
    assert caught.value.message == "The desk is busy with this title or member. Please try again."


@pytest.mark.django_db(transaction=True)
def test_whoever_waited_in_vain_for_a_connection_does_not_wait_again():
    options = connection.settings_dict["OPTIONS"]
    usual, runs = options["pool"], []

    @operation
    def use_the_desk():
        runs.append(1)

    def another_request():
        try:
            with pytest.raises(OperationalError) as caught:
                use_the_desk()
            assert isinstance(caught.value.__cause__, PoolTimeout)
            runs.append("refused")
        finally:
            connection.close()

    connection.close()
    connection.close_pool()
    options["pool"] = {"min_size": 1, "max_size": 1, "timeout": 0.2}
    try:
        connection.ensure_connection()
        request = threading.Thread(target=another_request)
        began = time.monotonic()
        request.start()
        request.join()
    finally:
        connection.close()
        connection.close_pool()
        options["pool"] = usual

    assert runs == ["refused"]
    assert time.monotonic() - began < 20


def end_own_connection() -> None:
    """As when the server restarts under a running operation."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    with OtherDesk() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", backend)


@pytest.mark.django_db(transaction=True)
def test_an_operation_whose_connection_breaks_before_its_end_begins_again():
    runs = []

    @operation
    def rename_through_a_restart():
        runs.append(MemberFactory())
        if len(runs) == 1:
            end_own_connection()
        return rename.__wrapped__(runs[-1], "Augusta")

    assert rename_through_a_restart() == "Augusta"

    assert len(runs) == 2
    assert list(Member.objects.all()) == [runs[-1]]


@pytest.mark.django_db(transaction=True)
def test_an_operation_whose_connection_breaks_at_its_end_is_not_repeated():
    """Whether it took effect cannot be known, and done twice would be worse than reported as failed."""
    runs = []

    @operation
    def break_at_the_end():
        runs.append(MemberFactory())
        end_own_connection()

    with pytest.raises(OperationalError):
        break_at_the_end()

    assert len(runs) == 1
    connection.close()
    assert not Member.objects.exists()


# --- Constraints -----------------------------------------------------------------------------------------------


def test_a_constraint_without_a_refusal_is_an_error_as_it_is():
    @operation
    def same_branch_again():
        BranchFactory(name=Branch.MAIN)

    with pytest.raises(IntegrityError) as caught:
        same_branch_again()

    assert constraint_of(caught.value) == "one_branch_per_name"
    assert constraint_of(IntegrityError("made up")) is None


def test_every_refusal_that_stands_for_a_constraint_names_one_that_exists():
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint UNION SELECT indexname FROM pg_indexes")
        existing = {name for (name,) in cursor.fetchall()}

    assert set(operations.refusal_of_constraint) <= existing
    for refusal in operations.refusal_of_constraint.values():
        assert isinstance(refusal(), DomainError)


# --- The record ------------------------------------------------------------------------------------------------


def test_events_are_recorded_in_order_with_who_asked_for_them():
    one = event(Event.Kind.CHECKOUT, at=NOW, book_id=1, copy_id=2, member_id=3, loan_id=4, reservation_id=5, days=7)
    with acting(42):
        other = event(Event.Kind.RETURN, at=NOW, nothing=None, zero=0)

    with transaction.atomic():
        record(one, other)
        record()

    first, second = Event.objects.order_by("id")
    assert (first.book_id, first.copy_id, first.member_id, first.loan_id, first.reservation_id) == (1, 2, 3, 4, 5)
    assert (first.kind, first.actor_id, first.payload, first.occurred_at) == ("checkout", None, {"days": 7}, NOW)
    assert (second.kind, second.actor_id, second.payload) == ("return", 42, {"zero": 0})
    assert str(first) == "checkout at 2026-03-02 10:00"
    assert str(PendingEvent.objects.get(pk=first.pk)) == f"event {first.pk}"
    assert event(Event.Kind.RETURN, at=NOW).actor_id is None


@pytest.mark.django_db(transaction=True)
def test_events_are_recorded_inside_an_operation_only():
    with pytest.raises(transaction.TransactionManagementError):
        record(event(Event.Kind.RETURN, at=NOW))
    assert not Event.objects.exists()


def test_every_event_waits_to_be_published():
    with transaction.atomic():
        record(*(event(Event.Kind.RETURN, at=datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2, 3)))

    assert list(PendingEvent.objects.order_by("pk").values_list("pk", flat=True)) == list(
        Event.objects.order_by("id").values_list("id", flat=True)
    )
    assert Event.objects.count() == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda: Event.objects.update(payload={}),
        lambda: Event.objects.all()._raw_delete("default"),
        lambda: Event.objects.filter(kind="return").update(occurred_at=NOW),
    ],
    ids=["update", "delete", "update to the same"],
)
def test_events_are_never_changed_or_deleted(change):
    with transaction.atomic():
        record(event(Event.Kind.RETURN, at=NOW, book_id=7))

    with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
        change()

    assert Event.objects.get().book_id == 7


def test_only_the_anonymiser_lifts_that_and_only_for_its_own_transaction():
    with transaction.atomic():
        record(event(Event.Kind.RETURN, at=NOW, member_id=7))

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL circdesk.anonymising = 'on'")
        Event.objects.update(member_id=None)
        assert Event.objects.get().member_id is None
        Event.objects.all()._raw_delete("default")
        assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_dead_connections_are_discarded_too_where_none_was_ever_wanted():
    """As by a process that has not asked the database anything yet, when something else went away."""
    connection.close()
    connection.close_pool()

    discard_dead_connections()

    assert Event.objects.count() == 0


# --- Several together ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_operations_together_take_effect_together_or_not_at_all():
    ada, bea = MemberFactory(), MemberFactory()

    with together():
        rename(ada, name="Augusta")
        rename(bea, name="Beatrice")

    def fail():
        with together():
            rename(ada, name="Anne")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert (name_of(ada), name_of(bea)) == ("Augusta", "Beatrice")


@pytest.mark.django_db(transaction=True)
def test_one_that_is_refused_by_a_constraint_says_so_and_the_others_go_on():
    ada, bea = MemberFactory(email="ada@example.org"), MemberFactory()
    take = operation(lambda: Member.objects.filter(pk=bea.pk).update(email="ada@example.org"))

    with together():
        rename(ada, name="Augusta")
        with pytest.raises(Duplicate, match="Another member already has this e-mail address"):
            take()
        rename(bea, name="Beatrice")

    assert (name_of(ada), name_of(bea)) == ("Augusta", "Beatrice")
