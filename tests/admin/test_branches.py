"""The admin's page of a branch: when it closes, and on which days it stays closed."""

from datetime import date, time

import pytest

from events.models import Event
from library.models import Branch, Copy
from tests.admin.browser import change_page, errors, page, told
from tests.factories import BranchFactory, CopyFactory, ReservationFactory

pytestmark = pytest.mark.django_db

ADD = page(Branch, "add")


def test_a_branch_is_added_with_its_hours(desk):
    desk.save(
        ADD,
        name="Harbour",
        time_zone="Europe/Berlin",
        monday="",
        tuesday="18:00",
        saturday="13:30",
        sunday="",
        closed_on="2026-12-24 to 2026-12-26\n\n2026-05-01\n2026-12-25",
    )

    branch = Branch.objects.get(name="Harbour")
    usual = time(23, 59, 59)
    assert branch.closing_times == [None, time(18), usual, usual, usual, time(13, 30), None]
    assert branch.closed_on == [date(2026, 5, 1), *(date(2026, 12, day) for day in (24, 25, 26))]


def test_its_page_shows_them_and_saving_it_as_it_is_changes_nothing(desk):
    branch = BranchFactory(closing_times=[None] * 5 + [time(14), time(15)], closed_on=[date(2026, 12, 25)])

    typed = desk.typed(change_page(branch))
    assert (typed["friday"], typed["saturday"], typed["closed_on"]) == ("", time(14), "2026-12-25")
    desk.save(change_page(branch))

    assert not Event.objects.filter(kind="branch.saved", payload__changed__contains=["closing_times"]).exclude(
        payload__changed__contains=["id"]
    )
    assert Branch.objects.get(pk=branch.pk).closing_times == branch.closing_times


def test_the_list_says_on_which_days_it_opens(desk):
    BranchFactory(closing_times=[None] * 5 + [time(14), time(15)])

    text = desk.open(page(Branch)).text

    assert "Sat, Sun" in text
    assert "every day" in text


def test_a_branch_that_never_opens_is_refused(desk):
    week = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    response = desk.save(ADD, name="Harbour", **dict.fromkeys(week, ""))

    assert errors(response) == {"__all__": ["A branch opens on at least one day of the week."]}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("Christmas", "'Christmas' is no day. Write 2026-12-25, or 2026-12-24 to 2027-01-02."),
        ("2026-12-25 to", "'2026-12-25 to' is no day. Write 2026-12-25, or 2026-12-24 to 2027-01-02."),
        (
            "2026-12-25 to 2026-12-24",
            "'2026-12-25 to 2026-12-24': the last day comes after the first, at most a year later.",
        ),
        (
            "2026-12-25 to 2046-12-24",
            "'2026-12-25 to 2046-12-24': the last day comes after the first, at most a year later.",
        ),
        ("0000-00-00", "'0000-00-00' is no day. Write 2026-12-25, or 2026-12-24 to 2027-01-02."),
    ],
)
def test_what_is_no_day_is_refused_with_an_example(desk, written, problem):
    assert errors(desk.save(ADD, name="Harbour", closed_on=written)) == {"closed_on": [problem]}


def test_copies_in_transit_are_received_where_they_were_sent_to(desk):
    harbour = BranchFactory(name="Harbour")
    home, sent = CopyFactory(barcode="A1", in_transit=True), CopyFactory(barcode="A2", in_transit=True)
    reservation = ReservationFactory(book=sent.book, branch=harbour, copy=sent)

    assert told(desk.act("receive", home)) == ["Copy A1 came in. Put it back on the shelf."]
    assert told(desk.act("receive", sent)) == [
        f"Copy A2 came in. Put it on the hold shelf for {reservation.member.name}."
    ]
    assert told(desk.act("receive", home)) == ["Copy A1 is not in transit. It is available."]
    assert set(Copy.objects.values_list("status", flat=True)) == {"available", "on_hold_shelf"}
