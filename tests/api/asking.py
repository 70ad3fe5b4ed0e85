"""Reading answers of the API, exactly."""

import json

from django.utils import timezone

from circulation.models import Loan
from events.models import Event, StoredAnswer
from library.models import Book, Copy, Member
from reservations.models import Reservation
from tests.factories import LoanFactory

BOOK = {
    "id",
    "title",
    "author",
    "isbn",
    "publisher",
    "category",
    "language",
    "published_year",
    "in_circulation",
    "available",
    "total",
    "version",
}
COPY = {"barcode", "book_id", "branch", "status", "due_at", "holder_id"}
MEMBER = {
    "id",
    "name",
    "first_name",
    "last_name",
    "email",
    "card_number",
    "category",
    "branch",
    "expires_on",
    "blocked_reason",
}
LOAN = {
    "id",
    "book_id",
    "title",
    "copy_barcode",
    "member_id",
    "lent_at",
    "due_at",
    "returned_at",
    "renewals",
    "overdue",
}
RESERVATION = {
    "id",
    "book_id",
    "title",
    "member_id",
    "status",
    "position",
    "placed_at",
    "estimated_wait_days",
    "shelf_until",
    "needed_by",
    "copy_barcode",
    "branch",
}


def data_of(response, status=200):
    """The data of a success, whose envelope is exact."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["success", "message", "data"]
    assert body["success"] is True
    return body["data"]


def message_of(response):
    return response.json()["message"]


def error_of(response, status, code):
    """The details of an error, whose envelope is exact. DAIA has a form of its own, in which there are none."""
    assert response.status_code == status, response.content
    body = response.json()
    if response.has_header("X-DAIA-Version"):
        assert response["Content-Type"] == "application/json; charset=utf-8"
        assert list(body) == ["error", "code", "error_description"]
        assert body["code"] == status
        return None
    assert response["Content-Type"] == "application/json"
    assert list(body) == ["success", "error"]
    assert body["success"] is False
    error = body["error"]
    assert set(error) == {"message", "code", "details", "status_code"}
    assert (error["code"], error["status_code"]) == (code, status)
    assert isinstance(error["message"], str)
    assert error["message"]
    return error["details"]


def refusals_of(response, status, *codes):
    """The reasons of a refusal: exactly these, in this order, the first deciding code and status."""
    details = error_of(response, status, codes[0])
    assert list(details) == ["refusals"]
    refusals = details["refusals"]
    assert [refusal["code"] for refusal in refusals] == list(codes)
    assert refusals[0]["message"] == response.json()["error"]["message"]
    return refusals


def invalid_fields(response):
    """Of a VALIDATION_ERROR, the code of the first complaint about each field."""
    details = error_of(response, 400, "VALIDATION_ERROR")
    for complaints in details.values():
        assert complaints
        assert all(set(complaint) == {"code", "message"} for complaint in complaints)
    return {field: complaints[0]["code"] for field, complaints in details.items()}


def everything():
    """All rows that the API may change."""
    rows = {model: list(model.objects.order_by("pk").values()) for model in (Book, Copy, Member, Loan, Reservation)}
    return rows | {model: list(model.objects.order_by("pk").values()) for model in (Event, StoredAnswer)}


def raw(client, method, path, body, content_type="application/json", **extra):
    """A request whose body is sent as it is."""
    if not isinstance(body, bytes):
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return client.generic(method, path, body, content_type=content_type, **extra)


def open_loan(**fields):
    """A loan that began today, and so is not overdue whatever the clock says."""
    return LoanFactory(lent_at=timezone.now(), **fields)
