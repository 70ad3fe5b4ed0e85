"""What the desk, the line, the relay and the sweep ask, at 100,000 titles and 60,000 open loans."""

from datetime import timedelta

import pytest
from django.utils import timezone

from circulation import copies, housekeeping, members, services
from circulation.models import Loan
from circulation.statistics import statistics
from events.models import PendingEvent
from events.relay import BATCH, relay_pending
from events.retention import forget_old_answers
from library.models import LoanPolicy
from reservations import availability, titles
from reservations import services as line
from reservations.api.serializers import reservation_data
from reservations.models import Reservation
from tests.factories import MemberFactory
from tests.plans.explaining import explaining

pytestmark = [
    pytest.mark.usefixtures("in_big_library"),
    pytest.mark.django_db,
]

# Pages of 8 kB; every look-up by an index costs three or four.
FEW = 80
ANNA = 777  # a member with 5 open loans and 10 returned ones
BERT = 12_001  # a member in no line of title 1
BOTH = pytest.mark.parametrize("shared", [False, True], ids=["planned for its values", "prepared"])


@pytest.fixture(autouse=True)
def _generous():
    LoanPolicy.objects.update(max_loans=100, lend_while_overdue=True, max_reservations=100)


def now():
    return timezone.now()


def open_loan(book_id: int) -> Loan:
    return Loan.objects.active().filter(book_id=book_id).order_by("pk").first()


def check_out_by_title():
    assert services.check_out(member_id=ANNA, book_id=50_002, at=now()).loan.book_id == 50_002


def check_out_by_barcode():
    assert services.check_out(member_id=ANNA, barcode="50002-2", at=now()).loan.book_id == 50_002


def check_out_into_the_line():
    assert services.check_out(member_id=ANNA, book_id=30, at=now()).reservation.book_id == 30


def return_by_barcode():
    services.return_copy(barcode="50001-1", at=now())


def return_by_loan():
    services.return_copy(loan_id=open_loan(50_001).pk, at=now())


def return_by_member_and_title():
    services.return_copy(member_id=open_loan(50_001).member_id, book_id=50_001, at=now())


def return_into_a_line():
    assert services.return_copy(barcode="30-1", at=now()).next.action == "hold"


def return_that_lends():
    assert services.return_copy(barcode="30-1", at=now(), fulfil_on_return="loan").next.action == "lend"


def renew_by_loan():
    services.renew(loan_id=open_loan(50_001).pk, at=now())


def renew_by_barcode():
    services.renew(barcode="50001-1", at=now())


def reserve():
    line.reserve(member_id=ANNA, book_id=30, at=now())


def hold(book_id: int) -> Reservation:
    return Reservation.objects.get(book_id=book_id, status="ready")


def fulfil():
    services.fulfil(reservation_id=hold(777).pk, at=now())


def fulfil_head():
    services.fulfil_head(book_id=777, at=now())


def cancel():
    line.cancel(reservation_id=hold(777).pk, at=now())


def suspend_and_resume():
    waiting = Reservation.objects.filter(book_id=30, status="waiting").order_by("pk").first()
    line.suspend(reservation_id=waiting.pk, at=now())
    line.resume(reservation_id=waiting.pk, at=now())


def reorder():
    waiting = Reservation.objects.filter(book_id=30, status="waiting").order_by("-pk").first()
    line.reorder(reservation_id=waiting.pk, priority=-5, reason="a class", at=now())


def expire():
    assert len(line.expire(book_id=777, at=now() + timedelta(days=100))) == 2


def lose_and_find():
    copies.mark_lost(barcode="777-2", at=now())
    copies.mark_found(barcode="777-2", at=now())


def add_copies():
    titles.add_copies(book_id=30, count=2, at=now())


def edit_title():
    titles.edit_title(book_id=50_001, fields={"title": "Another"}, at=now())


def withdraw_title():
    titles.withdraw_title(book_id=50_002, at=now())


def edit_member():
    members.edit(member_id=ANNA, fields={"blocked_reason": ""}, at=now())


@BOTH
@pytest.mark.parametrize(
    ("work", "indexes"),
    [
        (check_out_by_title, {"copy_of_book", "one_open_loan_per_title_and_member", "one_live_reservation_per_member"}),
        (check_out_by_barcode, {"one_copy_per_barcode", "one_open_loan_per_title_and_member"}),
        (check_out_into_the_line, {"reservation_of_member"}),
        (return_by_barcode, {"one_copy_per_barcode"}),
        (return_by_loan, {"circulation_loan_pkey"}),
        (return_by_member_and_title, {"one_open_loan_per_title_and_member"}),
        (return_into_a_line, {"one_copy_per_barcode", "copy_of_book"}),
        (return_that_lends, {"library_member_pkey", "copy_of_book"}),
        (renew_by_loan, {"circulation_loan_pkey"}),
        (renew_by_barcode, {"one_copy_per_barcode"}),
        (reserve, {"reservation_of_member"}),
        (fulfil, {"reservations_reservation_pkey"}),
        (fulfil_head, {"library_book_pkey"}),
        (cancel, {"reservations_reservation_pkey"}),
        (suspend_and_resume, {"reservations_reservation_pkey"}),
        (reorder, {"reservations_reservation_pkey"}),
        (expire, {"library_book_pkey"}),
        (lose_and_find, {"one_copy_per_barcode"}),
        (add_copies, {"copy_of_book"}),
        (edit_title, {"library_book_pkey"}),
        (withdraw_title, {"copy_of_book"}),
        (edit_member, {"reservation_of_member"}),
    ],
)
def test_the_desk_finds_everything_by_an_index(work, indexes, shared):
    with explaining(shared=shared) as plans:
        work()

    assert indexes <= plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= FEW, str(plans)


