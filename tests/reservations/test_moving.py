"""Moving somebody to a place in the line."""

from random import Random

import pytest

from events.models import Event
from library.exceptions import InvalidTransition
from reservations.exceptions import ReservationClosed, StaleQueue
from reservations.models import Reservation
from reservations.moving import move_to
from reservations.services import line_version
from tests.factories import NOW, BookFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def move(row, place, **more):
    return move_to(reservation_id=row.pk, place=place, reason="Exam", at=NOW, **more)


def order(book) -> list[int]:
    return list(Reservation.objects.live().filter(book=book).in_order().values_list("pk", flat=True))


@pytest.mark.parametrize("seed", range(5))
def test_after_any_moves_the_line_is_in_the_order_that_was_asked_for(seed):
    chance, book = Random(seed), BookFactory()
    expected = [ReservationFactory(book=book, priority=chance.choice([-3, 0, 0, 0])).pk for _ in range(8)]
    expected = order(book)

    for _ in range(40):
        moved, place = chance.choice(expected), chance.randint(1, 9)
        move_to(reservation_id=moved, place=place, reason="Exam", at=NOW)
        expected.remove(moved)
        expected.insert(place - 1, moved)
        assert order(book) == expected
        assert all(row.priority <= 0 for row in Reservation.objects.filter(book=book))

    later = ReservationFactory(book=book)
    assert order(book) == [*expected, later.pk]


def test_a_line_that_ran_out_of_priorities_gets_new_ones_in_the_same_order():
    book = BookFactory()
    rows = [ReservationFactory(book=book, priority=-1000) for _ in range(3)]

    move(rows[2], 2)

    assert order(book) == [rows[0].pk, rows[2].pk, rows[1].pk]
    assert set(Reservation.objects.values_list("priority", flat=True)) == {-3, -2, -1}


def test_everybody_whose_priority_changed_has_an_event():
    book = BookFactory()
    first, _, last = (ReservationFactory(book=book) for _ in range(3))

    move(last, 2)

    told = Event.objects.filter(kind="reorder").order_by("pk").values_list("reservation_id", "payload")
    assert list(told) == [
        (last.pk, {"before": 0, "priority": -1, "reason": "Exam"}),
        (first.pk, {"before": 0, "priority": -2, "reason": "Exam"}),
    ]


def test_those_with_a_copy_set_aside_are_not_counted():
    book = BookFactory()
    ReservationFactory(book=book, ready=True)
    one, two, three = (ReservationFactory(book=book) for _ in range(3))

    move(three, 1)

    rows = Reservation.objects.filter(pk__in=[one.pk, two.pk, three.pk]).with_position()
    assert {row.pk: row.position for row in rows} == {three.pk: 1, one.pk: 2, two.pk: 3}


def test_a_line_that_changed_since_it_was_read_is_not_moved_in():
    book = BookFactory()
    one, two = ReservationFactory(book=book), ReservationFactory(book=book)
    version = line_version(book)
    move(two, 1, queue_version=version)

    with pytest.raises(StaleQueue):
        move(one, 1, queue_version=version)

    assert order(book) == [two.pk, one.pk]


def test_who_has_left_or_is_served_is_not_moved():
    with pytest.raises(ReservationClosed):
        move(ReservationFactory(cancelled=True), 1)
    with pytest.raises(InvalidTransition):
        move(ReservationFactory(ready=True), 1)
