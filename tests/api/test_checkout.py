"""POST /api/circulation/checkout/: lent, reserved, or refused with every reason."""

from datetime import timedelta

import pytest

from circulation.models import Loan
from events.models import Event
from reservations.models import Reservation
from tests.api.asking import LOAN, RESERVATION, data_of, everything, message_of, open_loan, refusals_of
from tests.factories import BookFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory, general_policy

pytestmark = pytest.mark.django_db

URL = "/api/circulation/checkout/"


@pytest.fixture
def ada():
    return MemberFactory(first_name="Ada", last_name="Lovelace")


# --- Lent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["title", "barcode"])
def test_a_free_copy_is_lent(api, ada, by):
    book = BookFactory(title="Emma", copies=1)
    copy = book.copies.get()

    response = api.post(
        URL, {"member_id": ada.pk} | ({"book_id": book.pk} if by == "title" else {"barcode": copy.barcode})
    )

    data = data_of(response, 201)
    loan = Loan.objects.get()
    assert data == {
        "outcome": "lent",
        "loan": {
            "id": loan.pk,
            "book_id": book.pk,
            "title": "Emma",
            "copy_barcode": copy.barcode,
            "member_id": ada.pk,
            "lent_at": loan.lent_at.isoformat().replace("+00:00", "Z"),
            "due_at": loan.due_at.isoformat().replace("+00:00", "Z"),
            "returned_at": None,
            "renewals": 0,
            "overdue": False,
        },
    }
    assert set(data["loan"]) == LOAN
    day = (loan.lent_at + timedelta(days=28)).date()
    assert data["loan"]["due_at"] == f"{day}T23:59:59Z"
    assert message_of(response) == f"Copy {copy.barcode} lent to Ada Lovelace until {day}."


def test_days_shorten_the_loan(api, ada):
    book = BookFactory(copies=1)

    data = data_of(api.post(URL, {"member_id": ada.pk, "book_id": book.pk, "days": 7}), 201)

    loan = Loan.objects.get()
    assert data["loan"]["due_at"] == f"{(loan.lent_at + timedelta(days=7)).date()}T23:59:59Z"


def test_the_account_at_the_desk_is_kept_with_the_event(api, ada):
    data_of(api.post(URL, {"member_id": ada.pk, "book_id": BookFactory(copies=1).pk}), 201)

    assert Event.objects.get().actor_id == api.handler._force_user.pk


# --- Reserved ----------------------------------------------------------------------------------------------


def test_with_nothing_free_the_member_joins_the_line(api, ada):
    book = open_loan(book__title="Emma").book
    ReservationFactory(book=book)

    response = api.post(URL, {"member_id": ada.pk, "book_id": book.pk})

    data = data_of(response, 202)
    reservation = Reservation.objects.get(member=ada)
    assert list(data) == ["outcome", "reservation"]
    assert data["outcome"] == "reserved"
    assert data["reservation"] == {
        "id": reservation.pk,
        "book_id": book.pk,
        "title": "Emma",
        "member_id": ada.pk,
        "status": "waiting",
        "position": 2,
        "placed_at": reservation.placed_at.isoformat().replace("+00:00", "Z"),
        "estimated_wait_days": 56,
        "shelf_until": None,
        "needed_by": None,
        "copy_barcode": None,
        "branch": "Main Library",
    }
    assert set(data["reservation"]) == RESERVATION
    assert message_of(response) == "Nothing is free. Ada Lovelace is at place 2 in the line for “Emma”."


def test_a_barcode_means_that_copy_unless_asked_to_reserve(api, ada):
    copy = open_loan().copy

    refusals_of(api.post(URL, {"member_id": ada.pk, "barcode": copy.barcode}), 409, "COPY_ON_LOAN")
    data = data_of(api.post(URL, {"member_id": ada.pk, "barcode": copy.barcode, "on_unavailable": "reserve"}), 202)

    assert data["reservation"]["book_id"] == copy.book_id


def test_whoever_joins_before_those_moved_back_may_be_served_at_once(api, ada):
    copy = CopyFactory(book__title="Emma")
    ReservationFactory(book=copy.book, priority=5)

    response = api.post(URL, {"member_id": ada.pk, "book_id": copy.book_id})

    reservation = data_of(response, 202)["reservation"]
    assert (reservation["status"], reservation["position"], reservation["copy_barcode"]) == ("ready", 0, copy.barcode)
    assert message_of(response) == "A copy of “Emma” is set aside for Ada Lovelace."