# --- A line of 10,000 -------------------------------------------------------------------------------------


@BOTH
def test_the_head_of_a_long_line_is_found_without_reading_the_line(shared):
    with explaining(shared=shared) as plans:
        assert services.return_copy(barcode="1-1", at=now()).next.action == "hold"

    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 250, str(plans)  # the first 50 with their members


def test_joining_a_long_line_reads_it_once_with_those_who_stand_in_it():
    """Whether a copy is free depends on how many eligible members wait. 10,000 of 20,000 are found fastest by
    reading them all; everything else is found by an index."""
    with explaining() as plans:
        services.check_out(member_id=BERT, book_id=1, at=now())

    assert plans.scanned == {"library_member"}, str(plans)
    assert plans.pages <= 700, str(plans)


@BOTH
def test_a_place_at_the_end_of_a_long_line_is_counted_in_the_index_alone(shared):
    last = Reservation.objects.live().filter(book_id=1).in_order().last()

    with explaining(shared=shared) as plans:
        [data] = reservation_data([last], cached=False)

    assert data["position"] == 10_000
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 250, str(plans)


def test_the_page_of_a_long_line_counts_no_further_than_it_shows(plans_of):
    plans = plans_of("/api/books/1/queue/")

    assert plans.scanned == set(), str(plans)
    assert "live_line" in plans.indexes, str(plans)
    assert plans.pages <= 10_000, str(plans)  # for each of 1,000 those before it: 500 in the mean


# --- Availability -----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("book_ids", "most"), [([777], 30), (range(500, 525), 450), ([1], 300)])
def test_numbers_are_counted_by_indexes(book_ids, most, shared):
    with explaining(shared=shared) as plans:
        counted = availability.count(book_ids)

    assert len(counted) == len(book_ids)
    [plan] = plans
    assert plan.indexes >= {"library_book_pkey", "copy_of_book", "event_of_book"}, str(plan)
    assert plan.scanned == set(), str(plan)
    assert plan.pages <= most, str(plan)


# --- What runs by itself ----------------------------------------------------------------------------------


def test_the_relay_reads_what_it_publishes_and_nothing_else():
    with explaining() as plans:
        assert relay_pending() == BATCH

    assert plans.indexes >= {"events_pendingevent_pkey", "events_publication_pkey", "events_event_pkey"}, str(plans)
    assert plans.scanned <= {"events_relay"}, str(plans)
    assert PendingEvent.objects.count() == 5000 - BATCH


def test_the_sweep_finds_what_it_looks_for_by_indexes():
    Reservation.objects.lapsed(now()).update(status="cancelled", closed_at=now())  # or it would serve 650 titles

    with explaining() as plans:
        swept = housekeeping.sweep(at=now())

    assert swept.expired == 0
    wanted = {"reservation_on_shelf", "reservation_needed_by", "live_reservation", "copy_of_book"}
    assert wanted <= plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)


def test_old_answers_are_found_by_their_age():
    with explaining() as plans:
        forget_old_answers(at=now())

    assert (plans.indexes, plans.scanned) == ({"answer_by_age"}, set()), str(plans)


def test_what_has_lapsed_is_found_among_120_000_reservations():
    with explaining() as plans:
        lapsed = len(Reservation.objects.lapsed(now()))

    assert 500 < lapsed < 1000
    assert plans.indexes == {"reservation_on_shelf", "reservation_needed_by"}
    assert plans.pages <= 400, str(plans)


# --- What may read whole tables ---------------------------------------------------------------------------


def test_statistics_read_what_they_count():
    """Seldom asked. Loans of the last days are found by their date, whatever came before."""
    with explaining() as plans:
        statistics(at=now())

    assert "loan_by_date" in plans.indexes, str(plans)
    assert plans.scanned <= {"library_book", "library_copy", "circulation_loan", "circulation_dayfigures"}, str(plans)


def test_deleting_a_member_reads_all_copies_and_a_days_answers():
    """Nothing else asks for copies by their holder, and an index on it would make every move of a copy dearer.

    Nor does anybody else ask what stands in the answers that are kept for a day.
    """
    member = MemberFactory()

    with explaining() as plans:
        members.delete(member_id=member.pk, at=now())

    assert plans.scanned == {"library_copy", "events_storedanswer"}, str(plans)
