"""POST /api/circulation/return/ and /renew/, and the loans that they leave."""

from datetime import timedelta

import pytest
from django.utils import timezone

from circulation.models import Loan
from events.models import Event
from tests.api.asking import (
    LOAN,
    RESERVATION,
    data_of,
    error_of,
    everything,
    invalid_fields,
    message_of,
    open_loan,
    refusals_of,
)
from tests.factories import CopyFactory, LoanFactory, MemberFactory, ReservationFactory, general_policy

pytestmark = pytest.mark.django_db

RETURN = "/api/circulation/return/"
RENEW = "/api/circulation/renew/"


@pytest.fixture
def loan():
    return open_loan(book__title="Emma", member=MemberFactory(first_name="Ada", last_name="Lovelace"))


# --- Return ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["barcode", "loan", "member and title"])
def test_a_copy_comes_back_to_the_shelf(api, loan, by):
    sent = {
        "barcode": {"barcode": loan.copy.barcode},
        "loan": {"loan_id": loan.pk},
        "member and title": {"member_id": loan.member_id, "book_id": loan.book_id},
    }[by]

    response = api.post(RETURN, sent)

    data = data_of(response)
    loan.refresh_from_db()
    assert list(data) == ["loan", "next"]
    assert set(data["loan"]) == LOAN
    assert data["loan"]["id"] == loan.pk
    assert data["loan"]["returned_at"] == loan.returned_at.isoformat().replace("+00:00", "Z")
    assert data["next"] == {"action": "shelve"}
    assert message_of(response) == f"Copy {loan.copy.barcode} returned. Put it back on the shelf."
    loan.copy.refresh_from_db()
    assert (loan.copy.status, loan.copy.holder, loan.copy.due_at) == ("available", None, None)


def test_a_copy_that_comes_back_is_held_for_the_head_of_the_line(api, loan):
    waiting = ReservationFactory(book=loan.book, member=MemberFactory(first_name="Grace", last_name="Hopper"))

    response = api.post(RETURN, {"barcode": loan.copy.barcode})

    step = data_of(response)["next"]
    assert list(step) == ["action", "reservation"]
    assert step["action"] == "hold"
    assert set(step["reservation"]) == RESERVATION
    shelf_until = f"{(timezone.now() + timedelta(days=7)).date()}T23:59:59Z"
    assert {
        name: step["reservation"][name] for name in ("id", "status", "position", "copy_barcode", "shelf_until")
    } == {
        "id": waiting.pk,
        "status": "ready",
        "position": 0,
        "copy_barcode": loan.copy.barcode,
        "shelf_until": shelf_until,
    }
    assert step["reservation"]["estimated_wait_days"] == 0
    assert message_of(response) == f"Copy {loan.copy.barcode} returned. Put it on the hold shelf for Grace Hopper."


def test_a_copy_that_comes_back_may_be_lent_to_the_head_at_once(api, loan, settings):
    settings.FULFIL_ON_RETURN = "loan"
    waiting = ReservationFactory(book=loan.book, member=MemberFactory(first_name="Grace", last_name="Hopper"))

    response = api.post(RETURN, {"barcode": loan.copy.barcode})

    step = data_of(response)["next"]
    assert (step["action"], step["reservation"]["id"], step["reservation"]["status"]) == (
        "lend",
        waiting.pk,
        "fulfilled",
    )
    assert step["reservation"]["position"] is None
    sentence = f"Copy {loan.copy.barcode} returned. Hand it to Grace Hopper, who was first in line: it is lent."
    assert message_of(response) == sentence
    assert Loan.objects.active().get().member == waiting.member


def test_a_late_return_is_told_apart_in_the_event(api):
    loan = LoanFactory(overdue=True)

    data = data_of(api.post(RETURN, {"loan_id": loan.pk}))

    assert data["loan"]["overdue"] is False
    assert Event.objects.get().payload == {"barcode": loan.copy.barcode, "overdue": True}


