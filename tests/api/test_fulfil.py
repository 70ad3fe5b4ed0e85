"""Lending what is set aside: by reservation, or to the head of a title's line."""

import pytest

from circulation.models import Loan
from events.models import Event
from tests.api.asking import LOAN, data_of, error_of, everything, invalid_fields, message_of, open_loan, refusals_of
from tests.factories import BookFactory, CopyFactory, MemberFactory, ReservationFactory, general_policy

pytestmark = pytest.mark.django_db

HEAD = "/api/reservations/fulfill/"


@pytest.fixture
def ready():
    return ReservationFactory(
        ready=True, book__title="Emma", member=MemberFactory(first_name="Ada", last_name="Lovelace")
    )


@pytest.mark.parametrize("by", ["reservation", "title"])
def test_what_is_set_aside_is_lent_to_its_member(api, ready, by):
    if by == "reservation":
        response = api.post(f"/api/reservations/{ready.pk}/fulfill/")
    else:
        response = api.post(HEAD, {"book_id": ready.book_id})

    data = data_of(response)
    loan = Loan.objects.get()
    assert set(data) == LOAN
    assert (data["id"], data["member_id"], data["copy_barcode"]) == (loan.pk, ready.member_id, ready.copy.barcode)
    assert message_of(response) == f"Copy {ready.copy.barcode} lent to Ada Lovelace until {loan.due_at.date()}."
    ready.refresh_from_db()
    assert ready.status == "fulfilled"


def test_a_doubled_fulfilment_changes_nothing(api, ready):
    data_of(api.post(HEAD, {"book_id": ready.book_id}))
    before = everything()

    [empty] = refusals_of(api.post(HEAD, {"book_id": ready.book_id}), 409, "QUEUE_EMPTY")
    refusals_of(api.post(f"/api/reservations/{ready.pk}/fulfill/"), 409, "RESERVATION_CLOSED")

    assert empty == {"code": "QUEUE_EMPTY", "message": "Nobody is waiting for “Emma”.", "overridable": False}
    assert everything() == before


def test_with_nothing_set_aside_nothing_is_lent(api):
    waiting = ReservationFactory(
        book=open_loan(book__title="Emma").book, member=MemberFactory(first_name="Ada", last_name="Lovelace")
    )
    before = everything()

    [head] = refusals_of(api.post(HEAD, {"book_id": waiting.book_id}), 409, "NO_COPY_TO_FULFILL")
    [one] = refusals_of(api.post(f"/api/reservations/{waiting.pk}/fulfill/"), 409, "NO_COPY_TO_FULFILL")

    assert head == {
        "code": "NO_COPY_TO_FULFILL",
        "message": "No copy of “Emma” is set aside for the line.",
        "overridable": False,
    }
    assert one["message"] == "No copy of “Emma” is set aside for Ada Lovelace yet."
    assert everything() == before


def test_a_free_copy_beside_the_line_goes_to_its_head(api):
    head = ReservationFactory()
    copy = CopyFactory(book=head.book)

    data = data_of(api.post(HEAD, {"book_id": head.book_id}))

    assert (data["member_id"], data["copy_barcode"]) == (head.member_id, copy.barcode)


def test_the_rules_of_a_check_out_apply_and_can_be_overridden(api, ready):
    general_policy(max_loans=0)
    ready.member.blocked_reason = "lost a card"
    ready.member.save()
    url = f"/api/reservations/{ready.pk}/fulfill/"
    before = everything()

    refusals_of(api.post(url), 422, "MEMBER_BLOCKED", "LOAN_LIMIT_REACHED")
    refusals_of(api.post(HEAD, {"book_id": ready.book_id}), 422, "MEMBER_BLOCKED", "LOAN_LIMIT_REACHED")
    assert everything() == before

    codes = ["LOAN_LIMIT_REACHED", "MEMBER_BLOCKED"]
    data_of(api.post(url, {"override": codes, "override_reason": "waited for a year"}))
    override = Event.objects.get(kind="checkout").payload["override"]
    assert override == {"codes": codes, "reason": "waited for a year"}


def test_what_is_out_of_circulation_is_not_fulfilled(api, ready):
    ready.book.in_circulation = False
    ready.book.save(update_fields=["in_circulation"])

    refusals_of(api.post(f"/api/reservations/{ready.pk}/fulfill/"), 422, "COPY_NOT_CIRCULATING")


def test_the_title_must_be_known(api):
    error_of(api.post(HEAD, {"book_id": 47110815}), 404, "BOOK_NOT_FOUND")
    error_of(api.post(HEAD, {"book_id": BookFactory(withdrawn=True).pk}), 404, "BOOK_NOT_FOUND")


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"book_id": "required"}),
        ({"book_id": "1"}, {"book_id": "invalid"}),
        ({"book_id": 1, "member_id": 1}, {"member_id": "unknown"}),
        ({"book_id": 1, "override": ["X"]}, {"override_reason": "required"}),
    ],
)
def test_what_a_fulfilment_cannot_be(api, sent, complaints):
    assert invalid_fields(api.post(HEAD, sent)) == complaints
