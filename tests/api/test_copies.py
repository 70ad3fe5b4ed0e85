"""Copies: adding, listing, editing, and what happens to them apart from lending."""

import pytest

from circulation.models import Loan
from events.models import Event
from library.models import Copy
from tests.api.asking import COPY, RESERVATION, data_of, error_of, everything, invalid_fields, message_of, refusals_of
from tests.factories import BookFactory, BranchFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db


# --- Adding and listing ------------------------------------------------------------------------------------


def test_one_copy_is_added_by_default(api):
    book = BookFactory()

    response = api.post(f"/api/books/{book.pk}/copies/")

    barcode = f"{book.pk}-1"
    assert data_of(response, 201) == [
        {
            "barcode": barcode,
            "book_id": book.pk,
            "branch": "Main Library",
            "status": "available",
            "due_at": None,
            "holder_id": None,
        }
    ]
    assert message_of(response) == f"Added: {barcode}."


def test_copies_are_numbered_where_numbers_are_free(api):
    book = BookFactory()
    CopyFactory(book=book, barcode=f"{book.pk}-2")

    data = data_of(api.post(f"/api/books/{book.pk}/copies/", {"count": 3, "branch": "MAIN library"}), 201)

    assert [copy["barcode"] for copy in data] == [f"{book.pk}-1", f"{book.pk}-3", f"{book.pk}-4"]


def test_copies_may_bring_their_barcodes(api):
    book, branch = BookFactory(), BranchFactory(name="Ostend")

    sent = {"barcodes": ["A.1_b-2", "x" * 64], "branch": branch.name}
    data = data_of(api.post(f"/api/books/{book.pk}/copies/", sent), 201)

    assert [(copy["barcode"], copy["branch"]) for copy in data] == [("A.1_b-2", "Ostend"), ("x" * 64, "Ostend")]


def test_new_copies_go_to_the_line_first(api):
    book = BookFactory()
    first, second = ReservationFactory.create_batch(2, book=book)

    data = data_of(api.post(f"/api/books/{book.pk}/copies/", {"count": 3}), 201)

    assert [(copy["status"], copy["holder_id"]) for copy in data] == [
        ("on_hold_shelf", first.member_id),
        ("on_hold_shelf", second.member_id),
        ("available", None),
    ]


def test_a_taken_barcode_is_a_duplicate_and_none_is_added(api):
    book = BookFactory()
    CopyFactory(barcode="taken")
    before = everything()

    response = api.post(f"/api/books/{book.pk}/copies/", {"barcodes": ["free", "taken"]})

    assert error_of(response, 409, "DUPLICATE") == {
        "barcode": [{"code": "unique", "message": "Another copy already has this barcode."}]
    }
    assert everything() == before


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({"count": 0}, {"count": "min_value"}),
        ({"count": 101}, {"count": "max_value"}),
        ({"count": "1"}, {"count": "invalid"}),
        ({"count": 1, "barcodes": ["a"]}, {"count": "invalid"}),
        ({"barcodes": []}, {"barcodes": "min_length"}),
        ({"barcodes": "abc"}, {"barcodes": "not_a_list"}),
        ({"barcodes": ["a", "a"]}, {"barcodes": "invalid"}),
        ({"barcodes": ["a", "", "b c"]}, {"barcodes.1": "blank", "barcodes.2": "invalid"}),
        ({"barcodes": ["a\n"]}, {"barcodes.0": "invalid"}),
        ({"barcodes": ["x" * 65]}, {"barcodes.0": "invalid"}),
        ({"barcodes": [5]}, {"barcodes.0": "invalid"}),
        ({"barcodes": ["...", ".", ".."]}, {"barcodes.1": "invalid", "barcodes.2": "invalid"}),
        ({"branch": "Nowhere"}, {"branch": "does_not_exist"}),
        ({"status": "lost"}, {"status": "unknown"}),
    ],
)
def test_what_new_copies_cannot_be(api, sent, complaints):
    book = BookFactory()

    assert invalid_fields(api.post(f"/api/books/{book.pk}/copies/", sent)) == complaints
    assert Copy.objects.count() == 0


