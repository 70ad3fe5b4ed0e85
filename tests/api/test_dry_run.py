"""`?dry_run=true` on every POST that changes something: what would happen, and nothing does."""

import pytest

from tests.api.asking import data_of, error_of, everything, invalid_fields, message_of, open_loan, refusals_of
from tests.factories import BookFactory, CopyFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def a_check_out():
    return "/api/circulation/checkout/", {"member_id": MemberFactory().pk, "book_id": BookFactory(copies=1).pk}


def a_check_out_with_nothing_free():
    return "/api/circulation/checkout/", {"member_id": MemberFactory().pk, "book_id": open_loan().book_id}


def a_return():
    return "/api/circulation/return/", {"loan_id": open_loan().pk}


def a_return_that_somebody_waits_for():
    loan = open_loan()
    ReservationFactory(book=loan.book)
    return "/api/circulation/return/", {"loan_id": loan.pk}


def a_renewal():
    return "/api/circulation/renew/", {"loan_id": open_loan().pk}


def a_reservation():
    return "/api/reservations/", {"member_id": MemberFactory().pk, "book_id": open_loan().book_id}


def a_cancellation():
    return f"/api/reservations/{ReservationFactory(ready=True).pk}/cancel/", {"reason": "x"}


def a_suspension():
    return f"/api/reservations/{ReservationFactory().pk}/suspend/", {}


def a_resumption():
    return f"/api/reservations/{ReservationFactory(suspended=True).pk}/resume/", {}


def a_reordering():
    return f"/api/reservations/{ReservationFactory().pk}/reorder/", {"priority": 1, "reason": "x"}


def a_fulfilment():
    return f"/api/reservations/{ReservationFactory(ready=True).pk}/fulfill/", {}


def a_fulfilment_of_the_head():
    return "/api/reservations/fulfill/", {"book_id": ReservationFactory(ready=True).book_id}


def a_new_title():
    return "/api/books/", {"title": "Emma"}


def new_copies():
    return f"/api/books/{BookFactory().pk}/copies/", {"count": 2}


def a_new_member():
    return "/api/members/", {"name": "Ada"}


def a_move(action, **state):
    def move():
        return f"/api/copies/{CopyFactory(**state).barcode}/{action}/", {}

    return move


SUCCEED = [
    (a_check_out, "lend"),
    (a_check_out_with_nothing_free, "reserve"),
    (a_return, "shelve"),
    (a_return_that_somebody_waits_for, "hold"),
    (a_renewal, "renew"),
    (a_reservation, "reserve"),
    (a_cancellation, "cancel"),
    (a_suspension, "suspend"),
    (a_resumption, "resume"),
    (a_reordering, "reorder"),
    (a_fulfilment, "lend"),
    (a_fulfilment_of_the_head, "lend"),
    (a_new_title, "add"),
    (new_copies, "add"),
    (a_new_member, "enrol"),
    (a_move("mark-lost"), "mark_lost"),
    (a_move("mark-missing"), "mark_missing"),
    (a_move("mark-found", lost=True), "mark_found"),
    (a_move("mark-damaged"), "mark_damaged"),
    (a_move("repair", damaged=True), "repair"),
    (a_move("withdraw"), "withdraw"),
]


@pytest.mark.parametrize(("request_of", "would"), SUCCEED)
def test_what_would_succeed_changes_nothing(api, request_of, would):
    url, sent = request_of()
    before = everything()

    response = api.post(f"{url}?dry_run=true", sent)

    assert data_of(response) == {"would": would, "refusals": []}
    assert message_of(response) == "This would succeed."
    assert everything() == before


@pytest.mark.parametrize(("request_of", "would"), SUCCEED)
def test_what_was_rehearsed_then_happens(api, request_of, would):
    url, sent = request_of()
    api.post(f"{url}?dry_run=true", sent)
    before = everything()

    assert api.post(f"{url}?dry_run=false", sent).status_code in (200, 201, 202)
    assert everything() != before


def refused_check_out():
    return "/api/circulation/checkout/", {
        "member_id": MemberFactory(blocked=True, expired=True).pk,
        "book_id": BookFactory(out_of_circulation=True).pk,
    }


def refused_return():
    return "/api/circulation/return/", {"barcode": CopyFactory().barcode}


def refused_renewal():
    return "/api/circulation/renew/", {"loan_id": open_loan(renewals=2, member=MemberFactory(blocked=True)).pk}


