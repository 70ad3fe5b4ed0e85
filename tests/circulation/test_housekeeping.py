"""What happens without being asked."""

import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from circulation.housekeeping import Swept, keep_house, stranded, sweep
from circulation.members import settle_lines_of
from events.models import StoredAnswer
from library.models import Copy, Member
from reservations.models import Reservation
from tests.factories import NOW, BookFactory, CopyFactory, MemberFactory, ReservationFactory

LATER = NOW + timedelta(days=30)


def stranded_reservation():
    """Somebody waits beside a free copy: they were blocked when it came in, and are no longer."""
    book = BookFactory(copies=1)
    return ReservationFactory(book=book, member=MemberFactory())


@pytest.mark.django_db
def test_a_hold_that_was_not_collected_expires_and_the_next_in_line_is_served():
    hold = ReservationFactory(ready=True)
    following = ReservationFactory(book=hold.book)

    assert sweep(at=LATER) == Swept(expired=1, served=0, answers=0)
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
    assert sweep(at=NOW) == Swept(expired=0, served=1, answers=0)
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
def test_answers_are_kept_for_a_day():
    common = {"caller": "open desk", "fingerprint": "", "status": 201, "body": b""}
    StoredAnswer.objects.create(key="old", created_at=NOW - timedelta(hours=24, seconds=1), **common)
    StoredAnswer.objects.create(key="young", created_at=NOW - timedelta(hours=23, minutes=59), **common)

    assert sweep(at=NOW).answers == 1
    assert [answer.key for answer in StoredAnswer.objects.all()] == ["young"]


@pytest.mark.django_db
def test_a_second_sweep_finds_nothing_left():
    ReservationFactory(ready=True)
    stranded_reservation()
    sweep(at=LATER)

    assert sweep(at=LATER) == Swept(expired=0, served=0, answers=0)


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
def test_the_background_process_sweeps_until_it_is_stopped():
    reservation = stranded_reservation()
    stop = threading.Event()

    def run():
        keep_house(stop)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    give_up = timezone.now() + timedelta(seconds=20)
    while timezone.now() < give_up and Reservation.objects.get(pk=reservation.pk).status != "ready":
        stop.wait(0.05)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()
    assert Reservation.objects.get(pk=reservation.pk).status == "ready"


@pytest.mark.django_db(transaction=True)
def test_the_command_does_it_once_and_says_what(capsys):
    CopyFactory()
    stranded_reservation()

    call_command("housekeep", "--once")
    assert capsys.readouterr().out == "0 reservations expired, 1 copies set aside, 0 old answers dropped.\n"