@pytest.mark.parametrize("url", [RETURN, RENEW])
def test_nothing_is_on_loan(api, url):
    copy = CopyFactory()
    over = LoanFactory(returned=True)
    before = everything()

    [reason] = refusals_of(api.post(url, {"barcode": copy.barcode}), 409, "COPY_NOT_ON_LOAN")
    [ended] = refusals_of(api.post(url, {"loan_id": over.pk}), 409, "COPY_NOT_ON_LOAN")

    assert reason == {
        "code": "COPY_NOT_ON_LOAN",
        "message": f"Copy {copy.barcode} is not on loan. It is available.",
        "overridable": False,
    }
    assert ended["message"] == f"Loan {over.pk} has ended: nothing is on loan under it."
    assert everything() == before


def test_a_member_returns_only_what_they_have(api, loan):
    other = MemberFactory()

    response = api.post(RETURN, {"member_id": other.pk, "book_id": loan.book_id})

    [reason] = refusals_of(response, 409, "COPY_NOT_ON_LOAN")
    assert reason["message"] == f"“Emma” is not on loan to member {other.pk}."


def test_a_second_return_finds_nothing(api, loan):
    data_of(api.post(RETURN, {"barcode": loan.copy.barcode}))
    before = everything()

    refusals_of(api.post(RETURN, {"barcode": loan.copy.barcode}), 409, "COPY_NOT_ON_LOAN")

    assert everything() == before


def test_what_comes_back_must_be_known(api, loan):
    error_of(api.post(RETURN, {"barcode": "47110815"}), 404, "COPY_NOT_FOUND")
    error_of(api.post(RETURN, {"loan_id": 47110815}), 404, "LOAN_NOT_FOUND")
    error_of(api.post(RETURN, {"member_id": loan.member_id, "book_id": 47110815}), 404, "BOOK_NOT_FOUND")
    error_of(api.post(RETURN, {"member_id": 47110815, "book_id": loan.book_id}), 404, "MEMBER_NOT_FOUND")


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"barcode": "invalid"}),
        ({"member_id": 1}, {"barcode": "invalid"}),
        ({"book_id": 1}, {"member_id": "required"}),
        ({"barcode": "a", "loan_id": 1}, {"barcode": "invalid"}),
        ({"barcode": "a", "member_id": 1, "book_id": 1}, {"barcode": "invalid"}),
        ({"barcode": ""}, {"barcode": "blank"}),
        ({"barcode": None}, {"barcode": "null"}),
        ({"loan_id": -1}, {"loan_id": "min_value"}),
        ({"loan_id": 1, "override": []}, {"override": "unknown"}),
        ({"loan_id": 1, "fulfil_on_return": "loan"}, {"fulfil_on_return": "unknown"}),
    ],
)
def test_what_a_return_cannot_be(api, sent, complaints):
    assert invalid_fields(api.post(RETURN, sent)) == complaints


# --- Renewal -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["barcode", "loan"])
def test_a_loan_is_renewed(api, by):
    loan = LoanFactory(lent_at=timezone.now() - timedelta(days=20))

    response = api.post(RENEW, {"barcode": loan.copy.barcode} if by == "barcode" else {"loan_id": loan.pk})

    data = data_of(response)
    loan.refresh_from_db()
    due = (timezone.now() + timedelta(days=28)).date()
    assert set(data) == LOAN
    assert (data["id"], data["renewals"], data["due_at"]) == (loan.pk, 1, f"{due}T23:59:59Z")
    assert message_of(response) == f"Copy {loan.copy.barcode} is now due on {due}."
    assert loan.copy.due_at == loan.due_at


def test_a_loan_is_not_renewed_for_ever(api):
    loan = open_loan(renewals=2)
    before = everything()

    [reason] = refusals_of(api.post(RENEW, {"loan_id": loan.pk}), 422, "RENEWAL_LIMIT_REACHED")

    assert reason == {
        "code": "RENEWAL_LIMIT_REACHED",
        "message": "This loan was renewed 2 times, and 2 is the limit.",
        "overridable": True,
        "renewals": 2,
        "limit": 2,
    }
    assert everything() == before


