"""The hold shelf: what to pull, what waits, what was not collected, what is on its way."""

import pytest
from django.urls import reverse
from django.utils import timezone

from circulation.services import return_copy
from library.models import Branch
from reservations.models import Reservation
from reservations.services import expire, reserve, resume
from reservations.titles import add_copies
from tests.admin.browser import told
from tests.factories import BookFactory, BranchFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db

PAGE = "/admin/hold-shelf/"


def press(desk, do, **more):
    return desk.client.post(PAGE, {"do": do, **more}, follow=True)


@pytest.fixture
def given():
    """A copy of the open shelf that was given to whoever came back into the line."""
    row = ReservationFactory(suspended=True, member__first_name="Ada")
    CopyFactory(book=row.book, barcode="open-1")
    return resume(reservation_id=row.pk, at=timezone.now())


def test_a_copy_that_was_given_from_the_open_shelf_is_to_be_pulled(desk, given):
    page = desk.open(PAGE)

    assert ([row.pk for row in page.context["to_pull"]], page.context["waiting"]) == ([given.pk], [])
    assert "open-1" in page.text


def test_a_copy_that_was_handed_in_is_not_to_be_pulled(desk):
    loan = LoanFactory()
    row = ReservationFactory(book=loan.book)
    return_copy(barcode=loan.copy.barcode, at=timezone.now())

    page = desk.open(PAGE)

    assert (page.context["to_pull"], [each.pk for each in page.context["waiting"]]) == ([], [row.pk])


def test_what_was_pulled_waits_to_be_collected(desk, given):
    page = press(desk, f"pulled:{given.pk}")

    assert told(page) == [f"Copy open-1 is pulled. Put it on the hold shelf for {given.member.name}."]
    assert (page.context["to_pull"], [row.pk for row in page.context["waiting"]]) == ([], [given.pk])
    assert told(press(desk, f"pulled:{given.pk}")) == ["There is nothing to pull for this reservation."]


def test_what_is_not_on_the_shelf_is_missing_and_its_reservation_waits_again(desk, given):
    assert told(press(desk, f"missing:{given.pk}")) == ["Copy open-1 is now missing."]

    given.refresh_from_db()
    assert (given.status, given.copy, given.to_pull) == ("waiting", None, False)


def test_a_copy_for_another_branch_is_pulled_where_it_stands(desk):
    north = BranchFactory(name="North")
    row = ReservationFactory(suspended=True, branch=north)
    CopyFactory(book=row.book, barcode="main-1")
    resume(reservation_id=row.pk, at=timezone.now())

    assert [each.pk for each in desk.open(PAGE).context["to_pull"]] == [row.pk]
    assert desk.open(PAGE, branch=north.pk).context["to_pull"] == []
    assert told(press(desk, f"pulled:{row.pk}")) == [f"Copy main-1 is pulled. Send it to North for {row.member.name}."]
    assert [copy.barcode for copy in desk.open(PAGE, branch=north.pk).context["on_the_way"]] == ["main-1"]


def test_what_arrives_is_received_at_this_branch(desk):
    north = BranchFactory(name="North")
    row = ReservationFactory(suspended=True, branch=north)
    copy = CopyFactory(book=row.book, barcode="main-1")
    resume(reservation_id=row.pk, at=timezone.now())

    page = press(desk, f"receive:{copy.pk}", branch=north.pk)

    assert told(page) == [f"Copy main-1 came in. Put it on the hold shelf for {row.member.name}."]
    row.refresh_from_db()
    assert (row.status, row.to_pull) == ("ready", False)


def test_what_was_not_collected_in_time_is_ended_and_its_copy_told_of(desk):
    row = ReservationFactory(ready=True, copy__barcode="held-1", shelf_until=timezone.now())
    assert [each.pk for each in desk.open(PAGE).context["lapsed"]] == [row.pk]

    page = press(desk, f"expire:{row.pk}")

    assert told(page) == ["Ended, and the next in line served: 1."]
    [ended] = page.context["ended"]
    assert (ended.reservation.pk, ended.copy.barcode, ended.next) == (row.pk, "held-1", "Put it back on the shelf")


def test_a_copy_that_lapsed_and_is_somebody_elses_now_says_whose(desk):
    row = ReservationFactory(ready=True, shelf_until=timezone.now())
    nexts = ReservationFactory(book=row.book)
    expire(book_id=row.book_id, at=timezone.now())

    [ended] = desk.open(PAGE).context["ended"]

    assert ended.next == f"On the hold shelf for {nexts.member.name} now"


def test_a_hold_is_cancelled(desk):
    row = ReservationFactory(ready=True, shelf_until=timezone.now() + timezone.timedelta(days=7))

    assert told(press(desk, f"cancel:{row.pk}")) == [f"The reservation of {row.member.name} is cancelled."]


def test_a_reservation_that_ends_has_nothing_to_pull(given):
    book, member = BookFactory(), MemberFactory()
    reserve(member_id=member.pk, book_id=book.pk, at=timezone.now())
    add_copies(book_id=book.pk, at=timezone.now())
    assert Reservation.objects.get(book=book).to_pull

    expire(book_id=book.pk, at=timezone.now() + timezone.timedelta(days=400))

    assert not Reservation.objects.get(book=book).to_pull


def test_the_hold_shelf_takes_as_many_queries_for_much_as_for_little(desk, django_assert_num_queries):
    def stock():
        ReservationFactory(ready=True, shelf_until=timezone.now() + timezone.timedelta(days=7))
        ReservationFactory(ready=True, to_pull=True)
        expire(book_id=ReservationFactory(ready=True, shelf_until=timezone.now()).book_id, at=timezone.now())
        row = ReservationFactory(suspended=True, branch=Branch.objects.get(name="North"))
        CopyFactory(book=row.book)
        resume(reservation_id=row.pk, at=timezone.now())

    north = BranchFactory(name="North")
    stock()
    with django_assert_num_queries(11):
        desk.open(PAGE, branch=north.pk)
    for _ in range(5):
        stock()
    with django_assert_num_queries(11):
        desk.open(PAGE, branch=north.pk)


def test_the_page_is_where_the_menu_leads():
    assert reverse("pages:hold_shelf") == PAGE
