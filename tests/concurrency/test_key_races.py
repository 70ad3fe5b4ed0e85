"""The same request many times at once under one Idempotency-Key: done once, answered alike."""

import json
from functools import partial

import pytest
from django.db import connection

from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import check_out, renew
from events.exceptions import KeyInProgress
from events.models import Event, StoredAnswer
from events.operations import Bytes, Key
from tests.concurrency.library import new_member, new_members, new_title, new_titles
from tests.concurrency.races import race
from tests.factories import NOW, general_policy

pytestmark = pytest.mark.django_db(transaction=True)


def render_check_out(lent):
    return Bytes(201, json.dumps({"loan": lent.loan.pk}).encode(), {"Location": f"/api/loans/{lent.loan.pk}/"})


def render_renewal(loan):
    return Bytes(200, json.dumps({"renewals": loan.renewals}).encode())


def with_patience(call):
    """As a client that waits and repeats when told that its first request still runs."""

    def patient():
        while True:
            try:
                return call()
            except KeyInProgress:
                continue

    return patient


@pytest.mark.parametrize("patient", [False, True], ids=["once each", "until answered"])
def test_one_key_sixteen_times_at_once_has_one_effect_and_one_answer(patient, begun_again):
    member, book, key = new_member(), new_title(copies=16), Key("desk", "k1", "same")
    call = partial(check_out.answered, key, render_check_out, member_id=member.pk, book_id=book.pk, at=NOW)

    outcomes = race([with_patience(call) if patient else call] * 16)

    loan = Loan.objects.get()
    answers = {(answer.status, answer.body, answer.headers["Location"]) for answer in outcomes.done}
    assert answers == {(201, b'{"loan": %d}' % loan.pk, f"/api/loans/{loan.pk}/")}
    assert sum(not answer.replayed for answer in outcomes.done) == 1
    assert outcomes.refused["IDEMPOTENCY_IN_PROGRESS"] == 16 - len(outcomes.done) == outcomes.refused.total()
    if patient:
        assert len(outcomes.done) == 16
    # Whoever was told to wait gets the stored answer the next time.
    again = call()
    assert (again.body, again.replayed) == (b'{"loan": %d}' % loan.pk, True)
    assert Event.objects.filter(kind="checkout").count() == StoredAnswer.objects.count() == 1
    assert begun_again == []
    assert broken(at=NOW) == []


def test_one_key_with_different_requests_does_one_of_them(begun_again):
    member, books = new_member(), new_titles(8, copies=1)

    outcomes = race(
        partial(
            check_out.answered,
            Key("desk", "k1", f"title {book.pk}"),
            render_check_out,
            member_id=member.pk,
            book_id=book.pk,
            at=NOW,
        )
        for book in books
    )

    assert len(outcomes.done) == Loan.objects.count() == 1
    assert set(outcomes.refused) <= {"IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED"}
    assert outcomes.refused.total() == 7


def test_many_keys_do_not_hinder_each_other(begun_again):
    members, book = new_members(40), new_title(copies=40)

    outcomes = race(
        partial(
            check_out.answered,
            Key("desk", f"k{member.pk}", "same"),
            render_check_out,
            member_id=member.pk,
            book_id=book.pk,
            at=NOW,
        )
        for member in members
    )

    assert len(outcomes.done) == StoredAnswer.objects.count() == Loan.objects.active().count() == 40
    assert begun_again == []
    assert broken(at=NOW) == []


# --- Controls ----------------------------------------------------------------------------------------------------


def renewals_under_one_key():
    general_policy(max_renewals=100)
    loan = check_out(member_id=new_member().pk, book_id=new_title().pk, at=NOW).loan
    return loan, [partial(renew.answered, Key("desk", "k1", "same"), render_renewal, loan_id=loan.pk, at=NOW)] * 16


def without_the_keys_lock(execute, sql, *rest):
    return execute(sql.replace("pg_try_advisory_xact_lock(%s)", "%s::bigint IS NOT NULL"), *rest)


def test_renewals_under_one_key_renew_once(begun_again):
    loan, renewals = renewals_under_one_key()

    race(renewals)

    loan.refresh_from_db()
    assert (loan.renewals, begun_again) == (1, [])


def test_control_without_the_keys_lock_the_constraint_undoes_what_was_done_again(begun_again):
    loan, renewals = renewals_under_one_key()

    outcomes = race(renewals, around=without_the_keys_lock)

    loan.refresh_from_db()
    assert loan.renewals == 1
    assert {answer.body for answer in outcomes.done} == {b'{"renewals": 1}'}
    assert len(begun_again) > 0


def test_control_without_lock_and_constraint_it_is_done_again_and_again():
    loan, renewals = renewals_under_one_key()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events_storedanswer DROP CONSTRAINT one_answer_per_key")
    try:
        race(renewals, around=without_the_keys_lock)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE events_storedanswer")
            cursor.execute("ALTER TABLE events_storedanswer ADD CONSTRAINT one_answer_per_key UNIQUE (caller, key)")

    loan.refresh_from_db()
    assert loan.renewals > 1
