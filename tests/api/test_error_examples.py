"""Each example of an error in the OpenAPI document is what the service answers, word for word."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from circulation.models import Loan
from config.api import errors
from config.api.examples import EXAMPLES
from events.exceptions import DomainError
from events.operations import Key
from library.models import Book
from tests.api.asking import open_loan, raw
from tests.api.conftest import Client
from tests.factories import BookFactory, CopyFactory, LoanFactory, MemberFactory, PartnerFactory, ReservationFactory
from tests.sessions import waiting_at_most

# What clients may rely on, by status.
TABLE = {
    400: "MALFORMED_JSON VALIDATION_ERROR IDEMPOTENCY_KEY_INVALID",
    401: "NOT_AUTHENTICATED TOKEN_INVALID",
    403: "PERMISSION_DENIED",
    404: "BOOK_NOT_FOUND COPY_NOT_FOUND MEMBER_NOT_FOUND LOAN_NOT_FOUND RESERVATION_NOT_FOUND NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    409: "COPY_ON_LOAN COPY_HELD_FOR_OTHER NO_COPY_AVAILABLE COPY_AVAILABLE COPY_NOT_ON_LOAN ALREADY_BORROWED "
    "RESERVATION_EXISTS RESERVATION_CLOSED QUEUE_EMPTY NO_COPY_TO_FULFILL BOOK_HAS_OPEN_LOANS MEMBER_HAS_OPEN_LOANS "
    "DUPLICATE STALE_QUEUE IDEMPOTENCY_IN_PROGRESS PARTNER_REFUSED",
    412: "STALE_VERSION",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "MEMBER_BLOCKED MEMBER_EXPIRED MEMBER_HAS_OVERDUE LOAN_LIMIT_REACHED LOAN_TOO_LONG RESERVATION_LIMIT_REACHED "
    "RENEWAL_LIMIT_REACHED RENEWAL_BLOCKED_BY_RESERVATION COPY_NOT_CIRCULATING INVALID_TRANSITION "
    "IDEMPOTENCY_KEY_REUSED INVALID_REQUEST PARTNER_CANNOT_RESERVE PARTNER_UNKNOWN_TITLE",
    429: "THROTTLED",
    503: "BUSY DATABASE_UNAVAILABLE",
}
CHECKOUT = "/api/circulation/checkout/"
RENEW = "/api/circulation/renew/"
RESERVE = "/api/reservations/"


def test_every_code_has_an_example_with_its_status():
    table = {code: status for status, codes in TABLE.items() for code in codes.split()}

    assert {code: example[0] for code, example in EXAMPLES.items()} == table


def test_no_refusal_is_left_out():
    def codes(kind):
        yield from (kind.__dict__["code"],) if "code" in kind.__dict__ else ()
        for narrower in kind.__subclasses__():
            yield from codes(narrower)

    assert set(codes(DomainError)) | set(errors._FRAMEWORK.values()) <= set(EXAMPLES)


# --- The people and books of the examples ------------------------------------------------------------------


def ada(**fields):
    return MemberFactory(first_name="Ada", last_name="Lovelace", **fields)


def middlemarch(**fields):
    return BookFactory(title="Middlemarch", **fields)


def copy_1_1(**fields):
    return CopyFactory(barcode="1-1", book=middlemarch(), **fields)


def taking(member, **what):
    return CHECKOUT, {"member_id": member.pk, **what}


def borrowed(number, member):
    for _ in range(number):
        open_loan(member=member)


def reserved(number, member):
    ReservationFactory.create_batch(number, member=member)


# --- How to provoke each -----------------------------------------------------------------------------------


def copy_on_loan(api):
    open_loan(copy=copy_1_1(on_loan=True))
    return api.post(*taking(ada(), barcode="1-1"))


def copy_held_for_other(api):
    copy = copy_1_1()
    reservation = ReservationFactory(book=copy.book)
    copy.move(copy.Status.ON_HOLD_SHELF, holder=reservation.member)
    reservation.become(reservation.Status.READY, at=timezone.now(), copy=copy, shelf_until=timezone.now())
    reservation.save()
    return api.post(*taking(ada(), barcode="1-1"))


def no_copy_available(api):
    book = middlemarch()
    ReservationFactory.create_batch(2, book=book)
    return api.post(*taking(ada(), book_id=book.pk, on_unavailable="refuse"))


def already_borrowed(api):
    member = ada()
    open_loan(book=middlemarch(), member=member)
    return api.post(*taking(member, book_id=Book.objects.get().pk))


def reservation_exists(api):
    member = ada()
    book = ReservationFactory(book=open_loan(book=middlemarch()).book, member=member).book
    return api.post(RESERVE, {"member_id": member.pk, "book_id": book.pk})


def no_copy_to_fulfil(api):
    ReservationFactory(book=middlemarch())
    return api.post("/api/reservations/fulfill/", {"book_id": Book.objects.get().pk})


def book_has_open_loans(api):
    book = middlemarch()
    LoanFactory.create_batch(2, book=book)
    return api.delete(f"/api/books/{book.pk}/")


def duplicate(api):
    copy_1_1()
    return api.post(f"/api/books/{Book.objects.get().pk}/copies/", {"barcodes": ["1-1"]})


def stale_queue(api):
    place = ReservationFactory()
    return api.post(f"/api/reservations/{place.pk}/reorder/", {"priority": 1, "reason": "x", "version": -1})


def member_has_overdue(api):
    member = ada()
    LoanFactory(member=member, lent_at=timezone.now() - timedelta(days=29))
    return api.post(*taking(member, book_id=middlemarch(copies=1).pk))


def loan_limit_reached(api):
    member = ada()
    borrowed(5, member)
    return api.post(*taking(member, book_id=middlemarch(copies=1).pk))


def reservation_limit_reached(api):
    member = ada()
    reserved(5, member)
    return api.post(RESERVE, {"member_id": member.pk, "book_id": open_loan().book_id})


def renewal_blocked_by_reservation(api):
    loan = open_loan(book=middlemarch())
    ReservationFactory(book=loan.book)
    return api.post(RENEW, {"loan_id": loan.pk})


def key_reused(api):
    url, sent = taking(ada(), book_id=middlemarch(copies=1).pk)
    api.post(url, sent, HTTP_IDEMPOTENCY_KEY="k")
    return api.post(url, sent | {"days": 7}, HTTP_IDEMPOTENCY_KEY="k")


def not_authenticated(api):
    api.force_authenticate(None)
    return api.get("/api/loans/")


def permission_denied(api):
    api.handler._force_user.is_staff = False
    return api.get("/api/members/")


def token_invalid(api):
    return Client().get("/api/books/", HTTP_AUTHORIZATION="Bearer x.y.z")


def throttled(api):
    with override_settings(THROTTLE_RATES={"staff": {"read": 9}}):
        for _ in range(10):
            answer = api.get("/api/loans/")
    return answer


def reserving(book, partner):
    until = (timezone.now() + timedelta(days=9)).isoformat()
    body = {"member_id": ada().pk, "book_id": book.pk, "library": partner.name, "reserved_until": until}
    return "/api/reservations/reserve/", body


PROVOKED = {
    "MALFORMED_JSON": lambda api: raw(api, "POST", CHECKOUT, "x"),
    "VALIDATION_ERROR": lambda api: api.post(CHECKOUT, {"book_id": 1}),
    "IDEMPOTENCY_KEY_INVALID": lambda api: api.post("/api/books/", {"title": "x"}, HTTP_IDEMPOTENCY_KEY=""),
    "NOT_AUTHENTICATED": not_authenticated,
    "PERMISSION_DENIED": permission_denied,
    "TOKEN_INVALID": token_invalid,
    "THROTTLED": throttled,
    "NOT_FOUND": lambda api: api.get("/api/nothing/"),
    "METHOD_NOT_ALLOWED": lambda api: api.patch("/api/books/", {}),
    "BOOK_NOT_FOUND": lambda api: api.get("/api/books/999999/"),
    "COPY_NOT_FOUND": lambda api: api.get("/api/copies/999999-1/"),
    "MEMBER_NOT_FOUND": lambda api: api.get("/api/members/999999/"),
    "LOAN_NOT_FOUND": lambda api: api.get("/api/loans/999999/"),
    "RESERVATION_NOT_FOUND": lambda api: api.get("/api/reservations/999999/"),
    "NOT_ACCEPTABLE": lambda api: api.get("/api/loans/", HTTP_ACCEPT="text/html"),
    "COPY_ON_LOAN": copy_on_loan,
    "COPY_HELD_FOR_OTHER": copy_held_for_other,
    "NO_COPY_AVAILABLE": no_copy_available,
    "COPY_AVAILABLE": lambda api: api.post(RESERVE, {"member_id": ada().pk, "book_id": middlemarch(copies=1).pk}),
    "COPY_NOT_ON_LOAN": lambda api: api.post("/api/circulation/return/", {"barcode": copy_1_1().barcode}),
    "ALREADY_BORROWED": already_borrowed,
    "RESERVATION_EXISTS": reservation_exists,
    "RESERVATION_CLOSED": lambda api: api.post(f"/api/reservations/{ReservationFactory(cancelled=True).pk}/cancel/"),
    "QUEUE_EMPTY": lambda api: api.post("/api/reservations/fulfill/", {"book_id": middlemarch().pk}),
    "NO_COPY_TO_FULFILL": no_copy_to_fulfil,
    "BOOK_HAS_OPEN_LOANS": book_has_open_loans,
    "MEMBER_HAS_OPEN_LOANS": lambda api: api.delete(f"/api/members/{open_loan(member=ada()).member_id}/"),
    "DUPLICATE": duplicate,
    "STALE_QUEUE": stale_queue,
    "STALE_VERSION": lambda api: api.patch(f"/api/books/{middlemarch().pk}/", {}, HTTP_IF_MATCH='"x"'),
    "PAYLOAD_TOO_LARGE": lambda api: raw(api, "POST", CHECKOUT, b" " * 1_000_001),
    "UNSUPPORTED_MEDIA_TYPE": lambda api: raw(api, "POST", CHECKOUT, "x", content_type="text/plain"),
    "MEMBER_BLOCKED": lambda api: api.post(
        *taking(ada(blocked_reason="card reported stolen"), book_id=middlemarch(copies=1).pk)
    ),
    "MEMBER_EXPIRED": lambda api: api.post(
        *taking(ada(expires_on=date(2025, 10, 31)), book_id=middlemarch(copies=1).pk)
    ),
    "MEMBER_HAS_OVERDUE": member_has_overdue,
    "LOAN_LIMIT_REACHED": loan_limit_reached,
    "LOAN_TOO_LONG": lambda api: api.post(*taking(ada(), book_id=middlemarch(copies=1).pk, days=60)),
    "RESERVATION_LIMIT_REACHED": reservation_limit_reached,
    "RENEWAL_LIMIT_REACHED": lambda api: api.post(RENEW, {"loan_id": open_loan(renewals=2).pk}),
    "RENEWAL_BLOCKED_BY_RESERVATION": renewal_blocked_by_reservation,
    "COPY_NOT_CIRCULATING": lambda api: api.post(*taking(ada(), book_id=middlemarch(in_circulation=False).pk)),
    "INVALID_TRANSITION": lambda api: api.post(f"/api/copies/{copy_1_1().barcode}/repair/"),
    "IDEMPOTENCY_KEY_REUSED": key_reused,
    "PARTNER_CANNOT_RESERVE": lambda api: api.post(
        *reserving(middlemarch(isbn="9780141439549"), PartnerFactory(name="Hillside Library", protocol="daia"))
    ),
    "PARTNER_UNKNOWN_TITLE": lambda api: api.post(*reserving(middlemarch(), PartnerFactory(name="Riverside Library"))),
}
# Those tested elsewhere: below, in test_health.py, in tests/partners, and in tests/daia, whose have their own form.
ELSEWHERE = {"BUSY", "IDEMPOTENCY_IN_PROGRESS", "DATABASE_UNAVAILABLE", "INVALID_REQUEST", "PARTNER_REFUSED"}


def test_every_example_is_provoked():
    assert set(PROVOKED) | ELSEWHERE == set(EXAMPLES)
    assert not set(PROVOKED) & ELSEWHERE


def is_example(code, response):
    status, message, details = EXAMPLES[code]
    answered = response.json()["error"]
    if code == "STALE_QUEUE":
        assert isinstance(answered["details"].pop("version"), int)
        details = {}
    assert answered == {"message": message, "code": code, "details": details, "status_code": status}
    assert response.status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize("code", PROVOKED)
def test_an_example_is_what_is_answered(api, code):
    is_example(code, PROVOKED[code](api))


# --- While somebody else is at it --------------------------------------------------------------------------


def elsewhere(hold):
    """Runs `hold` in a transaction of another connection; returns how to end it."""
    held, done = threading.Event(), threading.Event()

    def other():
        try:
            with transaction.atomic():
                hold()
                held.set()
                assert done.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(10)

    def end():
        done.set()
        thread.join()

    return end


@pytest.mark.django_db(transaction=True)
def test_a_key_whose_request_is_still_running(api):
    url, sent = taking(ada(), book_id=middlemarch(copies=1).pk)
    key = Key(caller=f"user:{api.handler._force_user.pk}", key="k", fingerprint="")
    end = elsewhere(key._claim)

    is_example("IDEMPOTENCY_IN_PROGRESS", api.post(url, sent, HTTP_IDEMPOTENCY_KEY="k"))
    assert Loan.objects.count() == 0

    end()
    assert api.post(url, sent, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_title_that_others_keep_busy(api):
    book = middlemarch(copies=1)
    url, sent = taking(ada(), book_id=book.pk)
    end = elsewhere(lambda: Book.objects.select_for_update().get(pk=book.pk))

    with waiting_at_most("100ms"):  # rather than 3 s
        response = api.post(url, sent)
        batch = api.post("/api/circulation/batch/", {"operations": [{"op": "checkout", **sent}]})

    end()
    is_example("BUSY", response)
    assert response["Retry-After"] == "1"
    assert batch.json()["data"]["results"] == [{"status": 503, "body": response.json()}]
    assert api.post(url, sent).status_code == 201
