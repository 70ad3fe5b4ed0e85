"""Reserving at another library, and looking at what is kept there."""

import json
from datetime import UTC, datetime, timedelta

from library.models import Book
from tests.factories import (
    BookFactory,
)
from tests.webhooks.receiving import answering

PATH, ANYWHERE = "/api/reservations/reserve/", "/reserve"
ISBN = "9780141439549"
SCOPES = ["catalogue:read", "members:read", "members:write", "circulation:read", "circulation:write"]
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _isbns():
    for number in range(978_100_000_000, 978_100_999_999):
        digits = [int(digit) for digit in str(number)]
        check = -sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
        yield f"{number}{check}"


ISBNS = _isbns()


def in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT23:59:59Z")


def reserve(client, isbn, *, path=PATH, member=None, book=None, key="", **more):
    """Ours, with this ISBN, at library 2 unless told."""
    book = book or Book.objects.filter(isbn=isbn).first() or BookFactory(isbn=isbn)
    body = {"book_id": book.pk, "reserved_until": in_days(20), "library": "library 2", **more}
    body = {name: value for name, value in body.items() if value is not None}
    if member:
        body["member_id"] = member.pk
    return client.post(path, body, **({"HTTP_IDEMPOTENCY_KEY": key} if key else {}))


def there(library, path):
    return library.ask("GET", path).json()["data"]


def live_at(library, book_id):
    return there(library, f"/api/reservations/?book={book_id}&status=live")["results"]


def known_but(then):
    def behave(receiver, client):
        if receiver.received[-1].target.startswith("/api/books/"):
            body = {"data": {"results": [{"id": 1, "available": 1, "total": 1}]}}
            answering(200, json.dumps(body).encode())(receiver, client)
        else:
            then(receiver, client)

    return behave
