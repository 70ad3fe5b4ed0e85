"""Keyset pages: every list, in every order, forward and back, while rows come and go."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.db.models import QuerySet

from circulation.api import loans, members
from circulation.models import Loan
from events.models import Event
from library.models import Book, Copy, Member
from reservations.api import books, views
from reservations.models import Reservation
from tests.api.asking import data_of, invalid_fields
from tests.factories import NOW, BookFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db


@dataclass
class Listing:
    """A list: how to make its n-th row, with equal keys here and there, and what PostgreSQL says is in it."""

    url: str
    orderings: Any
    make: Callable[[int], Any]
    rows: Callable[[], QuerySet]
    shown: str = "id"


def of_books():
    return Listing(
        "/api/books/",
        books.ORDERINGS,
        lambda n: BookFactory(title=f"T{n % 3}", authors=f"{'a' * 100}{n % 4}", published_year=[None, 1900, -5][n % 3]),
        lambda: Book.objects.all(),
    )


def of_copies():
    book = BookFactory()
    return Listing(
        f"/api/books/{book.pk}/copies/",
        books.COPY_ORDERINGS,
        lambda n: CopyFactory(book=book, barcode=f"{n * 7 % 11:02}-{n}"),
        lambda: Copy.objects.filter(book=book),
        shown="barcode",
    )


def of_members():
    return Listing(
        "/api/members/",
        members.ORDERINGS,
        lambda n: MemberFactory(last_name=["Żak", "zorn", "Ärmel", ""][n % 4]),
        lambda: Member.objects.all(),
    )


def a_loan(n, **fields):
    return LoanFactory(lent_at=NOW - timedelta(hours=n % 3, microseconds=n % 2), **fields)


def of_loans():
    return Listing("/api/loans/", loans.LOAN_ORDERINGS, a_loan, lambda: Loan.objects.all())


def of_a_members_loans(path, **fields):
    def listing():
        member = MemberFactory()
        return Listing(
            f"/api/members/{member.pk}/{path}/",
            loans.LOAN_ORDERINGS,
            lambda n: a_loan(n, member=member, **fields),
            lambda: Loan.objects.filter(member=member),
        )

    return listing


def a_reservation(n, **fields):
    return ReservationFactory(placed_at=NOW - timedelta(hours=n % 3), **fields)


def of_reservations():
    return Listing("/api/reservations/", views.ORDERINGS, a_reservation, lambda: Reservation.objects.all())


def of_a_members_reservations():
    member = MemberFactory()
    return Listing(
        f"/api/members/{member.pk}/reservations/",
        views.ORDERINGS,
        lambda n: a_reservation(n, member=member),
        lambda: Reservation.objects.filter(member=member),
    )


def an_event(n):
    return Event.objects.create(kind="checkout", occurred_at=NOW)


def of_events():
    return Listing("/api/circulation/events/", loans.EVENT_ORDERINGS, an_event, lambda: Event.objects.all())


KINDS = {
    "books": (of_books, books.ORDERINGS),
    "copies": (of_copies, books.COPY_ORDERINGS),
    "members": (of_members, members.ORDERINGS),
    "loans": (of_loans, loans.LOAN_ORDERINGS),
    "a member's loans": (of_a_members_loans("loans"), loans.LOAN_ORDERINGS),
    "a member's history": (of_a_members_loans("history", returned=True), loans.LOAN_ORDERINGS),
    "reservations": (of_reservations, views.ORDERINGS),
    "a member's reservations": (of_a_members_reservations, views.ORDERINGS),
    "events": (of_events, loans.EVENT_ORDERINGS),
}
EVERY_ORDER = [
    pytest.param(listing, sign + name, id=f"{kind} by {sign}{name}")
    for kind, (listing, orderings) in KINDS.items()
    for name in orderings
    for sign in ("", "-")
]


def in_order(listing, ordering):
    """What PostgreSQL has, in this order."""
    name, falls = ordering.removeprefix("-"), ordering.startswith("-")
    rows = listing.rows().alias(_key=listing.orderings[name])
    rows = rows.order_by("-_key", "-pk") if falls else rows.order_by("_key", "pk")
    return list(rows.values_list(listing.shown, flat=True))


def shown(listing, page):
    return [row[listing.shown] for row in page["results"]]


@pytest.mark.parametrize(("make", "ordering"), EVERY_ORDER)
def test_all_pages_forward_and_back(api, make, ordering):
    listing = make()
    for n in range(8):
        listing.make(n)

    pages = [data_of(api.get(f"{listing.url}?limit=3&ordering={ordering}"))]
    while pages[-1]["next"]:
        pages.append(data_of(api.get(pages[-1]["next"])))
    back = [pages[-1]]
    while back[-1]["previous"]:
        back.append(data_of(api.get(back[-1]["previous"])))

    everything = in_order(listing, ordering)
    assert [shown(listing, page) for page in pages] == [everything[at : at + 3] for at in range(0, 8, 3)]
    assert [shown(listing, page) for page in reversed(back)] == [shown(listing, page) for page in pages]
    assert pages[0]["previous"] is None
    assert back[-1]["next"] is not None


@pytest.mark.parametrize(("make", "ordering"), EVERY_ORDER)
def test_nothing_is_skipped_or_repeated_while_rows_come_and_go(api, make, ordering):
    listing = make()
    for n in range(8):
        listing.make(n)
    stay, removable = set(in_order(listing, ordering)), listing.url != "/api/circulation/events/"

    seen, url, number = [], f"{listing.url}?limit=3&ordering={ordering}", 8
    while url:
        page = data_of(api.get(url))
        seen += shown(listing, page)
        if number < 12:  # two come and two go, some of them before this page and some behind it
            for n in (number, number + 1):
                listing.make(n)
            if removable:
                gone = {seen[-1], next(name for name in in_order(listing, ordering) if name not in seen)}
                listing.rows().filter(**{f"{listing.shown}__in": gone}).delete()
                stay -= gone
            number += 2
            cache.clear()  # not told of what did not happen through an operation
        url = page["next"]

    assert len(seen) == len(set(seen))
    assert stay <= set(seen)
    assert [name for name in in_order(listing, ordering) if name in seen] == [
        name for name in seen if listing.rows().filter(**{listing.shown: name}).exists()
    ]


def test_a_neighbouring_page_keeps_what_was_asked(api):
    BookFactory.create_batch(3, category="Böhm & Söhne", publisher="x")

    url = "/api/books?category=B%C3%B6hm+%26+S%C3%B6hne&limit=1&ordering=-title&count=true&publisher=y&publisher=x"
    first = data_of(api.get(url))
    second = data_of(api.get(first["next"]))

    asked = {
        "category": ["Böhm & Söhne"],
        "limit": ["1"],
        "ordering": ["-title"],
        "count": ["true"],
        "publisher": ["y", "x"],
    }
    for link in (first["next"], second["next"], second["previous"]):
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.path) == ("http", "testserver", "/api/books/")
        query = parse_qs(parts.query)
        assert len(query.pop("cursor")) == 1
        assert query == asked
    assert (first["count"], second["count"]) == (3, 3)
    assert data_of(api.get(second["previous"]))["results"] == first["results"]


@pytest.mark.parametrize("made", [0, 1, 25])
def test_what_fits_on_one_page_has_no_neighbours(api, made):
    MemberFactory.create_batch(made)

    data = data_of(api.get("/api/members/"))

    assert (len(data["results"]), data["next"], data["previous"]) == (made, None, None)


def test_a_page_holds_25_unless_asked_otherwise_and_at_most_200(api):
    Event.objects.bulk_create(Event(kind="checkout", occurred_at=NOW) for _ in range(201))

    url = "/api/circulation/events/"
    assert len(data_of(api.get(url))["results"]) == 25
    assert len(data_of(api.get(f"{url}?limit=1"))["results"]) == 1
    data = data_of(api.get(f"{url}?limit=200"))
    assert (len(data["results"]), data["next"] is None) == (200, False)


@pytest.mark.parametrize("limit", ["0", "-1", "201", "1e2", "1.0", "", " 5", "5 ", "٣", "%00", "x", "9" * 500, "true"])
def test_a_limit_is_a_whole_number_up_to_200(api, limit):
    assert invalid_fields(api.get(f"/api/loans/?limit={limit}")) == {"limit": "invalid"}


@pytest.mark.parametrize("ordering", ["", "-", "--id", "pk", "+id", "id,title", "member__user__password", "?", "%00"])
def test_an_order_is_one_of_those_on_offer(api, ordering):
    response = api.get(f"/api/loans/?ordering={ordering}")

    assert invalid_fields(response) == {"ordering": "invalid"}
    [complaint] = response.json()["error"]["details"]["ordering"]
    assert complaint["message"] == "Order by one of due_at, id, lent_at, with - before it to reverse."


# --- Counting ----------------------------------------------------------------------------------------------


def test_counting_stops(api):
    url = "/api/circulation/events/?limit=1&count=true"
    assert data_of(api.get(url))["count"] == 0
    Event.objects.bulk_create(Event(kind="checkout", occurred_at=NOW) for _ in range(10_000))
    assert data_of(api.get(url))["count"] == 10_000
    Event.objects.bulk_create(Event(kind="checkout", occurred_at=NOW) for _ in range(5))
    assert data_of(api.get(url))["count"] == 10_001


def test_without_being_asked_nothing_is_counted(api):
    assert "count" not in data_of(api.get("/api/loans/?count=false"))
    assert invalid_fields(api.get("/api/loans/?count=yes")) == {"count": "invalid"}


# --- Cursors that we did not make --------------------------------------------------------------------------


def cursor(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("url", "ordering", "keys"),
    [
        ("/api/loans/", "id", ["x", None, True, 1.5, [], {}, 2**63, -(2**64), 10**400, "1" * 20, "1" * 5000]),
        ("/api/loans/", "due_at", [5, None, "", "x", "2026-02-30", "\0", "\ud800", "9" * 999, "2026-01-01"]),
        ("/api/books/", "title", [None, 1.5, [], {}, "\0", "\ud800"]),
        ("/api/books/", "published_year", ["x", None, 2**63, 1.5, "9" * 20]),
        ("/api/members/", "-name", [None, {}, "\0"]),
    ],
)
def test_a_cursor_with_a_foreign_key_is_refused(api, url, ordering, keys):
    LoanFactory()
    for key in keys:
        for backward in (False, True):
            response = api.get(url, {"ordering": ordering, "cursor": cursor(ordering, backward, key, 1)})

            assert invalid_fields(response) == {"cursor": "invalid"}


@pytest.mark.parametrize(
    ("key", "pk"),
    [(2**63 - 1, 2**63 - 1), (-(2**62), 0), (0, -(2**62)), (10**18, 1)],
)
def test_a_cursor_may_lie_beyond_everything(api, key, pk):
    BookFactory(published_year=1900)
    for ordering in ("id", "published_year"):
        for backward in (False, True):
            data_of(api.get("/api/books/", {"ordering": ordering, "cursor": cursor(ordering, backward, key, pk)}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "=",
        "é",
        "%00",
        "A" * 10_000,
        "bnVsbA",
        "e30",
        "W10",
        cursor("id", False, 1),
        cursor("id", False, 1, 2, 3),
        cursor("-id", False, 1, 2),
        cursor("title", False, 1, 2),
        cursor("id", 0, 1, 2),
        cursor("id", None, 1, 2),
        cursor("id", False, 1, None),
        cursor("id", False, 1, "2"),
        cursor("id", False, 1, True),
        cursor("id", False, 1, 2**63),
        cursor(["id"], False, 1, 2),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        base64.urlsafe_b64encode(b'["id",false,1,NaN]').decode(),
    ],
)
def test_a_cursor_that_is_none_is_refused(api, text):
    response = api.get("/api/loans/", {"cursor": text})

    assert invalid_fields(response) == {"cursor": "invalid"}
    [complaint] = response.json()["error"]["details"]["cursor"]
    assert complaint["message"] == "This cursor does not belong to this list. Begin again without it."


def test_a_cursor_of_another_order_is_refused(api):
    BookFactory.create_batch(2)
    following = data_of(api.get("/api/books/?limit=1&ordering=title"))["next"]

    assert invalid_fields(api.get(following.replace("ordering=title", "ordering=-title"))) == {"cursor": "invalid"}
