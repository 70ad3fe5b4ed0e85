"""What a partner did not confirm is told honestly, and asked again."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from integrations.partners import reserving
from integrations.partners.models import PartnerReservation
from integrations.partners.reserving import follow_due
from tests.api.asking import data_of
from tests.factories import (
    BookFactory,
    MemberFactory,
    PartnerReservationFactory,
)
from tests.partners.conftest import saved
from tests.partners.reserving.asking import ISBN, MINUTE, reserve
from tests.webhooks import receiving
from tests.webhooks.receiving import answering

pytestmark = pytest.mark.django_db(transaction=True)


# --- What is not confirmed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (receiving.resetting, "The connection failed: Connection reset by peer."),
        (receiving.stalling, "It did not answer in time."),
        (answering(500), "It answered 500."),
        (answering(200, b"[]"), "Its answer does not have the shape that it should."),
        (answering(302, Location="http://169.254.169.254/"), "It answered 302, a redirect, which is not followed."),
        (answering(401, b'{"error": {"code": "TOKEN_INVALID", "message": "No."}}'), "It answered 401."),
    ],
)
def test_what_is_not_confirmed_is_told_honestly(server, staff, behaviour, message):
    server.behaviour = behaviour
    saved(server, api_key="cdk_secret", timeout=0.2 if behaviour is receiving.stalling else 2.0)

    data = data_of(reserve(staff, ISBN, member=MemberFactory()), 202)

    assert (data["state"], data["message"], data["remote_id"]) == ("unconfirmed", message, None)


def test_it_is_asked_less_and_less_often_and_after_a_day_given_up(server, staff):
    server.behaviour = answering(500)
    saved(server, api_key="cdk_secret")
    reserve(staff, ISBN, member=MemberFactory(), key="k")
    made = PartnerReservation.objects.get()
    began, moments = made.asked_at, []

    while made.state == "unconfirmed":
        moments.append((made.next_try_at - began).total_seconds())
        assert follow_due(made.next_try_at) == 1
        made.refresh_from_db()

    assert [round(later - earlier) for earlier, later in pairwise(moments)][:7] == [
        60, 120, 300, 600, 1800, 3600, 3600,
    ]  # fmt: skip
    assert made.state == "closed"
    assert made.message.startswith("It could not be found out for a day. Please ask library 2.")
    assert 23 * 3600 < moments[-1] < 24 * 3600
    assert (made.next_try_at, follow_due(began + timedelta(days=30))) == (None, 0)


def test_who_asks_again_and_again_makes_the_worker_no_slower(server, staff):
    server.behaviour = receiving.closing
    saved(server, api_key="cdk_secret")
    book, ada = BookFactory(isbn=ISBN), MemberFactory()
    for _ in range(4):
        data_of(reserve(staff, ISBN, book=book, member=ada, key="again"), 202)

    reservation = PartnerReservation.objects.get()
    assert reservation.attempts == 1
    assert reservation.next_try_at <= timezone.now() + MINUTE


def test_nobody_waits_where_enough_wait_already(server, staff, settings):
    settings.PARTNER_REQUESTS = 0
    saved(server, api_key="cdk_secret")

    data = data_of(reserve(staff, ISBN, member=MemberFactory()), 202)

    assert (data["state"], data["message"]) == ("unconfirmed", "It will be asked in a moment.")
    assert server.connections == 0
    assert PartnerReservation.objects.due(timezone.now()).count() == 1


def test_a_partner_is_not_asked_while_the_record_is_not_committed(partners, theirs, staff, monkeypatch):
    seen = []
    asked = reserving._asked

    def looking(reservation, *args, **kwargs):
        rows = PartnerReservation.objects.filter(pk=reservation.pk).values_list("state", flat=True)
        seen.append((list(rows), reserving.transaction.get_connection().in_atomic_block))
        return asked(reservation, *args, **kwargs)

    monkeypatch.setattr(reserving, "_asked", looking)
    data_of(reserve(staff, theirs()[0], member=MemberFactory()), 201)

    assert seen == [(["asking"], False)]


def test_one_that_is_switched_off_is_not_asked(server):
    partner = saved(server, api_key="cdk_secret", is_on=False)
    made = PartnerReservationFactory(partner=partner, unconfirmed=True, asked_at=timezone.now())

    follow_due(timezone.now())

    made.refresh_from_db()
    assert (made.state, made.message, server.connections) == ("unconfirmed", "library 2 is switched off here.", 0)
