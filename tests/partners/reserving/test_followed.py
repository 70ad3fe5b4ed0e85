"""What becomes of a reservation at a partner, and what partners say that cannot be true."""

import json
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from integrations.partners import reserving
from integrations.partners.breaker import FAILURES, states_of
from integrations.partners.circdesk import There
from integrations.partners.models import PartnerReservation, Reader
from integrations.partners.reserving import FOLLOW, Outcome, follow_due, forget_ended, write_down
from integrations.partners.tasks import follow_reservations
from library.models import Member
from tests.api.asking import data_of, message_of, refusals_of
from tests.factories import (
    BookFactory,
    MemberFactory,
    PartnerReservationFactory,
)
from tests.partners.conftest import saved
from tests.partners.reserving.asking import ISBN, ISBNS, MINUTE, NOW, known_but, live_at, reserve
from tests.webhooks import receiving
from tests.webhooks.receiving import Receiver, answering

pytestmark = pytest.mark.django_db(transaction=True)


# --- What becomes of it --------------------------------------------------------------------------------------


def test_what_is_confirmed_is_followed_until_it_ends_there(partners, libraries, theirs, staff):
    isbn, _ = theirs()
    data = data_of(reserve(staff, isbn, member=MemberFactory()), 201)
    made, later = PartnerReservation.objects.get(), timezone.now() + 6 * MINUTE
    assert follow_due(later - 3 * MINUTE) == 0

    assert follow_due(later) == 1
    made.refresh_from_db()
    assert (made.state, made.remote_status) == ("confirmed", "ready")

    libraries[0].ask("POST", f"/api/reservations/{data['remote_id']}/fulfill/")
    follow_due(later + 6 * MINUTE)
    made.refresh_from_db()
    assert (made.state, made.remote_status, made.next_try_at) == ("closed", "fulfilled", None)
    assert made.ended_at == later + 6 * MINUTE
    assert data_of(staff.get("/api/partner-reservations/?state=live"))["results"] == []


def test_what_is_confirmed_stays_so_while_nobody_answers(server):
    server.behaviour = answering(500)
    partner = saved(server, api_key="cdk_secret")
    made = PartnerReservationFactory(partner=partner, asked_at=timezone.now() - timedelta(days=3))

    follow_due(timezone.now())

    made.refresh_from_db()
    assert (made.state, made.message) == ("confirmed", "It answered 500.")


def test_it_is_cancelled_there(partners, libraries, theirs, staff):
    isbn, book_id = theirs()
    data = data_of(reserve(staff, isbn, member=MemberFactory(), book=BookFactory(isbn=isbn, title="Emma")), 201)
    path = f"/api/partner-reservations/{data['id']}/cancel/"

    assert data_of(staff.post(f"{path}?dry_run=true")) == {"would": "cancel", "refusals": []}
    assert len(live_at(libraries[0], book_id)) == 1
    first, again = (staff.post(path) for _ in range(2))

    assert data_of(first) == data | {
        "state": "cancelled",
        "remote_status": "cancelled",
        "asked_at": data_of(first)["asked_at"],
    }
    assert message_of(first) == "The reservation of “Emma” at library 2 is cancelled."
    assert again.content == first.content
    assert live_at(libraries[0], book_id) == []
    assert data_of(reserve(staff, isbn, member=Member.objects.get()), 201)["state"] == "confirmed"


def test_cancelling_is_repeated_until_the_partner_heard_it(partners, libraries, theirs, staff, server):
    isbn, book_id = theirs()
    data = data_of(reserve(staff, isbn, member=MemberFactory()), 201)
    server.behaviour = receiving.resetting
    right, partners[0].base_url = partners[0].base_url, f"http://127.0.0.1:{server.port}"
    partners[0].save()

    assert data_of(staff.post(f"/api/partner-reservations/{data['id']}/cancel/"))["state"] == "cancelling"
    assert len(live_at(libraries[0], book_id)) == 1

    partners[0].base_url = right
    partners[0].save()
    follow_due(timezone.now() + MINUTE)
    assert PartnerReservation.objects.get().state == "cancelled"
    assert live_at(libraries[0], book_id) == []


def test_what_is_not_known_to_be_reserved_is_looked_for_and_cancelled(partners, libraries, theirs, staff):
    (one, kept), (another, never) = theirs(), theirs()
    ada = MemberFactory()
    for isbn in (one, another):
        data_of(reserve(staff, isbn, member=ada), 201)
    libraries[0].ask("POST", f"/api/reservations/{live_at(libraries[0], never)[0]['id']}/cancel/")
    PartnerReservation.objects.update(state="unconfirmed", remote_id=None, remote_status="")
    numbers = sorted(PartnerReservation.objects.values_list("pk", flat=True))

    states = [data_of(staff.post(f"/api/partner-reservations/{number}/cancel/"))["state"] for number in numbers]

    assert states == ["cancelled", "cancelling"]  # the partner may still be at what it was asked
    assert live_at(libraries[0], kept) == []
    follow_due(timezone.now() + 2 * MINUTE)
    assert PartnerReservation.objects.get(pk=numbers[1]).state == "cancelled"