def test_a_loan_that_others_wait_for_is_not_renewed(api, loan):
    ReservationFactory.create_batch(2, book=loan.book)

    [reason] = refusals_of(api.post(RENEW, {"loan_id": loan.pk}), 422, "RENEWAL_BLOCKED_BY_RESERVATION")

    assert reason == {
        "code": "RENEWAL_BLOCKED_BY_RESERVATION",
        "message": "“Emma” cannot be renewed: somebody is waiting for it.",
        "overridable": True,
        "waiting": 2,
    }


def test_a_renewal_gives_every_reason_and_staff_override_them(api):
    general_policy(max_renewals=0)
    loan = open_loan(member=MemberFactory(blocked=True, expired=True))
    ReservationFactory(book=loan.book)
    codes = ["MEMBER_BLOCKED", "MEMBER_EXPIRED", "RENEWAL_LIMIT_REACHED", "RENEWAL_BLOCKED_BY_RESERVATION"]

    refusals_of(api.post(RENEW, {"loan_id": loan.pk}), 422, *codes)
    override = {"override": codes, "override_reason": "In hospital"}
    data_of(api.post(RENEW, {"loan_id": loan.pk, **override}))

    assert Event.objects.get().payload["override"] == {"codes": sorted(codes), "reason": "In hospital"}


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"loan_id": "invalid"}),
        ({"loan_id": 1, "barcode": "a"}, {"loan_id": "invalid"}),
        ({"member_id": 1, "book_id": 1}, {"member_id": "unknown", "book_id": "unknown"}),
        ({"loan_id": 1, "override": ["X"], "override_reason": "  "}, {"override_reason": "blank"}),
    ],
)
def test_what_a_renewal_cannot_be(api, sent, complaints):
    assert invalid_fields(api.post(RENEW, sent)) == complaints


def test_what_is_renewed_must_be_known(api):
    error_of(api.post(RENEW, {"barcode": "47110815"}), 404, "COPY_NOT_FOUND")
    error_of(api.post(RENEW, {"loan_id": 47110815}), 404, "LOAN_NOT_FOUND")


# --- Loans -------------------------------------------------------------------------------------------------


def test_a_loan_is_read(api):
    loan = LoanFactory(overdue=True, book__title="Emma")

    assert data_of(api.get(f"/api/loans/{loan.pk}/")) == {
        "id": loan.pk,
        "book_id": loan.book_id,
        "title": "Emma",
        "copy_barcode": loan.copy.barcode,
        "member_id": loan.member_id,
        "lent_at": "2026-01-21T10:00:00Z",
        "due_at": "2026-02-18T10:00:00Z",
        "returned_at": None,
        "renewals": 0,
        "overdue": True,
    }


def test_an_unknown_loan_is_not_found(api):
    response = api.get("/api/loans/47110815/")

    assert error_of(response, 404, "LOAN_NOT_FOUND") is None
    assert response.json()["error"]["message"] == "There is no loan 47110815."


def test_loans_are_listed_by_state_member_and_title(api):
    late, now, over = LoanFactory(overdue=True), open_loan(), LoanFactory(returned=True)

    def ids(query):
        results = data_of(api.get(f"/api/loans/{query}"))["results"]
        assert all(set(loan) == LOAN for loan in results)
        return [loan["id"] for loan in results]

    assert ids("") == [late.pk, now.pk, over.pk]
    assert ids("?status=open") == [late.pk, now.pk]
    assert ids("?status=overdue") == [late.pk]
    assert ids("?status=returned") == [over.pk]
    assert ids(f"?member={now.member_id}") == [now.pk]
    assert ids(f"?book={over.book_id}&status=returned") == [over.pk]
    assert ids(f"?book={over.book_id}&status=open") == []
    assert ids("?ordering=due_at&status=open") == [late.pk, now.pk]
    assert ids("?ordering=-due_at&status=open") == [now.pk, late.pk]
