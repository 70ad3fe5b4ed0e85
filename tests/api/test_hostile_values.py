"""Every field of every endpoint with every kind of value that it was not made for: never a 5xx, always our form."""

import pytest
from django.db import transaction

from tests.api.asking import everything, open_loan, raw
from tests.factories import BookFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db

VALUES = [
    None,
    True,
    0,
    -1,
    2**63 - 1,
    2**63,
    10**400,
    1.5,
    "",
    " ",
    "a\0b",
    "x" * 5000,
    "\U0001f600" * 500,
    "<script>alert('x')</script>",
    "%s %(x)s {0} {x.__class__}",
    "\u202e\r\nSet-Cookie: a=b",
    "2026-02-30",
    "9999-12-31T23:59:59-23:59",
    "2999-12-31T23:59:59-23:59",
    "1900-01-01T00:00:00+23:59",
    [],
    [[[]]],
    {},
    {"message": "x", "code": "y"},
]
BOOK = ["title", "author", "isbn", "publisher", "category", "language", "published_year", "in_circulation"]
MEMBER = [
    "name",
    "first_name",
    "last_name",
    "email",
    "card_number",
    "category",
    "branch",
    "expires_on",
    "blocked_reason",
]
OVERRIDE = ["override", "override_reason"]
# Method, address, the fields, and a body that is valid but for the field that is tried.
ENDPOINTS = [
    (
        "POST",
        "/api/register/",
        ["username", "password", "email", "name", "first_name", "last_name"],
        {"username": "ada", "password": "a staple, correct", "email": "ada@example.org"},
    ),
    ("POST", "/api/users/", ["name", "first_name", "last_name", "email"], {"name": "x"}),
    ("POST", "/api/token/", ["username", "password"], {"username": "x", "password": "y"}),
    ("POST", "/api/token/refresh/", ["refresh"], {}),
    ("POST", "/api/token/verify/", ["token"], {}),
    ("POST", "/api/token/blacklist/", ["refresh"], {}),
    ("POST", "/api/me/password/", ["current", "new"], {"current": "x", "new": "y"}),
    ("POST", "/api/keys/", ["name", "scopes", "expires_at"], {"name": "x", "scopes": ["catalogue:read"]}),
    ("POST", "/api/books/", [*BOOK, "copies", "branch"], {"title": "x"}),
    ("PUT", "/api/books/{book}/", BOOK, {"title": "x"}),
    ("PATCH", "/api/books/{book}/", BOOK, {}),
    ("POST", "/api/books/{book}/copies/", ["count", "barcodes", "branch"], {}),
    ("PATCH", "/api/copies/{barcode}/", ["barcode", "branch"], {}),
    ("POST", "/api/copies/{barcode}/mark-lost/", ["reason"], {}),
    ("POST", "/api/copies/{barcode}/mark-missing/", ["reason"], {}),
    ("POST", "/api/copies/{barcode}/mark-damaged/", ["reason"], {}),
    ("POST", "/api/copies/{barcode}/withdraw/", ["reason"], {}),
    ("POST", "/api/members/", MEMBER, {"name": "x"}),
    ("PUT", "/api/members/{member}/", MEMBER, {"name": "x"}),
    ("PATCH", "/api/members/{member}/", MEMBER, {}),
    (
        "POST",
        "/api/circulation/checkout/",
        ["member_id", "book_id", "barcode", "days", "on_unavailable", *OVERRIDE],
        {"member_id": "{member}", "book_id": "{book}"},
    ),
    ("POST", "/api/circulation/return/", ["barcode", "loan_id", "member_id", "book_id"], {}),
    ("POST", "/api/circulation/renew/", ["loan_id", "barcode", *OVERRIDE], {"loan_id": "{loan}"}),
    ("POST", "/api/circulation/scan/", ["code", "card_number", *OVERRIDE], {"code": "x"}),
    ("POST", "/api/circulation/undo/", ["event_id"], {}),
    ("POST", "/api/circulation/batch/", ["operations"], {}),
    (
        "POST",
        "/api/reservations/",
        ["member_id", "book_id", "needed_by", "branch", *OVERRIDE],
        {"member_id": "{member}", "book_id": "{lent}"},
    ),
    ("POST", "/api/reservations/{reservation}/cancel/", ["reason"], {}),
    (
        "POST",
        "/api/reservations/{reservation}/reorder/",
        ["priority", "reason", "version"],
        {"priority": 1, "reason": "x"},
    ),
    ("POST", "/api/reservations/{reservation}/fulfill/", OVERRIDE, {}),
    ("POST", "/api/reservations/fulfill/", ["book_id", *OVERRIDE], {"book_id": "{book}"}),
]
OPERATIONS = {
    "checkout": ["member_id", "book_id", "barcode", "days", "on_unavailable", "override", "override_reason"],
    "return": ["barcode", "loan_id", "member_id", "book_id"],
    "renew": ["loan_id", "barcode", "override"],
    "reserve": ["member_id", "book_id", "needed_by", "branch"],
    "cancel": ["reservation_id", "reason"],
    "fulfill": ["reservation_id", "override"],
    "fulfill_head": ["book_id", "override_reason"],
}


