"""The lists of members, loans, reservations and events: which index finds them, and how little is read.

What is open stands at the end of a long history, and an import at both ends of the events: whoever walks from one
end looking for something passes all of that, which is what the small numbers here rule out.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from circulation.api.loans import EVENT_ORDERINGS, LOAN_ORDERINGS
from circulation.api.members import ORDERINGS as MEMBER_ORDERINGS
from circulation.models import CirculationEvent, Loan
from library.models import Member
from reservations.api.views import ORDERINGS as RESERVATION_ORDERINGS
from reservations.models import Reservation
from tests.plans.deep import deep_cursor

# Pages of 8 kB. 26 loans with titles and barcodes are read in 190, 25 reservations with their positions in 410.
FEW = 500


def day(number: int) -> str:
    return (timezone.localdate() + timedelta(days=number)).isoformat()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "library_member_pkey"),
        ("ordering=-id", "library_member_pkey"),
        ("ordering=name", "member_by_name"),
        ("ordering=-name", "member_by_name"),
        ("ordering=card_number", "one_member_per_card"),
        ("ordering=-card_number", "one_member_per_card"),
        ("search=C00000777", "one_member_per_card"),
        ("search=MEMBER777@example.org", "one_member_per_email"),
        ("search=fcnpi", "member_by_name"),
        ("search=ioddicx", "member_by_first_name"),
        ("search=Ioddicnp+Fcn", "member_by_name"),
        ("search=nobody&ordering=name", "member_by_name"),
        ("search=g", "library_member_pkey"),  # many begin with it
    ],
)
def test_a_list_of_members_reads_little_and_by_an_index(plans_of, query, index):
    plans = plans_of(f"/api/members/?{query}")

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 60, str(plans)


def test_few_members_are_expected_to_have_what_is_searched_for(plans_of):
    """If one in 200 were, those of a big library would be read in their order."""
    plans = plans_of("/api/members/?search=C00000777")

    [expected] = [
        node["Plan Rows"] for plan in plans for node in plan.nodes() if node.get("Relation Name") == "library_member"
    ]
    assert expected <= 26, str(plans)


def test_members_of_a_frequent_name_are_found_by_its_index(plans_of):
    plans = plans_of("/api/members/?search=IODDIC")

    assert "member_by_first_name" in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 100, str(plans)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "circulation_loan_pkey"),
        ("ordering=-id", "circulation_loan_pkey"),
        ("ordering=due_at", "loan_by_due_date"),
        ("ordering=-due_at", "loan_by_due_date"),
        ("ordering=lent_at", "loan_by_date"),
        ("ordering=-lent_at", "loan_by_date"),
        ("status=open", "open_loan"),
        ("status=open&ordering=-id", "open_loan"),
        ("status=open&ordering=due_at", "open_loan_by_due_date"),
        ("status=open&ordering=-due_at", "open_loan_by_due_date"),
        ("status=open&ordering=lent_at", "open_loan_by_date"),
        ("status=open&ordering=-lent_at", "open_loan_by_date"),
        ("status=overdue", "open_loan"),
        ("status=overdue&ordering=due_at", "open_loan_by_due_date"),
        ("status=overdue&ordering=-due_at", "open_loan_by_due_date"),
        ("status=overdue&ordering=lent_at", "open_loan_by_date"),
        ("status=returned", "circulation_loan_pkey"),
        ("status=returned&ordering=due_at", "loan_by_due_date"),
        ("status=returned&ordering=lent_at", "loan_by_date"),
        ("member=777", "loan_of_member"),
        ("member=777&status=open", "one_open_loan_per_title_and_member"),
        ("member=777&status=returned&ordering=-lent_at", "loan_of_member"),
        ("member=777&book=777", "loan_of_book"),
        ("book=777", "loan_of_book"),
        ("book=777&ordering=-due_at", "loan_of_book"),
        ("count=true&member=777", "loan_of_member"),
    ],
)
def test_a_list_of_loans_reads_little_and_by_an_index(plans_of, query, index):
    plans = plans_of(f"/api/loans/?{query}")

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= FEW, str(plans)


@pytest.mark.parametrize("ordering", ["-id", "-due_at", "-lent_at"])
def test_the_last_returned_loans_are_found_behind_the_open_ones(plans_of, ordering):
    """There are never more open loans than copies, however long the history."""
    plans = plans_of(f"/api/loans/?status=returned&ordering={ordering}")

    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 1500, str(plans)


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/api/members/777/loans/", "one_open_loan_per_title_and_member"),
        ("/api/members/777/history/", "loan_of_member"),
        ("/api/members/777/history/?ordering=due_at", "loan_of_member"),
        ("/api/members/777/reservations/", "reservation_of_member"),
        ("/api/members/777/reservations/?status=live", "reservation_of_member"),
        ("/api/loans/777/", "circulation_loan_pkey"),
        ("/api/copies/777-1/", "one_copy_per_barcode"),
    ],
)
def test_what_a_member_has_is_found_by_the_member(plans_of, path, index):
    plans = plans_of(path)

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= FEW, str(plans)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "reservations_reservation_pkey"),
        ("ordering=-id", "reservations_reservation_pkey"),
        ("ordering=placed_at", "reservation_by_date"),
        ("ordering=-placed_at", "reservation_by_date"),
        ("status=live", "live_reservation"),
        ("status=live&ordering=-id", "live_reservation"),
        ("status=live&ordering=placed_at", "live_reservation_by_date"),
        ("status=live&ordering=-placed_at", "live_reservation_by_date"),
        ("status=waiting", "live_reservation"),
        ("status=waiting&ordering=placed_at", "live_reservation_by_date"),
        ("status=expired", "reservation_by_status"),  # 5 of 120,000
        ("status=expired&ordering=-placed_at", "reservation_by_status"),
        ("status=fulfilled", "reservations_reservation_pkey"),
        ("status=cancelled&ordering=placed_at", "reservation_by_date"),
        ("member=777", "reservation_of_member"),
        ("book=777", "reservation_line"),
        ("book=777&status=live&ordering=placed_at", "live_line"),
        ("book=1&status=live&ordering=placed_at", "live_reservation_by_date"),
    ],
)
def test_a_list_of_reservations_reads_little_and_by_an_index(plans_of, query, index):
    plans = plans_of(f"/api/reservations/?{query}")

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= FEW, str(plans)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "event_of_the_desk"),
        ("ordering=-occurred_at", "event_of_the_desk"),
        ("kind=checkout", "event_of_the_desk"),  # half of all
        ("kind=return&ordering=-occurred_at", "event_of_the_desk"),
        ("kind=lost", "event_of_kind"),  # 4 of 400,000
        ("kind=damaged", "event_of_kind"),
        ("book=777", "event_of_book"),
        ("member=777", "event_of_member"),
        ("copy=777-1", "event_of_copy"),
        ("copy=nothing", "one_copy_per_barcode"),
        (f"since={day(-40)}", "event_of_the_desk"),
        (f"since={day(-40)}&ordering=-occurred_at", "event_of_the_desk"),
        (f"until={day(-780)}", "event_of_the_desk"),
        (f"since={day(-400)}&until={day(-399)}", "event_of_the_desk"),
        (f"since={day(-400)}&until={day(-399)}&kind=return", "event_of_kind"),
        (f"since={day(10)}", "event_of_the_desk"),
    ],
)
def test_a_list_of_events_reads_little_and_by_an_index(plans_of, query, index):
    plans = plans_of(f"/api/circulation/events/?{query}")

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 60, str(plans)


@pytest.mark.parametrize("ordering", ["id", "-id", "placed_at", "-placed_at"])
def test_holds_are_found_among_what_is_live(plans_of, ordering):
    plans = plans_of(f"/api/reservations/?status=ready&ordering={ordering}")

    assert plans.scanned == set(), str(plans)
    assert plans.pages <= FEW, str(plans)


def test_events_in_order_of_id_walk_past_those_of_imports(plans_of):
    """For machines that want that order; people get that of time, in which imports are left out of the index."""
    plans = plans_of("/api/circulation/events/?ordering=id")

    assert plans.indexes == {"events_event_pkey"}
    assert plans.scanned == set()
    assert 1000 < plans.pages < 3000


@pytest.mark.parametrize("falling", ["", "-"])
@pytest.mark.parametrize(
    ("path", "model", "orderings", "ordering", "pk", "most"),
    [
        ("/api/members/?", Member, MEMBER_ORDERINGS, "id", 15_000, 26),
        ("/api/members/?", Member, MEMBER_ORDERINGS, "name", 15_000, 26),
        ("/api/members/?", Member, MEMBER_ORDERINGS, "card_number", 15_000, 28),
        ("/api/loans/?", Loan, LOAN_ORDERINGS, "id", 150_000, 26),
        ("/api/loans/?", Loan, LOAN_ORDERINGS, "due_at", 150_000, 26),
        ("/api/loans/?", Loan, LOAN_ORDERINGS, "lent_at", 150_000, 26),
        ("/api/loans/?status=open&", Loan, LOAN_ORDERINGS, "id", 230_000, 26),
        ("/api/loans/?status=open&", Loan, LOAN_ORDERINGS, "due_at", 230_000, 26),
        ("/api/loans/?status=open&", Loan, LOAN_ORDERINGS, "lent_at", 230_000, 26),
        ("/api/reservations/?", Reservation, RESERVATION_ORDERINGS, "placed_at", 60_000, 26),
        ("/api/reservations/?status=live&", Reservation, RESERVATION_ORDERINGS, "id", 115_000, 26),
        ("/api/reservations/?status=live&", Reservation, RESERVATION_ORDERINGS, "placed_at", 115_000, 26),
        ("/api/circulation/events/?", CirculationEvent, EVENT_ORDERINGS, "occurred_at", 300_000, 26),
    ],
)
def test_a_page_in_the_midst_costs_what_the_first_one_costs(
    plans_of, path, model, orderings, ordering, pk, most, falling
):
    ordering = f"{falling}{ordering}"
    table = model._meta.db_table
    cursor = deep_cursor(model, orderings, ordering, pk)

    first = next(plan for plan in plans_of(f"{path}ordering={ordering}") if plan.rows(table))
    deep = next(plan for plan in plans_of(f"{path}ordering={ordering}&cursor={cursor}") if plan.rows(table))

    assert deep.indexes == first.indexes, str(deep)
    assert max(first.rows(table), deep.rows(table)) <= most, str(deep)
    assert deep.pages <= first.pages + 60, str(deep)


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("library/member/?category__id__exact=101", "member_of_category"),
        ("library/member/?branch__id__exact=101", "member_of_branch"),
        ("library/member/?q=fcnpi", "member_by_name"),
        ("circulation/loan/?q=777-1", "loan_of_copy"),
        ("circulation/loan/?state=overdue", "open_loan"),
        ("events/event/?copy_id=777", "event_of_copy"),
    ],
)
def test_the_admin_searches_by_indexes(plans_of, path, index):
    plans = plans_of(f"/admin/{path}")

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
