"""Reserving at partner libraries from many desks at once: no limit is overrun, and one key makes one record."""

from datetime import timedelta
from functools import partial

import pytest

from events.operations import Key
from integrations.partners.models import PartnerReservation
from integrations.partners.reserving import place
from tests.concurrency.library import new_member
from tests.concurrency.races import race, without_row_locks
from tests.factories import NOW, BookFactory, PartnerFactory, general_policy

pytestmark = pytest.mark.django_db(transaction=True)

DESKS = 8
LIMIT = 2
UNTIL = NOW + timedelta(days=30)


def titles(count):
    return [BookFactory(isbn=f"978{number:010d}").pk for number in range(count)]


def placing(member, **more):
    partner = PartnerFactory()
    wanted = {"partner_id": partner.pk, "member_id": member.pk, "until": UNTIL, "at": NOW, **more}
    return lambda book_id: partial(place, book_id=book_id, **wanted)


def test_no_limit_is_overrun_by_asking_for_many_titles_at_once():
    general_policy(max_reservations=LIMIT)

    outcomes = race(map(placing(new_member()), titles(DESKS)))

    assert len(outcomes.done) == PartnerReservation.objects.live().count() == LIMIT
    assert outcomes.refused == {"RESERVATION_LIMIT_REACHED": DESKS - LIMIT}


def test_control_without_locks_the_limit_is_overrun():
    general_policy(max_reservations=LIMIT)

    race(map(placing(new_member()), titles(DESKS)), around=without_row_locks)

    assert PartnerReservation.objects.live().count() > LIMIT


def test_one_key_makes_one_record_however_many_ask_at_once():
    key = Key("user:1", "k", "f")
    [title] = titles(1)

    outcomes = race([placing(new_member(), key=key)(title)] * DESKS)

    assert len({reservation.pk for reservation in outcomes.done}) == 1
    assert (len(outcomes.done), PartnerReservation.objects.count()) == (DESKS, 1)


def test_control_without_locks_only_the_constraint_keeps_it_one():
    key = Key("user:1", "k", "f")
    [title] = titles(1)

    outcomes = race([placing(new_member(), key=key)(title)] * DESKS, around=without_row_locks)

    assert PartnerReservation.objects.count() == 1
    assert set(outcomes.refused) <= {"IDEMPOTENCY_IN_PROGRESS", "RESERVATION_EXISTS"}
    assert outcomes.refused
    assert outcomes.errors == []
