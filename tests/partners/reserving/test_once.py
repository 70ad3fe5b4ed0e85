"""Whatever is repeated, lost or broken off: one reservation there, and one record of it here."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.partners import reserving
from integrations.partners.models import PartnerReservation
from integrations.partners.reserving import follow_due
from tests.api.asking import data_of, error_of, message_of
from tests.factories import (
    BookFactory,
    MemberFactory,
)
from tests.partners.reserving.asking import ISBN, ISBNS, MINUTE, live_at, reserve, there
from tests.webhooks.receiving import answering

pytestmark = pytest.mark.django_db(transaction=True)


def test_twice_with_one_key_is_done_once(partners, libraries, theirs, staff):
    isbn, book_id = theirs(copies=2)
    asked = {"book": BookFactory(isbn=isbn), "member": MemberFactory(), "key": "k"}

    first, again = (reserve(staff, isbn, **asked) for _ in range(2))

    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert len(live_at(libraries[0], book_id)) == 1
    assert PartnerReservation.objects.count() == 1
    error_of(reserve(staff, isbn, **asked | {"library": "library 3"}), 422, "IDEMPOTENCY_KEY_REUSED")


def test_a_refusal_under_a_key_is_repeated(partners, staff):
    asked = {"book": BookFactory(isbn=next(ISBNS)), "member": MemberFactory(), "key": "k"}

    first, again = (reserve(staff, ISBN, **asked) for _ in range(2))

    assert (first.status_code, again.content) == (422, first.content)
    assert PartnerReservation.objects.count() == 1


class Crash(BaseException):
    """As if the process were killed."""


@pytest.mark.parametrize("step", ["_asked", "write_down"])
def test_after_a_crash_between_the_steps_a_repetition_goes_on(partners, libraries, theirs, staff, monkeypatch, step):
    isbn, book_id = theirs(copies=2)
    asked = {"book": BookFactory(isbn=isbn), "member": MemberFactory(), "key": "k"}

    def crash(*args, **kwargs):
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(reserving, step, crash)
        with pytest.raises(Crash):
            reserve(staff, isbn, **asked)
    assert PartnerReservation.objects.get().state == "asking"

    data = data_of(reserve(staff, isbn, **asked), 201)

    [kept] = live_at(libraries[0], book_id)
    assert (data["state"], data["remote_id"]) == ("confirmed", kept["id"])


def test_what_nobody_asked_about_again_is_found_by_the_next_round(partners, libraries, theirs, staff, monkeypatch):
    isbn, book_id = theirs(copies=2)

    def crash(*args, **kwargs):
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(reserving, "write_down", crash)
        with pytest.raises(Crash):
            reserve(staff, isbn, member=MemberFactory())
    assert follow_due(timezone.now()) == 0  # somebody may still be at it
    assert follow_due(timezone.now() + 2 * MINUTE) == 1

    [kept] = live_at(libraries[0], book_id)
    made = PartnerReservation.objects.get()
    assert (made.state, made.remote_id) == ("confirmed", kept["id"])


class Between:
    """Passes requests on to a library, and loses the answers to those that it is told to."""

    def __init__(self, library, lose):
        self.library, self.lose, self.keys = library, lose, []

    def __call__(self, receiver, client):
        received = receiver.received[-1]
        method = "POST" if received.body else "GET"
        headers = {name: value for name, value in received.headers.items() if name in ("X-API-Key", "Idempotency-Key")}
        body = json.loads(received.body) if received.body else None
        answer = self.library.ask(method, received.target, body, headers=headers)
        if "reservations/reserve" in received.target:
            self.keys.append(received.headers["Idempotency-Key"])
        if not self.lose(received.target):
            answering(answer.status_code, answer.content)(receiver, client)


@pytest.mark.parametrize("lost", ["/api/members/", "/api/reservations/reserve/"])
def test_an_answer_that_gets_lost_costs_no_second_reservation(partners, libraries, theirs, staff, server, lost):
    isbn, book_id = theirs(copies=3)
    is_lost = [True]
    server.behaviour = between = Between(libraries[0], lambda target: is_lost[0] and target.startswith(lost))
    partners[0].base_url = f"http://127.0.0.1:{server.port}"
    partners[0].save()

    response = reserve(staff, isbn, member=MemberFactory(), book=BookFactory(isbn=isbn, title="Emma"), key="k")

    data = data_of(response, 202)
    assert (data["state"], data["message"]) == ("unconfirmed", "It closed the connection without an answer.")
    assert message_of(response) == "library 2 has not confirmed yet that it keeps “Emma”. It is asked again."
    is_lost[0] = False
    now = timezone.now()
    assert follow_due(now + timedelta(seconds=20)) == 0
    assert follow_due(now + MINUTE) == 1
    [kept] = live_at(libraries[0], book_id)
    made = PartnerReservation.objects.get()
    assert (made.state, made.remote_id, made.message) == ("confirmed", kept["id"], "")
    assert set(between.keys) == {str(made.key)}
    assert len(there(libraries[0], f"/api/members/?search=main-{made.member_id}")["results"]) == 1


def test_a_partner_that_forgot_our_key_still_keeps_one_copy(partners, libraries, theirs, staff):
    isbn, book_id = theirs(copies=3)
    data = data_of(reserve(staff, isbn, member=MemberFactory()), 201)
    libraries[0].sql("DELETE FROM events_storedanswer")
    PartnerReservation.objects.update(state="unconfirmed", remote_id=None, next_try_at=timezone.now())

    assert follow_due(timezone.now()) == 1

    made = PartnerReservation.objects.get()
    assert (made.state, made.remote_id) == ("confirmed", data["remote_id"])
    assert len(live_at(libraries[0], book_id)) == 1
