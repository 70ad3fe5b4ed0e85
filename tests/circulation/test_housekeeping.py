"""What happens without being asked."""

import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from circulation.housekeeping import Swept, forget_history, stranded, sweep
from circulation.members import settle_lines_of
from circulation.models import Loan
from library.models import Copy, Member
from reservations.models import Reservation
from tests.factories import NOW, BookFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

LATER = NOW + timedelta(days=30)


def stranded_reservation():
    """Somebody waits beside a free copy: they were blocked when it came in, and are no longer."""
    book = BookFactory(copies=1)
    return ReservationFactory(book=book, member=MemberFactory())


@pytest.mark.django_db
def test_a_hold_that_was_not_collected_expires_and_the_next_in_line_is_served():
    hold = ReservationFactory(ready=True)
    following = ReservationFactory(book=hold.book)

    assert sweep(at=LATER) == Swept(expired=1, served=0)
    hold.refresh_from_db()
    following.refresh_from_db()
    assert (hold.status, hold.closed_at) == ("expired", LATER)
    assert following.status == "ready"
    assert Copy.objects.get(book=hold.book).holder == following.member


@pytest.mark.django_db
def test_a_reservation_that_is_no_longer_needed_expires():
    reservation = ReservationFactory(needed_by=NOW)

    assert sweep(at=NOW).expired == 0
    assert sweep(at=NOW + timedelta(seconds=1)).expired == 1
    reservation.refresh_from_db()
    assert reservation.status == "expired"


@pytest.mark.django_db
def test_whoever_waits_beside_a_free_copy_is_served():
    reservation = stranded_reservation()

    assert stranded(at=NOW) == [reservation.book_id]
    assert sweep(at=NOW) == Swept(expired=0, served=1)
    reservation.refresh_from_db()
    assert reservation.status == "ready"
    assert stranded(at=NOW) == []


@pytest.mark.django_db
@pytest.mark.parametrize("trait", ["blocked", "expired"])
def test_whoever_may_not_borrow_is_not_stranded(trait):
    ReservationFactory(book=BookFactory(copies=1), member=MemberFactory(**{trait: True}))

    assert stranded(at=NOW) == []


@pytest.mark.django_db
def test_somebody_unblocked_is_served_at_once():
    reservation = stranded_reservation()

    settle_lines_of(Member.objects.get(pk=reservation.member_id), at=NOW)
    reservation.refresh_from_db()
    assert reservation.status == "ready"


@pytest.mark.django_db
def test_a_second_sweep_finds_nothing_left():
    ReservationFactory(ready=True)
    stranded_reservation()
    sweep(at=LATER)

    assert sweep(at=LATER) == Swept(expired=0, served=0)


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_do_everything_once():
    reservations = [ReservationFactory(ready=True) for _ in range(10)]
    for hold in reservations:
        ReservationFactory(book=hold.book)
    done = []

    def desk():
        done.append(sweep(at=LATER))
        connection.close()

    threads = [threading.Thread(target=desk) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(swept.expired for swept in done) == 10
    assert Reservation.objects.filter(status="ready").count() == 10
    assert Reservation.objects.filter(status="expired").count() == 10


@pytest.mark.django_db(transaction=True)
def test_the_command_does_it_once_and_says_what(capsys):
    CopyFactory()
    stranded_reservation()

    call_command("housekeep")
    assert capsys.readouterr().out == "0 reservations expired, 1 copies set aside.\n"


@pytest.mark.django_db
def test_history_is_forgotten_after_the_days_that_are_set(settings):
    settings.HISTORY_DAYS = 30
    old, young = (
        LoanFactory(lent_at=NOW - timedelta(days=90), returned=True, returned_at=NOW - timedelta(days=days))
        for days in (31, 29)
    )

    forget_history(at=NOW)
    assert set(Loan.objects.filter(member=None)) == {old}
    assert set(Loan.objects.exclude(member=None)) == {young}


@pytest.mark.django_db
def test_history_is_kept_for_ever_unless_days_are_set():
    LoanFactory(lent_at=NOW - timedelta(days=9000), returned=True, returned_at=NOW - timedelta(days=8999))

    forget_history(at=NOW)
    assert not Loan.objects.filter(member=None).exists()