def test_who_cancels_again_and_again_does_not_put_the_second_look_off(server, staff):
    """It is looked for a minute after the first time, however often that is asked."""
    server.behaviour = known_but(answering(200, b'{"data": {"results": []}}'))
    made = PartnerReservationFactory(partner=saved(server, api_key="cdk_secret"), unconfirmed=True)
    Reader.objects.create(partner=made.partner, member=made.member, remote_id=1)

    for _ in range(4):
        data = data_of(staff.post(f"/api/partner-reservations/{made.pk}/cancel/"))
        assert data["message"] == "It will be looked for once more at library 2 in a minute."

    made.refresh_from_db()
    assert (made.state, made.attempts, made.next_try_at) == ("cancelling", 0, made.asked_at + MINUTE)
    assert follow_due(made.asked_at + MINUTE) == 1
    made.refresh_from_db()
    assert made.state == "cancelled"


@pytest.mark.parametrize("state", ["refused", "closed"])
def test_what_has_ended_is_not_cancelled(staff, state):
    made = PartnerReservationFactory(state=state, next_try_at=None, ended_at=timezone.now())

    refusals_of(staff.post(f"/api/partner-reservations/{made.pk}/cancel/"), 422, "INVALID_TRANSITION")


def test_of_a_member_who_left_nothing_is_kept(partners, libraries, theirs, staff):
    isbn, book_id = theirs()
    ada = MemberFactory()
    data_of(reserve(staff, isbn, member=ada), 201)

    data_of(staff.delete(f"/api/members/{ada.pk}/"))
    follow_due(timezone.now() + 6 * MINUTE)

    made = PartnerReservation.objects.get()
    assert (made.state, made.member) == ("cancelled", None)
    assert live_at(libraries[0], book_id) == []


def test_two_workers_do_not_ask_about_the_same(server):
    partner = saved(server, api_key="cdk_secret")
    PartnerReservationFactory(partner=partner, unconfirmed=True)
    inside = []

    def asked_meanwhile(receiver, client):
        inside.append(PartnerReservation.objects.due(timezone.now()).count())
        connection.close()
        answering(500)(receiver, client)

    server.behaviour = asked_meanwhile
    assert follow_reservations() == 1
    assert inside == [0]


def test_one_that_cannot_be_followed_stops_no_others(server, caplog):
    """Two that are due, the first of which holds a time that Python does not know."""
    server.behaviour = known_but(answering(200, b'{"data": {"id": 7, "status": "ready", "shelf_until": null}}'))
    partner = saved(server, api_key="cdk_secret")
    spoilt, sound = (
        PartnerReservationFactory(partner=partner, state="confirmed", remote_id=7, next_try_at=NOW + wait)
        for wait in (timedelta(0), MINUTE)
    )
    with connection.cursor() as cursor:
        sql = "UPDATE partners_partnerreservation SET shelf_until = '0044-03-15 BC' WHERE id = %s"
        cursor.execute(sql, [spoilt.pk])

    assert follow_due(NOW + MINUTE) == 1

    sound.refresh_from_db()
    assert (sound.remote_status, sound.next_try_at) == ("ready", NOW + MINUTE + FOLLOW)
    [told] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == f"Reservation {spoilt.pk} at a partner could not be followed."


def test_what_ended_long_ago_is_forgotten():
    now = timezone.now()
    old = PartnerReservationFactory(state="closed", ended_at=now - timedelta(days=91), next_try_at=None)
    PartnerReservationFactory(state="closed", ended_at=now - timedelta(days=89), next_try_at=None)
    PartnerReservationFactory()

    assert forget_ended(now - timedelta(days=90)) == 1
    assert not PartnerReservation.objects.filter(pk=old.pk).exists()


def test_a_partner_that_refuses_in_another_way_is_not_believed_to_have_refused(server, staff):
    """Only a refusal in the envelope, about what was asked, is one."""
    saved(server, api_key="cdk_secret")
    for code, body in (
        (409, b"{}"),
        (404, b"<h1>no</h1>"),
        (409, b'{"error": {"code": "NO", "message": null}}'),
        (409, b'{"error": {"code": "NO", "message": ' + b"[" * 900 + b"]" * 900 + b"}}"),
        (401, b'{"error": {"code": "TOKEN_INVALID", "message": ""}}'),
    ):
        with Receiver() as other:
            other.behaviour = known_but(answering(code, body))
            partner = saved(other, name=f"at {other.port}", api_key="cdk_secret")
            response = reserve(
                staff, ISBN, book=BookFactory(isbn=next(ISBNS)), member=MemberFactory(), library=partner.name
            )
            assert data_of(response, 202)["message"] == f"It answered {code}."


