"""The demo library."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from circulation import demo
from circulation.invariants import broken
from circulation.members import delete
from circulation.models import Loan
from events.models import Event
from library.models import Book, Branch, Copy, LoanPolicy, Member
from library.services import add_title, enrol
from reservations.models import Reservation
from reservations.titles import edit_title
from tests.circulation.commands import run

pytestmark = pytest.mark.django_db

SUMMARY = "43 titles with 76 copies, 25 members, 9 on loan (1 overdue), 1 set aside, 3 waiting"


def test_the_demo_library_is_told_in_one_line():
    ran = run("load_demo")

    assert (ran.out, ran.err, ran.failure) == ([f"Demo library: {SUMMARY}."], [], None)


def test_the_demo_library_has_something_of_everything():
    at = timezone.now()

    demo.load(at=at)

    assert broken() == []
    assert (Book.objects.latest("pk").pk, Member.objects.latest("pk").pk) == (43, 25)
    assert set(Book.objects.values_list("language", flat=True)) >= {"en", "fr", "ar", "ja"}
    assert set(Copy.objects.values("book").values_list("book", flat=True)) == set(range(1, 44))
    assert set(Branch.objects.values_list("name", flat=True)) == {"Main Library", "Harbour Branch"}
    assert set(LoanPolicy.objects.values_list("member_category__name", "book_category", "loan_days")) == {
        (None, "", 28),
        (None, "film", 7),
        (None, "reference", 3),
        ("child", "", 28),
    }
    assert Member.objects.exclude(blocked_reason="").count() == 1
    assert [member.has_expired(at.date()) for member in Member.objects.exclude(expires_on=None)] == [True]
    assert Member.objects.filter(category__name="child").count() == 3
    assert [loan.book.title for loan in Loan.objects.overdue(at)] == ["Pride and Prejudice"]
    assert [ready.book.title for ready in Reservation.objects.filter(status="ready", shelf_until__gt=at)] == ["Dracula"]
    waiting = Reservation.objects.filter(status="waiting").values_list("book__title", flat=True)
    assert Counter(waiting) == {"Frankenstein": 3}


def test_loading_again_changes_nothing():
    run("load_demo")
    before = Event.objects.count()

    again = run("load_demo")

    assert again.out == [f"Demo library, loaded before: {SUMMARY}."]
    assert Event.objects.count() == before


def test_what_somebody_changed_since_stays_changed():
    run("load_demo")
    edit_title(book_id=2, fields={"title": "Emma Woodhouse"}, at=timezone.now())
    delete(member_id=25, at=timezone.now())

    again = run("load_demo")

    assert again.out == [f"Demo library, loaded before: {SUMMARY.replace('25 members', '24 members')}."]
    assert Book.objects.get(pk=2).title == "Emma Woodhouse"


@pytest.mark.parametrize("calls", [10, 60, 75])
def test_an_interrupted_load_can_be_run_again(monkeypatch, calls):
    left = iter(range(calls))

    def interrupted(function):
        def call(*args, **kwargs):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("_add_title", "_enrol", "_take"):
            patch.setattr(demo, name, interrupted(getattr(demo, name)))
        with pytest.raises(KeyboardInterrupt):
            demo.load(at=timezone.now())

    demo.load(at=timezone.now())

    assert (Book.objects.count(), Member.objects.count()) == (43, 25)
    assert broken() == []


def test_what_is_added_later_is_numbered_after_the_demo_library():
    run("load_demo")

    assert add_title(at=timezone.now(), title="Ulysses").pk > 43
    assert enrol(at=timezone.now(), first_name="Zoe").pk > 25


def test_a_library_of_somebody_elses_is_left_alone():
    add_title(at=timezone.now() - timedelta(days=1), id=7, title="Ulysses")

    ran = run("load_demo")

    assert ran.failure == ("This library has titles of its own under the ids of the demo library: nothing was loaded.")
    assert (Book.objects.count(), Member.objects.count()) == (1, 0)