def test_the_copies_of_a_title_are_listed_with_who_has_them(api):
    book = BookFactory()
    free, lent = CopyFactory(book=book), LoanFactory(book=book)
    held = ReservationFactory(book=book, ready=True).copy
    CopyFactory()

    results = data_of(api.get(f"/api/books/{book.pk}/copies/"))["results"]

    assert all(set(copy) == COPY for copy in results)
    assert [(copy["barcode"], copy["status"], copy["holder_id"], copy["due_at"]) for copy in results] == [
        (free.barcode, "available", None, None),
        (lent.copy.barcode, "on_loan", lent.member_id, "2026-03-29T10:00:00Z"),
        (held.barcode, "on_hold_shelf", held.holder_id, None),
    ]


# --- One copy ----------------------------------------------------------------------------------------------


def test_a_copy_is_read_by_its_barcode(api):
    copy = CopyFactory(barcode="A.1_b-2")

    assert data_of(api.get("/api/copies/A.1_b-2/")) == {
        "barcode": "A.1_b-2",
        "book_id": copy.book_id,
        "branch": "Main Library",
        "status": "available",
        "due_at": None,
        "holder_id": None,
    }


@pytest.mark.parametrize(
    "path", ["", "mark-lost/", "mark-missing/", "mark-found/", "mark-damaged/", "repair/", "withdraw/"]
)
def test_an_unknown_copy_is_not_found(api, path):
    response = api.post(f"/api/copies/47110815-1/{path}") if path else api.patch("/api/copies/47110815-1/", {})

    assert error_of(response, 404, "COPY_NOT_FOUND") is None
    assert response.json()["error"]["message"] == "There is no copy with barcode 47110815-1."


def test_a_copy_of_a_withdrawn_title_is_not_found(api):
    copy = CopyFactory(book=BookFactory(withdrawn=True), withdrawn=True)

    error_of(api.get(f"/api/copies/{copy.barcode}/"), 404, "COPY_NOT_FOUND")
    error_of(api.patch(f"/api/copies/{copy.barcode}/", {"barcode": "x"}), 404, "COPY_NOT_FOUND")
    error_of(api.post(f"/api/copies/{copy.barcode}/mark-found/"), 404, "COPY_NOT_FOUND")


def test_a_copy_changes_its_barcode_and_branch(api):
    copy = CopyFactory(barcode="old")
    BranchFactory(name="Ostend")

    response = api.patch("/api/copies/old/", {"barcode": "new", "branch": "ostend"})

    data = data_of(response)
    assert set(data) == COPY
    assert (data["barcode"], data["branch"]) == ("new", "Ostend")
    assert message_of(response) == "Copy new saved."
    error_of(api.get("/api/copies/old/"), 404, "COPY_NOT_FOUND")
    event = Event.objects.get()
    assert (event.kind, event.copy_id, event.payload) == (
        "copy.edited",
        copy.pk,
        {
            "changed": ["branch", "barcode"],
            "changes": {"branch": ["Main Library", "Ostend"], "barcode": ["old", "new"]},
        },
    )


def test_a_copy_cannot_take_the_barcode_of_another(api):
    CopyFactory(barcode="taken")
    CopyFactory(barcode="mine")

    error_of(api.patch("/api/copies/mine/", {"barcode": "taken"}), 409, "DUPLICATE")


def test_what_becomes_of_a_copy_is_not_edited(api):
    CopyFactory(barcode="a")

    response = api.patch("/api/copies/a/", {"status": "lost", "book_id": 2})

    assert invalid_fields(response) == {"status": "unknown", "book_id": "unknown"}


