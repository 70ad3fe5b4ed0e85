"""The reservation challenge: check-out, return, reserve, fulfil; data sets in two forms; a trace of events."""

import json

import pytest
from django.core.management import call_command

from library.models import Book, Member
from tests.api.asking import data_of, refusals_of
from tests.factories import general_policy

BOOKS = [
    {"BookID": 1000, "BookName": "Book 1", "NumberOfCopies": 2},
    {"BookID": 1002, "BookName": "Book 3", "NumberOfCopies": 1},
]
MEMBERS = [{"MemberID": 2000 + number, "MemberName": f"Member {number + 1}"} for number in range(4)]
TRACE = [
    {"eventtype": "fulfill", "book_id": 1002, "date": "2023-05-09"},
    {"eventtype": "checkout", "book_id": 1002, "member_id": 2000, "date": "2023-05-02"},
    {"eventtype": "return", "book_id": 1002, "member_id": 2000, "date": "2023-05-08"},
    {"eventtype": "checkout", "book_id": 1002, "member_id": 2001, "date": "2023-05-04"},
    {"eventtype": "reserve", "book_id": 1002, "member_id": 2002, "date": "2023-05-05"},
    {"eventtype": "fulfill", "book_id": 1002, "date": "2023-05-09"},
]


def as_json(rows, name, columns):
    return json.dumps(rows)


def as_sql(rows, name, columns):
    def literal(value):
        return str(value) if isinstance(value, int) else f"'{value}'"

    values = ", ".join(f"({', '.join(map(literal, row.values()))})" for row in rows)
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES {values};"


@pytest.fixture(params=["json", "sql"])
def data_sets(request, tmp_path, db):
    """The two data sets, imported."""
    write = as_json if request.param == "json" else as_sql
    for command, name, rows in (("import_books", "books", BOOKS), ("import_members", "members", MEMBERS)):
        file = tmp_path / f"{name}.{request.param}"
        file.write_text(write(rows, name, list(rows[0])))
        call_command(command, str(file), verbosity=0)


def check_out(desk, member, book):
    return desk.post("/api/circulation/checkout/", {"member_id": member, "book_id": book})


@pytest.mark.usefixtures("data_sets")
def test_the_ids_of_the_data_sets_are_ours(desk):
    assert list(Book.objects.values_list("pk", "title").order_by("pk")) == [(1000, "Book 1"), (1002, "Book 3")]
    assert data_of(desk.get("/api/books/1000/"))["total"] == 2
    assert data_of(desk.get("/api/members/2003/"))["name"] == "Member 4"
    assert data_of(desk.post("/api/books/", {"title": "New", "author": "A"}), 201)["id"] > 1002
    assert data_of(desk.post("/api/members/", {"name": "New"}), 201)["id"] > 2003


@pytest.mark.usefixtures("data_sets")
def test_checkout_return_reserve_and_fulfil(desk):
    lent = data_of(check_out(desk, 2000, 1002), 201)
    assert (lent["outcome"], lent["loan"]["copy_barcode"]) == ("lent", "1002-1")

    queued = data_of(check_out(desk, 2001, 1002), 202)
    assert (queued["outcome"], queued["reservation"]["position"]) == ("reserved", 1)
    reserved = data_of(desk.post("/api/reservations/", {"member_id": 2002, "book_id": 1002}), 201)
    assert reserved["position"] == 2

    returned = data_of(desk.post("/api/circulation/return/", {"member_id": 2000, "book_id": 1002}))
    assert (returned["next"]["action"], returned["next"]["reservation"]["member_id"]) == ("hold", 2001)
    walks_in = desk.post("/api/circulation/checkout/", {"member_id": 2003, "barcode": "1002-1"})
    refusals_of(walks_in, 409, "COPY_HELD_FOR_OTHER")

    assert data_of(desk.post("/api/reservations/fulfill/", {"book_id": 1002}))["member_id"] == 2001
    refusals_of(desk.post("/api/reservations/fulfill/", {"book_id": 1002}), 409, "NO_COPY_TO_FULFILL")


@pytest.mark.usefixtures("data_sets")
def test_on_return_the_head_of_the_line_may_get_the_copy_at_once(desk, settings):
    settings.FULFIL_ON_RETURN = "loan"
    check_out(desk, 2000, 1002)
    check_out(desk, 2001, 1002)

    returned = data_of(desk.post("/api/circulation/return/", {"barcode": "1002-1"}))

    assert returned["next"]["action"] == "lend"
    [loan] = data_of(desk.get("/api/loans/?status=open"))["results"]
    assert (loan["member_id"], loan["copy_barcode"]) == (2001, "1002-1")


@pytest.mark.usefixtures("data_sets")
def test_the_limit_of_a_member(desk):
    general_policy(max_loans=1)
    check_out(desk, 2000, 1000)

    refusals_of(check_out(desk, 2000, 1002), 422, "LOAN_LIMIT_REACHED")


@pytest.mark.usefixtures("data_sets")
@pytest.mark.parametrize("policy", ["hold", "loan"])
def test_a_trace_is_replayed_in_the_order_of_its_dates(desk, tmp_path, settings, policy):
    settings.FULFIL_ON_RETURN = policy
    file = tmp_path / "events.json"
    file.write_text(json.dumps(TRACE))

    call_command("replay", str(file), verbosity=0)

    [loan] = data_of(desk.get("/api/loans/?status=open"))["results"]
    assert (loan["member_id"], loan["book_id"], loan["lent_at"][:10]) == (
        2001,
        1002,
        "2023-05-09" if policy == "hold" else "2023-05-08",
    )
    line = data_of(desk.get("/api/books/1002/queue/"))["reservations"]
    assert [(place["member_id"], place["status"]) for place in line] == [(2002, "waiting")]
    kinds = [event["kind"] for event in data_of(desk.get("/api/circulation/events/?book=1002"))["results"]]
    assert kinds.count("fulfil") == 1  # the doubled one changed nothing
    assert Member.objects.count() == 4
