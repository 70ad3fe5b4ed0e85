"""GET /api/circulation/events/: what happened at the desk."""

import pytest

from events.models import Event
from tests.api.asking import data_of, invalid_fields, open_loan
from tests.factories import BookFactory, MemberFactory

pytestmark = pytest.mark.django_db

URL = "/api/circulation/events/"
EVENT = {
    "id",
    "kind",
    "occurred_at",
    "book_id",
    "copy_id",
    "member_id",
    "loan_id",
    "reservation_id",
    "actor_id",
    "payload",
}


def recorded(kind="checkout", at="2026-03-02T10:00:00Z", **ids):
    return Event.objects.create(kind=kind, occurred_at=at, **ids)


def listed(api, query=""):
    return [event["id"] for event in data_of(api.get(f"{URL}{query}"))["results"]]


def test_a_check_out_and_a_return_are_told_in_full(api):
    member, book = MemberFactory(), BookFactory(copies=1)
    copy = book.copies.get()
    lent = data_of(api.post("/api/circulation/checkout/", {"member_id": member.pk, "book_id": book.pk}), 201)["loan"]
    back = data_of(api.post("/api/circulation/return/", {"loan_id": lent["id"]}))["loan"]

    first, second = data_of(api.get(URL))["results"]

    assert set(first) == EVENT
    common = {
        "book_id": book.pk,
        "copy_id": copy.pk,
        "member_id": member.pk,
        "loan_id": lent["id"],
        "reservation_id": None,
        "actor_id": api.handler._force_user.pk,
    }
    assert {name: value for name, value in first.items() if name != "payload"} == common | {
        "id": first["id"],
        "kind": "checkout",
        "occurred_at": lent["lent_at"],
    }
    assert first["payload"].keys() == {"barcode", "due_at", "open", "limit"}
    assert second == common | {
        "id": second["id"],
        "kind": "return",
        "occurred_at": back["returned_at"],
        "payload": {"barcode": copy.barcode, "overdue": False},
    }


def test_the_catalogues_and_the_members_events_are_not_the_desks(api):
    recorded("book.added", book_id=1)
    recorded("copy.added", book_id=1)
    recorded("member.enrolled", member_id=1)
    desk = recorded("renew")

    assert listed(api) == [desk.pk]
    assert invalid_fields(api.get(f"{URL}?kind=book.added")) == {"kind": "invalid_choice"}


def test_events_are_filtered_by_kind_title_member_and_copy(api):
    copy = open_loan().copy
    a = recorded("checkout", book_id=1, member_id=5, copy_id=copy.pk)
    b = recorded("return", book_id=1, member_id=6)
    c = recorded("checkout", book_id=2, member_id=5)

    assert listed(api) == [a.pk, b.pk, c.pk]
    assert listed(api, "?ordering=-id") == [c.pk, b.pk, a.pk]
    assert listed(api, "?kind=checkout") == [a.pk, c.pk]
    assert listed(api, "?book=1") == [a.pk, b.pk]
    assert listed(api, "?member=5&book=2") == [c.pk]
    assert listed(api, f"?copy={copy.barcode}") == [a.pk]
    assert listed(api, "?copy=nothing") == []


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ("since=2026-03-02", "bc"),
        ("until=2026-03-01", "a"),
        ("since=2026-03-02&until=2026-03-02", "b"),
        ("since=2026-03-02T00:00:01Z", "c"),
        ("until=2026-03-02T00:00:00Z", "ab"),
        ("since=2026-03-02T01:00:00%2B01:00&until=2026-03-02T01:00:00%2B01:00", "b"),
        ("since=2026-03-04", ""),
        ("until=2999-12-31T23:59:59-23:59", "abc"),
        ("since=1900-01-01T00:00:00%2B23:59", "abc"),
    ],
)
def test_events_are_filtered_by_time(api, query, which):
    moments = {"a": "2026-03-01T23:59:59Z", "b": "2026-03-02T00:00:00Z", "c": "2026-03-03T00:00:00Z"}
    made = {name: recorded(at=moment).pk for name, moment in moments.items()}

    assert listed(api, f"?{query}") == [made[name] for name in which]


def test_a_date_is_one_of_the_main_branch(api):
    branch = open_loan().copy.branch
    branch.time_zone = "Asia/Tokyo"
    branch.save()
    before = recorded(at="2026-03-01T14:59:59Z")
    during = recorded(at="2026-03-01T15:00:00Z")
    last = recorded(at="2026-03-02T14:59:59Z")
    after = recorded(at="2026-03-02T15:00:00Z")

    assert listed(api, "?since=2026-03-02&until=2026-03-02") == [during.pk, last.pk]
    assert listed(api) == [before.pk, during.pk, last.pk, after.pk]


@pytest.mark.parametrize(
    ("query", "complaints"),
    [
        ("since=yesterday", {"since": "invalid"}),
        ("since=2026-02-30", {"since": "invalid"}),
        ("until=9999-12-31", {"until": "range"}),
        ("since=0001-01-01", {"since": "range"}),
        ("member=0", {"member": "min_value"}),
        ("book=9223372036854775808", {"book": "max_value"}),
        ("copy=%00", {"copy": "null_characters_not_allowed"}),
        ("kind=nothing&since=x", {"kind": "invalid_choice", "since": "invalid"}),
    ],
)
def test_filters_that_mean_nothing_are_refused(api, query, complaints):
    assert invalid_fields(api.get(f"{URL}?{query}")) == complaints
