"""Answers are kept under their Idempotency-Key: once per key, with what they report."""

import threading

import pytest
from django.db import connection

from events.exceptions import DomainError
from events.models import StoredAnswer
from events.operations import Bytes, Key, operation
from library.exceptions import CopyNotCirculating
from tests.events.desks import OtherDesk, name_of, rename
from tests.factories import MemberFactory
from tests.refusals import refused

pytestmark = pytest.mark.django_db


def render(name: str) -> Bytes:
    return Bytes(201, f"renamed to {name}\0ü".encode(), {"Location": f"/{name}"})


def test_the_answer_to_a_key_is_kept_with_what_it_reports():
    member, key = MemberFactory(), Key("desk", "k1", "same")

    answer = rename.answered(key, render, member, "Augusta")

    assert answer == Bytes(201, "renamed to Augusta\0ü".encode(), {"Location": "/Augusta"}, replayed=False)
    stored = StoredAnswer.objects.get()
    assert (stored.caller, stored.key, stored.fingerprint, stored.status) == ("desk", "k1", "same", 201)
    assert (bytes(stored.body), stored.headers) == (answer.body, answer.headers)
    assert str(stored) == "k1 of desk"


def test_the_same_request_under_the_same_key_happens_once_and_gets_the_same_bytes():
    member, key = MemberFactory(), Key("desk", "k1", "same")
    first = rename.answered(key, render, member, "Augusta")

    again = rename.answered(key, render, member, "Byron")

    assert (again.status, again.body, again.headers, again.replayed) == (first.status, first.body, first.headers, True)
    assert name_of(member) == "Augusta"


def test_another_request_under_the_same_key_is_refused():
    member = MemberFactory()
    rename.answered(Key("desk", "k1", "one"), render, member, "Augusta")

    with refused("IDEMPOTENCY_KEY_REUSED") as caught:
        rename.answered(Key("desk", "k1", "other"), render, member, "Byron")

    assert caught.value.kind == "unprocessable"
    assert name_of(member) == "Augusta"


def test_callers_do_not_share_keys():
    member = MemberFactory()
    rename.answered(Key("desk", "k1", "same"), render, member, "Augusta")

    rename.answered(Key("another", "k1", "same"), render, member, "Byron")

    assert name_of(member) == "Byron"
    assert StoredAnswer.objects.count() == 2


def test_a_refused_operation_keeps_no_answer_so_the_key_may_try_again():
    member, key = MemberFactory(), Key("desk", "k1", "same")
    refusals = [CopyNotCirculating("not yet")]

    @operation
    def rename_later():
        if refusals:
            raise refusals.pop()
        return rename.__wrapped__(member, "Augusta")

    with refused("COPY_NOT_CIRCULATING"):
        rename_later.answered(key, render)
    assert not StoredAnswer.objects.exists()

    assert rename_later.answered(key, render).replayed is False


def test_an_answer_that_cannot_be_rendered_undoes_the_operation():
    member = MemberFactory()

    def fail(name):
        raise ValueError(name)

    with pytest.raises(ValueError, match="Augusta"):
        rename.answered(Key("desk", "k1", "same"), fail, member, "Augusta")

    assert name_of(member) == "Ada"
    assert not StoredAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_key_whose_first_request_still_runs_is_told_so():
    member, key = MemberFactory(), Key("desk", "k1", "same")
    seen = []

    @operation
    def rename_slowly():
        def same_request_elsewhere():
            try:
                rename.answered(key, render, member, "Byron")
            except DomainError as refusal:
                seen.append((refusal.code, refusal.kind))
            finally:
                connection.close()

        elsewhere = threading.Thread(target=same_request_elsewhere)
        elsewhere.start()
        elsewhere.join()
        return rename.__wrapped__(member, "Augusta")

    rename_slowly.answered(key, render)

    assert seen == [("IDEMPOTENCY_IN_PROGRESS", "conflict")]
    assert name_of(member) == "Augusta"


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_was_committed_after_we_looked_is_found_at_the_second_look():
    """The unique constraint guards the answers even if the advisory lock should fail to."""
    member, key = MemberFactory(), Key("desk", "k1", "same")
    runs = []

    @operation
    def rename_while_another_answers():
        runs.append(1)
        with OtherDesk() as other:
            other.execute(
                "INSERT INTO events_storedanswer (caller, key, fingerprint, status, headers, body, created_at)"
                " VALUES ('desk', 'k1', 'same', 200, '{}', 'theirs', now())"
            )
            other.commit()
        return rename.__wrapped__(member, "Augusta")

    answer = rename_while_another_answers.answered(key, render)

    assert (answer.status, answer.body, answer.replayed, len(runs)) == (200, b"theirs", True, 1)
    assert name_of(member) == "Ada"