@pytest.fixture
def world():
    """Something behind every address."""
    book, loan = BookFactory(copies=1), open_loan()
    return {
        "book": book.pk,
        "lent": loan.book_id,
        "barcode": book.copies.get().barcode,
        "member": MemberFactory().pk,
        "loan": loan.pk,
        "reservation": ReservationFactory(book=loan.book).pk,
    }


def filled(template, world):
    if isinstance(template, str):
        text = template.format(**world)
        return int(text) if text.isdigit() else text
    return {name: filled(value, world) if isinstance(value, str) else value for name, value in template.items()}


def answer(api, method, url, body):
    """The answer, which has our form and, if it is an error, one of the client's doing. What it did is undone."""
    response = raw(api, method, url, body)
    assert response.status_code < 500, (url, body, response.content)
    parsed = response.json()
    if response.status_code >= 400:
        assert set(parsed["error"]) == {"message", "code", "details", "status_code"}, (url, body)
        assert parsed["error"]["code"].isupper()
    else:
        assert list(parsed) == ["success", "message", "data"], (url, body)
        transaction.savepoint_rollback(api.before)
    return parsed


@pytest.fixture(autouse=True)
def _refusals_change_nothing(api, world):
    """What succeeded was undone, so whatever is different in the end was done by a request that was refused."""
    rows = everything()
    api.before = transaction.savepoint()
    yield
    assert everything() == rows


@pytest.mark.parametrize(
    ("method", "route", "fields", "valid"), ENDPOINTS, ids=[f"{method} {route}" for method, route, *_ in ENDPOINTS]
)
def test_no_value_breaks_a_field(api, world, method, route, fields, valid):
    url, body = str(filled(route, world)), filled(valid, world)
    accepted = dict.fromkeys(fields, 0)

    for field in fields:
        for value in VALUES:
            accepted[field] += answer(api, method, url, body | {field: value})["success"]

    for field in fields:  # the others are wrong for every field
        assert accepted[field] <= len(VALUES) - 10, field


@pytest.mark.parametrize("op", OPERATIONS)
def test_no_value_breaks_an_operation_of_a_batch(api, world, op):
    for field in OPERATIONS[op]:
        operations = [{"op": op, field: value} for value in VALUES]

        results = answer(api, "POST", "/api/circulation/batch/", {"operations": operations})["data"]["results"]

        assert all(200 <= result["status"] < 500 for result in results)
        assert sum(result["status"] < 400 for result in results) <= 1, field


def test_no_value_breaks_a_batch(api):
    for value in VALUES:
        for operations in (value, [value], [{"op": value}], [{"op": "checkout"} | {str(value)[:100]: value}]):
            answer(api, "POST", "/api/circulation/batch/", {"operations": operations})