# --- Refused -----------------------------------------------------------------------------------------------


def refused(api, ada, status, code, **how):
    """The one reason of a refusal that changed nothing."""
    before = everything()
    [reason] = refusals_of(api.post(URL, {"member_id": ada.pk, **how}), status, code)
    assert everything() == before
    return reason


def test_nothing_free_and_asked_to_refuse(api, ada):
    book = open_loan(book__title="Emma").book
    ReservationFactory(book=book)

    assert refused(api, ada, 409, "NO_COPY_AVAILABLE", book_id=book.pk, on_unavailable="refuse") == {
        "code": "NO_COPY_AVAILABLE",
        "message": "No copy of “Emma” is free.",
        "overridable": False,
        "available": 0,
        "waiting": 1,
    }


def test_a_copy_on_loan(api, ada):
    copy = open_loan().copy

    assert refused(api, ada, 409, "COPY_ON_LOAN", barcode=copy.barcode) == {
        "code": "COPY_ON_LOAN",
        "message": f"Copy {copy.barcode} is on loan to somebody else.",
        "overridable": False,
        "barcode": copy.barcode,
    }


def test_a_copy_set_aside_for_somebody_else(api, ada):
    copy = ReservationFactory(ready=True).copy

    assert refused(api, ada, 409, "COPY_HELD_FOR_OTHER", barcode=copy.barcode) == {
        "code": "COPY_HELD_FOR_OTHER",
        "message": f"Copy {copy.barcode} is set aside for somebody else.",
        "overridable": False,
        "barcode": copy.barcode,
    }


def test_a_free_copy_that_those_ahead_are_waiting_for(api, ada):
    copy = CopyFactory(book__title="Emma")
    ReservationFactory(book=copy.book)

    assert refused(api, ada, 409, "COPY_HELD_FOR_OTHER", barcode=copy.barcode) == {
        "code": "COPY_HELD_FOR_OTHER",
        "message": "Every free copy of “Emma” is spoken for by those ahead in the line.",
        "overridable": False,
        "barcode": copy.barcode,
        "available": 1,
        "ahead": 1,
    }


@pytest.mark.parametrize("state", ["lost", "missing", "damaged", "withdrawn"])
def test_a_copy_that_cannot_be_lent(api, ada, state):
    copy = CopyFactory(status=state)

    assert refused(api, ada, 422, "COPY_NOT_CIRCULATING", barcode=copy.barcode) == {
        "code": "COPY_NOT_CIRCULATING",
        "message": f"Copy {copy.barcode} is {state} and cannot be lent.",
        "overridable": False,
        "barcode": copy.barcode,
        "status": state,
    }


def test_a_title_out_of_circulation(api, ada):
    book = BookFactory(title="Emma", out_of_circulation=True, copies=1)

    assert refused(api, ada, 422, "COPY_NOT_CIRCULATING", book_id=book.pk) == {
        "code": "COPY_NOT_CIRCULATING",
        "message": "“Emma” is out of circulation.",
        "overridable": False,
    }


def test_a_title_that_the_member_has(api, ada):
    book = BookFactory(title="Emma", copies=1)
    open_loan(book=book, member=ada)

    assert refused(api, ada, 409, "ALREADY_BORROWED", book_id=book.pk) == {
        "code": "ALREADY_BORROWED",
        "message": "Ada Lovelace already has “Emma” on loan.",
        "overridable": False,
    }


def test_a_line_that_the_member_stands_in(api, ada):
    book = open_loan(book__title="Emma").book
    ReservationFactory(book=book, member=ada)

    assert refused(api, ada, 409, "RESERVATION_EXISTS", book_id=book.pk) == {
        "code": "RESERVATION_EXISTS",
        "message": "Ada Lovelace already stands in the line for “Emma”.",
        "overridable": False,
    }


def test_too_many_reservations(api, ada):
    general_policy(max_reservations=2)
    ReservationFactory.create_batch(2, member=ada)

    assert refused(api, ada, 422, "RESERVATION_LIMIT_REACHED", book_id=open_loan().book_id) == {
        "code": "RESERVATION_LIMIT_REACHED",
        "message": "Ada Lovelace has 2 reservations, and 2 is the limit.",
        "overridable": True,
        "open": 2,
        "limit": 2,
    }


