"""Reservations in the admin: looked at, cancelled, suspended, resumed."""

import re

import pytest

from events.models import Event
from library.models import Copy
from reservations.models import Reservation
from tests.admin.browser import page, told
from tests.factories import BookFactory, CopyFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db

LIST = page(Reservation)


def found_on(response) -> set[Reservation]:
    return set(response.context["cl"].result_list)


def test_a_cancelled_reservation_gives_its_copy_to_the_next_in_line(desk, librarian):
    book = BookFactory()
    ready, waiting = ReservationFactory(book=book, ready=True), ReservationFactory(book=book)

    assert "What was set aside goes to the next in line." in desk.act("cancel", ready).text
    response = desk.confirm("cancel", ready, reason="Moved away")

    assert told(response) == [f"{ready}: cancelled."]
    waiting.refresh_from_db()
    assert (waiting.status, waiting.copy) == ("ready", ready.copy)
    event = Event.objects.get(kind="cancel")
    assert (event.payload["reason"], event.actor_id) == ("Moved away", librarian.pk)


def test_a_reservation_is_suspended_and_resumed(desk):
    reservation = ReservationFactory()

    assert told(desk.act("suspend", reservation)) == [f"{reservation}: suspended."]
    CopyFactory(book=reservation.book)
    assert told(desk.act("resume", reservation)) == [f"{reservation}: ready for pick-up."]


def test_every_reservation_gets_its_own_answer(desk):
    waiting, ready, ended = ReservationFactory(), ReservationFactory(ready=True), ReservationFactory(cancelled=True)

    response = desk.act("suspend", waiting, ready, ended)

    assert set(told(response)) == {
        f"{waiting}: suspended.",
        "This reservation is ready for pick-up and cannot become suspended.",
        "This reservation was already cancelled.",
    }
    assert Copy.objects.get().status == "on_hold_shelf"


def test_reservations_are_found_by_barcode_member_and_title(desk):
    member = MemberFactory(card_number="M1", last_name="Liskov")
    ours = ReservationFactory(book__title="Middlemarch", member=member, ready=True)
    ReservationFactory(ready=True)

    for text in (ours.copy.barcode, "M1", "liskov", "middle"):
        assert found_on(desk.open(LIST, q=text)) == {ours}


def test_reservations_are_filtered_by_state(desk):
    ReservationFactory()
    suspended = ReservationFactory(suspended=True)

    assert found_on(desk.open(LIST, status__exact="suspended")) == {suspended}


def test_the_page_of_a_reservation_shows_its_place(desk):
    book = BookFactory()
    ReservationFactory(book=book)
    second = ReservationFactory(book=book)

    response = desk.open(page(Reservation, "change", second.pk))

    assert re.search(r'<div class="readonly [^"]*">2</div>', response.text)


def test_the_history_of_a_reservation_is_its_events(desk):
    book = BookFactory()
    one, other = ReservationFactory(book=book), ReservationFactory(book=book)
    desk.act("suspend", one, other)

    response = desk.client.get(page(Reservation, "history", one.pk), follow=True)

    assert [event.reservation_id for event in response.context["cl"].result_list] == [one.pk]
