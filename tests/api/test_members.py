"""Members: enrolling, editing, deleting, their loans and history."""

from datetime import timedelta

import pytest
from django.utils import timezone

from circulation.models import Loan
from events.models import Event
from library.models import Member
from tests.api.asking import (
    LOAN,
    MEMBER,
    RESERVATION,
    data_of,
    error_of,
    everything,
    invalid_fields,
    message_of,
    refusals_of,
)
from tests.factories import BranchFactory, LoanFactory, MemberCategoryFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db


# --- Enrolling ---------------------------------------------------------------------------------------------


def test_a_name_is_enough(api):
    response = api.post("/api/members/", {"name": "Ada King Lovelace"})

    data = data_of(response, 201)
    member = Member.objects.get()
    assert data == {
        "id": member.pk,
        "name": "Ada King Lovelace",
        "first_name": "Ada King",
        "last_name": "Lovelace",
        "email": "",
        "card_number": f"C{member.pk:08d}",
        "category": "standard",
        "branch": "Main Library",
        "expires_on": None,
        "blocked_reason": "",
    }
    assert message_of(response) == f"Ada King Lovelace enrolled with card C{member.pk:08d}."
    assert response["Location"] == f"/api/members/{member.pk}/"
    assert response["ETag"] == api.get(f"/api/members/{member.pk}/")["ETag"]
    assert Event.objects.get().kind == "member.enrolled"


def test_every_field_of_a_member_is_kept(api):
    BranchFactory(name="Ostend")
    MemberCategoryFactory(name="student")
    sent = {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "Ada@Example.org",
        "card_number": "C 17/b",
        "category": "Student",
        "branch": "OSTEND",
        "expires_on": "2999-12-31",
        "blocked_reason": "card reported stolen",
    }

    data = data_of(api.post("/api/members/", sent), 201)

    assert set(data) == MEMBER
    assert {name: data[name] for name in sent} == sent | {"category": "student", "branch": "Ostend"}


@pytest.mark.parametrize(
    ("taken", "sent", "field", "message"),
    [
        ({"email": "ada@example.org"}, {"email": "ADA@example.org"}, "email", "e-mail address"),
        ({"card_number": "C1"}, {"card_number": "C1"}, "card_number", "card number"),
    ],
)
def test_what_another_member_has_is_a_duplicate(api, taken, sent, field, message):
    MemberFactory(**taken)
    before = everything()

    response = api.post("/api/members/", {"name": "Ada", **sent})

    sentence = f"Another member already has this {message}."
    assert error_of(response, 409, "DUPLICATE") == {field: [{"code": "unique", "message": sentence}]}
    assert everything() == before


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"name": "required"}),
        ({"name": ""}, {"name": "blank"}),
        ({"first_name": "", "last_name": ""}, {"name": "required"}),
        ({"name": "Ada", "first_name": "Ada"}, {"name": "invalid"}),
        ({"name": "x" * 301}, {"name": "max_length"}),
        ({"name": "x" * 151}, {"name": "invalid"}),
        ({"name": 7}, {"name": "invalid"}),
        ({"name": "Ada", "email": "ada"}, {"email": "invalid"}),
        ({"name": "Ada", "email": "a@" + "b" * 250 + ".org"}, {"email": "max_length"}),
        ({"name": "Ada", "card_number": "x" * 65}, {"card_number": "max_length"}),
        ({"name": "Ada", "category": "royalty"}, {"category": "does_not_exist"}),
        ({"name": "Ada", "branch": "Nowhere"}, {"branch": "does_not_exist"}),
        ({"name": "Ada", "expires_on": "2026-02-30"}, {"expires_on": "invalid"}),
        ({"name": "Ada", "expires_on": "2026-02-28T10:00:00"}, {"expires_on": "invalid"}),
        ({"name": "Ada", "expires_on": 20260228}, {"expires_on": "invalid"}),
        ({"name": "Ada", "blocked_reason": "x" * 301}, {"blocked_reason": "max_length"}),
        ({"name": "Ada", "is_staff": True}, {"is_staff": "unknown"}),
    ],
)
def test_what_a_member_cannot_be(api, sent, complaints):
    assert invalid_fields(api.post("/api/members/", sent)) == complaints
    assert Member.objects.count() == 0


# --- Reading and editing -----------------------------------------------------------------------------------


def test_a_member_is_read(api):
    member = MemberFactory(first_name="Ada", last_name="Lovelace", card_number="C1", expired=True)

    assert data_of(api.get(f"/api/members/{member.pk}/")) == {
        "id": member.pk,
        "name": "Ada Lovelace",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "",
        "card_number": "C1",
        "category": "standard",
        "branch": "Main Library",
        "expires_on": "2026-03-01",
        "blocked_reason": "",
    }


@pytest.mark.parametrize("path", ["", "loans/", "history/", "reservations/"])
def test_an_unknown_member_is_not_found(api, path):
    response = api.get(f"/api/members/47110815/{path}")

    assert error_of(response, 404, "MEMBER_NOT_FOUND") is None
    assert response.json()["error"]["message"] == "There is no member 47110815."


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_an_unknown_member_cannot_be_changed(api, method):
    sent = None if method == "delete" else {"name": "Ada"}

    error_of(getattr(api, method)("/api/members/47110815/", sent), 404, "MEMBER_NOT_FOUND")


