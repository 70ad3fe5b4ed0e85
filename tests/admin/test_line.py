"""The line of a title on the desk: in order, moved, suspended, cancelled; and never behind somebody's back."""

import pytest
from django.urls import reverse

from events.models import Event
from reservations.models import Reservation
from reservations.services import line_version, reorder
from tests.admin.browser import told
from tests.factories import NOW, BookFactory, CopyFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def of(book) -> str:
    return reverse("line:line", args=[book.pk])


def names(book) -> list[str]:
    rows = Reservation.objects.live().filter(book=book).in_order().select_related("member")
    return [row.member.first_name for row in rows]


@pytest.fixture
def book():
    book = BookFactory(title="Middlemarch")
    for name in ("Ada", "Bob", "Cem", "Dot"):
        ReservationFactory(book=book, member__first_name=name)
    return book


@pytest.fixture
def press(desk, book):
    """Press a button of the row of whoever is called so."""

    def press(action, name, *, version=None, reason="Exam", **typed):
        row = Reservation.objects.get(book=book, member__first_name=name)
        fields = {key.replace("_place", f"place-{row.pk}"): value for key, value in typed.items()}
        sent = {"do": f"{action}:{row.pk}", "version": version or line_version(book), "reason": reason} | fields
        return desk.client.post(of(book), sent, follow=True)

    return press


def test_the_line_is_shown_in_order_with_what_the_copies_are_doing(desk, book):
    CopyFactory(book=book, on_loan=True, barcode="m-1")
    ReservationFactory(book=book, ready=True, member__first_name="Eve", copy__barcode="m-2")

    page = desk.open(of(book))

    places = [(place["row"].member.first_name, place["row"].position) for place in page.context["places"]]
    assert places == [("Ada", 1), ("Bob", 2), ("Cem", 3), ("Dot", 4), ("Eve", 0)]
    assert [copy.barcode for copy, _ in page.context["copies"]] == ["m-1", "m-2"]
    assert "Ready for pick-up" in page.text


@pytest.mark.parametrize(
    ("action", "name", "order"),
    [
        ("up", "Cem", ["Ada", "Cem", "Bob", "Dot"]),
        ("down", "Ada", ["Bob", "Ada", "Cem", "Dot"]),
        ("top", "Dot", ["Dot", "Ada", "Bob", "Cem"]),
    ],
)
def test_a_move_goes_by_one_place_or_to_the_top_and_is_recorded_with_its_reason(press, book, action, name, order):
    page = press(action, name)

    assert names(book) == order
    assert told(page) == [f"{[*page.context['places']][order.index(name)]['row'].member.name} is now at place "
                          f"{order.index(name) + 1}."]  # fmt: skip
    assert {event.payload["reason"] for event in Event.objects.filter(kind="reorder")} == {"Exam"}


def test_a_member_is_moved_to_the_place_that_was_typed(press, book):
    press("to", "Ada", _place="3")
    assert names(book) == ["Bob", "Cem", "Ada", "Dot"]
    press("to", "Bob", _place="99")
    assert names(book) == ["Cem", "Ada", "Dot", "Bob"]


def test_whoever_joins_later_goes_behind_those_who_were_moved(press, book):
    for name, place in (("Ada", "4"), ("Dot", "1"), ("Bob", "4")):
        press("to", name, _place=place)
    before = names(book)

    ReservationFactory(book=book, member__first_name="Eve")

    assert names(book) == [*before, "Eve"]


def test_a_move_without_a_reason_is_not_made(press, book):
    assert told(press("up", "Bob", reason=" ")) == ["Say why: a move in the line needs a reason."]
    assert names(book) == ["Ada", "Bob", "Cem", "Dot"]


def test_a_move_in_a_line_that_somebody_else_changed_is_told_and_shows_the_new_line(press, book):
    version = line_version(book)
    dot = Reservation.objects.get(member__first_name="Dot")
    reorder(reservation_id=dot.pk, priority=-1, reason="Doctor", at=NOW)

    page = press("up", "Bob", version=version or "0")

    assert told(page) == ["The line has changed since you read it. Read it again, then repeat your change."]
    assert [place["row"].member.first_name for place in page.context["places"]] == ["Dot", "Ada", "Bob", "Cem"]


def test_a_member_with_a_copy_set_aside_is_not_moved(press, book):
    ReservationFactory(book=book, ready=True, member__first_name="Eve")

    assert told(press("to", "Eve", _place="1")) == [
        "A copy is set aside for this reservation already: it has no place any more."
    ]


def test_somebody_is_suspended_resumed_and_cancelled(press, book):
    name = Reservation.objects.select_related("member").get(member__first_name="Bob").member.name

    assert told(press("suspend", "Bob")) == [f"{name} is suspended and keeps place 2."]
    assert told(press("resume", "Bob")) == [f"{name} waits again, at place 2."]
    assert told(press("cancel", "Bob", reason="Moved away")) == [f"The reservation of {name} is cancelled."]
    assert Event.objects.get(kind="cancel").payload["reason"] == "Moved away"


def test_a_reservation_of_another_title_is_not_touched_from_here(desk, book):
    other = ReservationFactory()

    page = desk.client.post(of(book), {"do": f"cancel:{other.pk}"}, follow=True)

    other.refresh_from_db()
    assert (told(page), other.status) == (["Nothing was done."], "waiting")


def test_the_line_takes_as_many_queries_for_many_as_for_few(desk, book, django_assert_num_queries):
    desk.open(of(book))
    for _ in range(20):
        ReservationFactory(book=book)

    with django_assert_num_queries(7):
        desk.open(of(book))


def test_members_do_not_see_lines(client, book):
    assert client.get(of(book)).status_code == 302
