"""What is wrong with copies on their way, broken behind the services' back, is reported."""

from datetime import UTC, datetime

import pytest

from circulation import copies, facts
from circulation.invariants import broken
from circulation.services import check_out
from events.models import Event
from library.models import Copy, Member
from library.services import add_title, enrol
from reservations.models import Reservation
from reservations.services import cancel, reserve
from tests.factories import BranchFactory

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
NOT_IN_TRANSIT = (1, "copies that were sent to somebody and are not in transit, or of another title")
RESERVATION_STATE = (5, "reservations that are not in the state that their events leave them in")
COPY_STATE = (5, "copies that are not in the state that their events leave them in")


@pytest.fixture
def sent():
    """A reservation whose copy is on its way to Harbour."""
    book, member = add_title(at=AT, title="Emma", copies=1), enrol(at=AT, first_name="Ada")
    reservation = reserve(member_id=member.pk, book_id=book.pk, branch=BranchFactory(name="Harbour"), at=AT)
    assert (reservation.status, Copy.objects.get().status, broken(at=AT)) == ("waiting", "in_transit", [])
    return reservation


def found():
    return {(violation.invariant, violation.problem): violation.ids for violation in broken(at=AT)}


def test_a_copy_that_was_sent_to_somebody_and_stands_on_its_shelf_is_found(sent):
    Copy.objects.update(status="available")

    assert found() == {NOT_IN_TRANSIT: (sent.copy_id,), COPY_STATE: (sent.copy_id,)}


def test_a_copy_that_was_sent_to_somebody_who_waits_for_another_title_is_found(sent):
    Reservation.objects.update(book=add_title(at=AT, title="Persuasion", copies=0))

    assert found() == {NOT_IN_TRANSIT: (sent.copy_id,)}


def test_whoever_is_sent_a_copy_that_nobody_sent_is_found(sent):
    Event.objects.create(kind="release", reservation_id=sent.pk, book_id=sent.book_id, occurred_at=AT)

    assert found() == {RESERVATION_STATE: (sent.pk,)}


def test_whoever_no_longer_has_what_they_were_sent_is_found(sent):
    Reservation.objects.update(copy=None)

    assert found() == {RESERVATION_STATE: (sent.pk,)}


def test_a_copy_that_was_lent_before_it_was_received_is_found(sent):
    copies.receive(barcode=sent.copy.barcode, at=AT)
    Event.objects.create(kind="transit", copy_id=sent.copy_id, book_id=sent.book_id, occurred_at=AT)

    check_out(member_id=sent.member_id, barcode=sent.copy.barcode, at=AT)

    lending = Event.objects.get(kind="checkout")
    assert found() == {
        (5, "check-outs of a copy that was neither available nor set aside (events)"): (lending.pk,),
    }


def test_a_check_out_of_what_just_came_home_that_overtook_the_line_is_found(sent, monkeypatch):
    cancel(reservation_id=sent.pk, at=AT)
    waiting = reserve(member_id=enrol(at=AT, first_name="Bea").pk, book_id=sent.book_id, at=AT)
    Member.objects.filter(pk=waiting.member_id).update(blocked_reason="lost a card")
    copies.receive(barcode=Copy.objects.get().barcode, at=AT)
    Member.objects.filter(pk=waiting.member_id).update(blocked_reason="")
    monkeypatch.setattr(facts.Facts, "is_free", property(lambda self: self.available > 0))

    check_out(member_id=enrol(at=AT, first_name="Dan").pk, book_id=sent.book_id, at=AT)

    lending = Event.objects.get(kind="checkout")
    assert found() == {(3, "check-outs that overtook the line (events)"): (lending.pk,)}