# --- What happens to copies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "state", "becomes", "kind", "told"),
    [
        ("mark-lost", None, "lost", "lost", "is now lost."),
        ("mark-missing", None, "missing", "missing", "is now missing."),
        ("mark-damaged", None, "damaged", "damaged", "is now damaged."),
        ("withdraw", None, "withdrawn", "withdrawn", "is now withdrawn."),
        ("mark-found", "lost", "available", "found", "came in. Put it back on the shelf."),
        ("mark-found", "missing", "available", "found", "came in. Put it back on the shelf."),
        ("repair", "damaged", "available", "repaired", "came in. Put it back on the shelf."),
    ],
)
def test_a_copy_moves(api, action, state, becomes, kind, told):
    copy = CopyFactory(**({state: True} if state else {}))

    response = api.post(f"/api/copies/{copy.barcode}/{action}/")

    data = data_of(response)
    assert list(data) == ["copy", "next"]
    assert set(data["copy"]) == COPY
    assert data["copy"]["status"] == becomes
    assert data["next"] == ({"action": "shelve"} if becomes == "available" else None)
    assert message_of(response) == f"Copy {copy.barcode} {told}"
    assert Event.objects.get().kind == kind


def test_the_reason_is_kept_with_the_event(api):
    copy = CopyFactory()

    data_of(api.post(f"/api/copies/{copy.barcode}/mark-damaged/", {"reason": "  coffee "}))

    assert Event.objects.get().payload == {"barcode": copy.barcode, "reason": "  coffee "}


@pytest.mark.parametrize("action", ["mark-found", "repair"])
def test_coming_back_takes_no_reason(api, action):
    copy = CopyFactory()

    assert invalid_fields(api.post(f"/api/copies/{copy.barcode}/{action}/", {"reason": "x"})) == {"reason": "unknown"}


def test_losing_a_lent_copy_ends_its_loan(api):
    loan = LoanFactory()

    data = data_of(api.post(f"/api/copies/{loan.copy.barcode}/mark-lost/"))

    assert (data["copy"]["status"], data["copy"]["holder_id"], data["copy"]["due_at"]) == ("lost", None, None)
    assert Loan.objects.get().returned_at is not None


def test_a_copy_that_is_back_goes_to_the_line(api):
    copy = CopyFactory(lost=True)
    waiting = ReservationFactory(book=copy.book, member=MemberFactory(first_name="Grace", last_name="Hopper"))

    response = api.post(f"/api/copies/{copy.barcode}/mark-found/")

    data = data_of(response)
    assert (data["copy"]["status"], data["copy"]["holder_id"]) == ("on_hold_shelf", waiting.member_id)
    assert data["next"]["action"] == "hold"
    assert set(data["next"]["reservation"]) == RESERVATION
    assert (data["next"]["reservation"]["id"], data["next"]["reservation"]["position"]) == (waiting.pk, 0)
    assert message_of(response) == f"Copy {copy.barcode} came in. Put it on the hold shelf for Grace Hopper."


@pytest.mark.parametrize("action", ["mark-missing", "mark-damaged", "withdraw"])
def test_a_lent_copy_must_come_back_first(api, action):
    loan = LoanFactory()
    before = everything()

    [reason] = refusals_of(api.post(f"/api/copies/{loan.copy.barcode}/{action}/"), 409, "COPY_ON_LOAN")

    assert reason == {
        "code": "COPY_ON_LOAN",
        "message": f"Copy {loan.copy.barcode} is on loan. Take it back first.",
        "overridable": False,
        "barcode": loan.copy.barcode,
    }
    assert everything() == before


@pytest.mark.parametrize(
    ("action", "state", "sentence"),
    [
        ("mark-found", "available", "was neither lost nor missing. It is available."),
        ("repair", "lost", "was not damaged. It is lost."),
        ("mark-lost", "lost", "is lost and cannot become lost."),
        ("mark-damaged", "withdrawn", "is withdrawn and cannot become damaged."),
        ("withdraw", "withdrawn", "is withdrawn and cannot become withdrawn."),
    ],
)
def test_a_copy_cannot_go_just_anywhere(api, action, state, sentence):
    copy = CopyFactory(status=state)
    before = everything()

    [reason] = refusals_of(api.post(f"/api/copies/{copy.barcode}/{action}/"), 422, "INVALID_TRANSITION")

    assert reason == {
        "code": "INVALID_TRANSITION",
        "message": f"Copy {copy.barcode} {sentence}",
        "overridable": False,
        "status": state,
    }
    assert everything() == before