def test_a_partner_that_is_still_at_an_earlier_request_is_well(server, staff):
    server.behaviour = known_but(answering(409, b'{"error": {"code": "IDEMPOTENCY_IN_PROGRESS", "message": ""}}'))
    partner = saved(server, api_key="cdk_secret")

    for _ in range(FAILURES):
        data = data_of(reserve(staff, next(ISBNS), member=MemberFactory()), 202)
        assert data["message"] == "It is still at an earlier request for this."

    [known] = states_of([partner])
    assert (known.state, known.failures) == ("closed", 0)


@pytest.mark.parametrize(
    "data",
    [
        {"status": "re\0ady"},
        {"status": "re\ud800ady"},
        {"status": "ready" * 5},
        {"shelf_until": "0001-01-01T00:00:00+14:00"},
        {"shelf_until": "0001-01-01T00:00:00Z"},
        {"shelf_until": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_what_fits_neither_the_database_nor_an_answer_is_not_believed(server, staff, data):
    body = {"data": {"id": 1, "status": "ready", "shelf_until": None} | data}
    server.behaviour = known_but(answering(201, json.dumps(body).encode()))
    saved(server, api_key="cdk_secret")

    told = data_of(reserve(staff, ISBN, member=MemberFactory()), 202)

    assert told["message"] == "Its answer does not have the shape that it should."
    assert (told["state"], told["remote_id"]) == ("unconfirmed", None)


def test_a_refusal_is_told_without_what_nobody_can_read(server, staff):
    text = "Not\0 to\ud800day\r\nERROR\x1b[31m \u202e<b>“é”</b>"
    reasons = [{"code": "N\0", "message": text}, {"code": "N"}, {"code": 1, "message": "no"}, "no"]
    error = {"code": "N\0", "message": text, "details": {"refusals": reasons}}
    server.behaviour = known_but(answering(422, json.dumps({"error": error}).encode()))
    saved(server, api_key="cdk_secret")

    [refusal] = refusals_of(reserve(staff, ISBN, member=MemberFactory()), 409, "PARTNER_REFUSED")

    told = "Not  to day  ERROR [31m  <b>“é”</b>"
    assert refusal["message"] == f"library 2 said no: {told}"
    assert refusal["reasons"] == [{"code": "N ", "message": told}]


def test_what_one_request_did_not_learn_does_not_cover_what_another_was_told(server):
    """Two requests under one key ask at once; the second, which was not answered, is written down last."""
    kept = PartnerReservationFactory(partner=saved(server, api_key="cdk_secret"))
    later = NOW + FOLLOW
    write_down(reservation_id=kept.pk, outcome=Outcome("confirmed", There(7, "ready", None)), at=NOW, asked_as="asking")

    write_down(reservation_id=kept.pk, outcome=Outcome(message="Too slow."), at=NOW, asked_as="asking")

    kept.refresh_from_db()
    assert (kept.state, kept.message, kept.attempts, kept.next_try_at) == ("confirmed", "", 0, later)
    write_down(reservation_id=kept.pk, outcome=Outcome(message="Too slow."), at=later, asked_as="confirmed")
    kept.refresh_from_db()
    assert (kept.state, kept.message, kept.attempts) == ("confirmed", "Too slow.", 1)


def test_a_partner_that_writes_our_key_down_does_not_make_us_show_it(server, staff):
    key = "cdk_" + "k" * 43
    error = {"code": "NO", "message": f"Not with {key}.", "details": {"refusals": [{"code": "NO", "message": key}]}}
    server.behaviour = known_but(answering(422, json.dumps({"error": error}).encode()))
    saved(server, api_key=key)

    [refusal] = refusals_of(reserve(staff, ISBN, member=MemberFactory()), 409, "PARTNER_REFUSED")

    assert refusal["message"] == "library 2 said no: Not with …."
    assert refusal["reasons"] == [{"code": "NO", "message": "…"}]
    assert key not in str(PartnerReservation.objects.values())


def test_a_callers_wait_has_an_end_however_many_requests_it_takes(server, staff, monkeypatch):
    """Each takes less than its limit, and together they take longer than the caller waits."""
    monkeypatch.setattr(reserving, "WAIT", 0.4)
    answered = []

    def slow(receiver, client):
        time.sleep(0.25)
        answered.append(receiver.received[-1].target)
        known_but(answering(201, json.dumps({"data": {"id": 1, "status": "ready", "shelf_until": None}}).encode()))(
            receiver, client
        )

    server.behaviour = slow
    saved(server, api_key="cdk_secret", timeout=2.0)

    assert data_of(reserve(staff, ISBN, member=MemberFactory()), 202)["message"] == "It did not answer in time."
    assert "/api/reservations/reserve/" not in answered