def test_replacing_a_member_empties_what_is_left_out_but_the_card(api):
    member = MemberFactory(email="ada@example.org", card_number="C1", expired=True, blocked=True)

    response = api.put(f"/api/members/{member.pk}/", {"name": "Ada King"})

    data = data_of(response)
    assert (data["name"], data["email"], data["expires_on"], data["blocked_reason"], data["card_number"]) == (
        "Ada King",
        "",
        None,
        "",
        "C1",
    )
    assert message_of(response) == "Ada King saved."


def test_changing_a_member_leaves_the_rest(api):
    member = MemberFactory(first_name="Ada", last_name="Lovelace", email="ada@example.org")

    data = data_of(api.patch(f"/api/members/{member.pk}/", {"blocked_reason": "card reported stolen"}))

    assert (data["name"], data["email"]) == ("Ada Lovelace", "ada@example.org")
    assert data["blocked_reason"] == "card reported stolen"
    assert Event.objects.get().payload == {
        "changed": ["blocked_reason"],
        "changes": {"blocked_reason": ["", "card reported stolen"]},
    }


def test_unblocking_a_member_serves_the_lines_they_stand_in(api):
    member = MemberFactory(blocked=True)
    waiting = ReservationFactory(member=member)
    waiting.book.copies.create(barcode="free", branch=member.branch)

    data_of(api.patch(f"/api/members/{member.pk}/", {"blocked_reason": ""}))

    waiting.refresh_from_db()
    assert (waiting.status, waiting.copy.barcode) == ("ready", "free")


def test_a_member_cannot_take_the_address_of_another(api):
    MemberFactory(email="ada@example.org")
    member = MemberFactory()

    error_of(api.patch(f"/api/members/{member.pk}/", {"email": "ada@EXAMPLE.org"}), 409, "DUPLICATE")


# --- Deleting ----------------------------------------------------------------------------------------------


def test_deleting_a_member_keeps_what_they_borrowed_without_their_name(api):
    member = MemberFactory()
    loan = LoanFactory(member=member, returned=True)

    response = api.delete(f"/api/members/{member.pk}/")

    assert data_of(response) is None
    assert message_of(response) == f"Member {member.pk} deleted."
    assert not Member.objects.filter(pk=member.pk).exists()
    assert data_of(api.get(f"/api/loans/{loan.pk}/"))["member_id"] is None


def test_a_member_with_loans_and_reservations_stays_and_hears_both_reasons(api):
    member = MemberFactory(first_name="Ada", last_name="Lovelace")
    LoanFactory(member=member)
    ReservationFactory.create_batch(2, member=member)
    before = everything()

    response = api.delete(f"/api/members/{member.pk}/")

    assert refusals_of(response, 409, "MEMBER_HAS_OPEN_LOANS", "RESERVATION_EXISTS") == [
        {
            "code": "MEMBER_HAS_OPEN_LOANS",
            "message": "Ada Lovelace still has 1 on loan.",
            "overridable": False,
            "open": 1,
        },
        {
            "code": "RESERVATION_EXISTS",
            "message": "Ada Lovelace still has 2 reservations.",
            "overridable": False,
            "open": 2,
        },
    ]
    assert everything() == before


# --- Finding, and what they borrowed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("C1", ["Ada Lovelace"]),
        ("c1", []),
        ("ADA@example.org", ["Ada Lovelace"]),
        ("love", ["Ada Lovelace"]),
        ("lace", []),
        ("gra", ["Grace Hopper"]),
        ("%", []),
        ("_", []),
    ],
)
def test_members_are_found_by_card_address_and_name(api, text, names):
    MemberFactory(first_name="Ada", last_name="Lovelace", card_number="C1", email="ada@example.org")
    MemberFactory(first_name="Grace", last_name="Hopper")

    results = data_of(api.get("/api/members/", {"search": text}))["results"]

    assert all(set(member) == MEMBER for member in results)
    assert [member["name"] for member in results] == names


def test_loans_are_what_a_member_has_now_and_history_everything(api):
    member = MemberFactory()
    now = timezone.now()
    later = LoanFactory(member=member, lent_at=now - timedelta(days=1))
    sooner = LoanFactory(member=member, lent_at=now - timedelta(days=2))
    past = LoanFactory(member=member, returned=True)
    LoanFactory()

    loans = data_of(api.get(f"/api/members/{member.pk}/loans/"))["results"]
    history = data_of(api.get(f"/api/members/{member.pk}/history/"))["results"]

    assert all(set(loan) == LOAN for loan in loans + history)
    assert [loan["id"] for loan in loans] == [sooner.pk, later.pk]
    assert [loan["id"] for loan in history] == [past.pk, sooner.pk, later.pk]
    assert Loan.objects.count() == 4


def test_a_members_reservations_are_theirs(api):
    member = MemberFactory()
    waiting = ReservationFactory(member=member)
    over = ReservationFactory(member=member, cancelled=True)
    ReservationFactory(book=waiting.book)

    path = f"/api/members/{member.pk}/reservations/"
    every = data_of(api.get(path))["results"]
    live = data_of(api.get(f"{path}?status=live&member=47110815"))["results"]

    assert all(set(reservation) == RESERVATION for reservation in every)
    assert [reservation["id"] for reservation in every] == [waiting.pk, over.pk]
    assert [reservation["id"] for reservation in live] == [waiting.pk]


def test_a_member_keeps_a_name(api):
    member = MemberFactory(first_name="Ada", last_name="")

    response = api.patch(f"/api/members/{member.pk}/", {"first_name": ""})

    assert response.status_code == 400
    assert response.json()["error"]["details"] == {"name": [{"code": "required", "message": "A member needs a name."}]}
    member.refresh_from_db()
    assert member.first_name == "Ada"