def refused_reservation():
    return "/api/reservations/", {"member_id": MemberFactory().pk, "book_id": BookFactory(copies=1).pk}


def refused_cancellation():
    return f"/api/reservations/{ReservationFactory(expired=True).pk}/cancel/", {}


def refused_fulfilment():
    return "/api/reservations/fulfill/", {"book_id": BookFactory(copies=1).pk}


@pytest.mark.parametrize(
    ("request_of", "codes"),
    [
        (refused_check_out, ["MEMBER_BLOCKED", "MEMBER_EXPIRED", "COPY_NOT_CIRCULATING"]),
        (refused_return, ["COPY_NOT_ON_LOAN"]),
        (refused_renewal, ["MEMBER_BLOCKED", "RENEWAL_LIMIT_REACHED"]),
        (refused_reservation, ["COPY_AVAILABLE"]),
        (refused_cancellation, ["RESERVATION_CLOSED"]),
        (refused_fulfilment, ["QUEUE_EMPTY"]),
        (a_move("repair"), ["INVALID_TRANSITION"]),
    ],
)
def test_what_would_be_refused_says_why_as_the_refusal_would(api, request_of, codes):
    url, sent = request_of()
    before = everything()

    response = api.post(f"{url}?dry_run=true", sent)
    in_earnest = api.post(url, sent)

    data = data_of(response)
    assert list(data) == ["would", "refusals"]
    assert data["would"] == "refuse"
    assert data["refusals"] == refusals_of(in_earnest, in_earnest.status_code, *codes)
    assert message_of(response) == "This would be refused."
    assert everything() == before


def test_an_override_can_be_rehearsed(api):
    sent = {"member_id": MemberFactory(blocked=True).pk, "book_id": BookFactory(copies=1).pk}
    override = {"override": ["MEMBER_BLOCKED"], "override_reason": "x"}

    assert data_of(api.post("/api/circulation/checkout/?dry_run=true", sent))["would"] == "refuse"
    assert data_of(api.post("/api/circulation/checkout/?dry_run=true", sent | override))["would"] == "lend"


def test_a_rehearsal_finds_invalid_input_and_what_does_not_exist(api):
    url = "/api/circulation/checkout/?dry_run=true"

    assert invalid_fields(api.post(url, {"member_id": 1})) == {"book_id": "invalid"}
    error_of(api.post(url, {"member_id": MemberFactory().pk, "book_id": 47110815}), 404, "BOOK_NOT_FOUND")
    BookFactory(isbn="9780141439587")
    error_of(api.post("/api/books/?dry_run=true", {"title": "x", "isbn": "9780141439587"}), 409, "DUPLICATE")


def test_a_rehearsal_uses_up_no_key(api):
    url, sent = a_check_out()
    headers = {"HTTP_IDEMPOTENCY_KEY": "k"}

    data_of(api.post(f"{url}?dry_run=true", sent, **headers))

    data_of(api.post(url, sent, **headers), 201)


@pytest.mark.parametrize("value", ["1", "yes", "TRUE", "", "True", "%00"])
def test_a_rehearsal_is_asked_for_clearly_or_not_at_all(api, value):
    url, sent = a_check_out()
    before = everything()

    assert invalid_fields(api.post(f"{url}?dry_run={value}", sent)) == {"dry_run": "invalid"}
    assert everything() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("kind", ["book", "member"])
def test_what_cannot_be_rehearsed_does_not_happen_instead(api, method, kind):
    record = BookFactory() if kind == "book" else MemberFactory()
    sent = {"title": "x"} if kind == "book" else {"name": "x"}
    before = everything()

    response = getattr(api, method)(f"/api/{kind}s/{record.pk}/?dry_run=true", sent if method != "delete" else None)

    assert invalid_fields(response) == {"dry_run": "invalid"}
    assert everything() == before


@pytest.mark.parametrize("path", ["/api/borrow/", "/api/books/borrow/", "/api/circulation/batch/"])
def test_a_key_must_make_sense_in_a_rehearsal_too(api, path):
    ask = api.put if path == "/api/books/borrow/" else api.post
    body = {"operations": [{"op": "return", "barcode": "x"}]}
    if "batch" not in path:
        body = {"userId": 1, "bookId": 1} if path == "/api/borrow/" else {"user_id": 1, "book_id": 1}

    error_of(ask(f"{path}?dry_run=true", body, HTTP_IDEMPOTENCY_KEY="x" * 256), 400, "IDEMPOTENCY_KEY_INVALID")