def test_all_reasons_are_given_at_once_in_order(api):
    general_policy(max_loans=2)
    ada = MemberFactory(first_name="Ada", last_name="Lovelace", blocked=True, expired=True)
    LoanFactory(member=ada, overdue=True)
    copy = open_loan(member=ada, book__title="Emma", book__in_circulation=False).copy
    before = everything()

    response = api.post(URL, {"member_id": ada.pk, "barcode": copy.barcode, "days": 29})

    codes = [
        "MEMBER_BLOCKED",
        "MEMBER_EXPIRED",
        "MEMBER_HAS_OVERDUE",
        "LOAN_LIMIT_REACHED",
        "LOAN_TOO_LONG",
        "ALREADY_BORROWED",
        "COPY_NOT_CIRCULATING",
    ]
    blocked, expired, overdue, limit, days, has_it, out = refusals_of(response, 422, *codes)
    assert blocked == {
        "code": "MEMBER_BLOCKED",
        "message": "Ada Lovelace is blocked: lost a card",
        "overridable": True,
        "reason": "lost a card",
    }
    assert expired == {
        "code": "MEMBER_EXPIRED",
        "message": "Ada Lovelace's membership ended on 2026-03-01.",
        "overridable": True,
        "expires_on": "2026-03-01",
    }
    assert overdue == {
        "code": "MEMBER_HAS_OVERDUE",
        "message": "Ada Lovelace has 1 overdue.",
        "overridable": True,
        "overdue": 1,
    }
    assert limit == {
        "code": "LOAN_LIMIT_REACHED",
        "message": "Ada Lovelace has 2 on loan, and 2 is the limit.",
        "overridable": True,
        "open": 2,
        "limit": 2,
    }
    assert days == {
        "code": "LOAN_TOO_LONG",
        "message": "29 days is too long: this title is lent for at most 28.",
        "overridable": True,
        "days": 29,
        "limit": 28,
    }
    assert (has_it["overridable"], out["overridable"]) == (False, False)
    assert everything() == before


# --- Overridden --------------------------------------------------------------------------------------------


def test_what_staff_override_lands_in_the_event_with_their_reason(api):
    general_policy(max_loans=0)
    ada = MemberFactory(blocked=True)
    book = BookFactory(copies=1)
    sent = {
        "member_id": ada.pk,
        "book_id": book.pk,
        "override": ["LOAN_LIMIT_REACHED", "MEMBER_BLOCKED", "MEMBER_EXPIRED"],
        "override_reason": "The director asked",
    }

    data_of(api.post(URL, sent), 201)

    event = Event.objects.get()
    assert event.payload["override"] == {
        "codes": ["LOAN_LIMIT_REACHED", "MEMBER_BLOCKED"],
        "reason": "The director asked",
    }
    assert (event.payload["open"], event.payload["limit"]) == (0, 0)


def test_an_override_covers_what_it_names_only(api):
    general_policy(max_loans=0)
    ada = MemberFactory(blocked=True)
    sent = {"member_id": ada.pk, "book_id": BookFactory(copies=1).pk}

    override = {"override": ["MEMBER_BLOCKED"], "override_reason": "x"}

    refusals_of(api.post(URL, sent | override), 422, "LOAN_LIMIT_REACHED")


def test_facts_cannot_be_overridden(api, ada):
    copy = open_loan().copy
    override = {"override": ["COPY_ON_LOAN"], "override_reason": "x"}

    refused(api, ada, 409, "COPY_ON_LOAN", barcode=copy.barcode, **override)


def test_an_override_that_was_not_needed_leaves_no_trace(api, ada):
    sent = {"member_id": ada.pk, "book_id": BookFactory(copies=1).pk}

    data_of(api.post(URL, sent | {"override": ["MEMBER_BLOCKED"], "override_reason": "x"}), 201)

    assert "override" not in Event.objects.get().payload


def test_joining_the_line_can_be_overridden(api, ada):
    general_policy(max_reservations=0)
    override = {"override": ["RESERVATION_LIMIT_REACHED"], "override_reason": "x"}

    data_of(api.post(URL, {"member_id": ada.pk, "book_id": open_loan().book_id, **override}), 202)

    assert Event.objects.get().payload["override"] == {"codes": ["RESERVATION_LIMIT_REACHED"], "reason": "x"}


def test_a_whole_number_may_be_written_with_a_point(api):
    """To JSON 7 and 7.0 are the same number, and to some languages there is no other way to write it."""
    book, member = BookFactory(copies=1), MemberFactory()

    lent = api.post(URL, {"member_id": float(member.pk), "book_id": float(book.pk), "days": 7.0})

    assert data_of(lent, 201)["loan"]["book_id"] == book.pk
