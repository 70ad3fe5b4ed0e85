"""Branches over HTTP: which there are, and what goes from one to another."""

from datetime import date, time, timedelta

import pytest
from django.utils import timezone

from library.models import Copy
from tests.api.asking import data_of, error_of, invalid_fields, message_of
from tests.api.signing import signed_in
from tests.factories import (
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def harbour():
    return BranchFactory(name="Harbour")


def test_branches_tell_when_they_close_and_on_which_days_to_come_they_stay_closed(api):
    today = timezone.now().date()
    days = [today + timedelta(days=3), today - timedelta(days=30), today + timedelta(days=1)]
    BranchFactory(name="harbour", time_zone="Europe/Berlin", closing_times=[None] * 6 + [time(13)], closed_on=days)

    first, second = data_of(api.get("/api/branches/"))["results"]

    assert first == {
        "name": "harbour",
        "time_zone": "Europe/Berlin",
        "closing_times": dict.fromkeys(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"])
        | {"sunday": "13:00:00"},
        "closed_on": [str(today + timedelta(days=1)), str(today + timedelta(days=3))],
    }
    assert (second["name"], second["closing_times"]["monday"], second["closed_on"]) == ("Main Library", "23:59:59", [])


def test_today_is_still_one_of_the_days_on_which_it_is_closed(api, harbour):
    today = harbour.today(timezone.now())
    harbour.closed_on = [today]
    harbour.save()

    assert data_of(api.get("/api/branches/"))["results"][0]["closed_on"] == [str(today)]


def test_branches_come_in_pages(api, harbour):
    page = data_of(api.get("/api/branches/?limit=1&ordering=-name&count=true"))

    assert ([row["name"] for row in page["results"]], page["count"]) == (["Main Library"], 2)
    assert [row["name"] for row in data_of(api.get(page["next"]))["results"]] == ["Harbour"]


# --- Named in two ways -----------------------------------------------------------------------------------------------


def requests_that_name_a_place():
    book, member = BookFactory(), MemberFactory()
    loan, sent, gone = LoanFactory(), CopyFactory(in_transit=True), CopyFactory(missing=True)
    return {
        "books": ("post", "/api/books/", {"title": "Emma"}),
        "copies": ("post", f"/api/books/{book.pk}/copies/", {}),
        "copy": ("patch", f"/api/copies/{CopyFactory().barcode}/", {}),
        "reserve": ("post", "/api/reservations/", {"member_id": member.pk, "book_id": book.pk}),
        "checkout": ("post", "/api/circulation/checkout/", {"member_id": member.pk, "book_id": BookFactory().pk}),
        "return": ("post", "/api/circulation/return/", {"barcode": loan.copy.barcode}),
        "receive": ("post", f"/api/copies/{sent.barcode}/receive/", {}),
        "mark-found": ("post", f"/api/copies/{gone.barcode}/mark-found/", {}),
    }


EVERYWHERE = ["books", "copies", "copy", "reserve", "checkout", "return", "receive", "mark-found"]


@pytest.mark.parametrize("name", ["branch", "library"])
@pytest.mark.parametrize("what", EVERYWHERE)
def test_a_place_is_a_branch_or_a_library(api, harbour, what, name):
    method, path, body = requests_that_name_a_place()[what]

    assert getattr(api, method)(path, body | {name: "HARBOUR"}).status_code in (200, 201, 202)


@pytest.mark.parametrize("what", EVERYWHERE)
def test_not_both_and_not_one_that_is_not_there(api, harbour, what):
    method, path, body = requests_that_name_a_place()[what]
    ask = getattr(api, method)

    assert invalid_fields(ask(path, body | {"branch": "Harbour", "library": "Harbour"})) == {"library": "invalid"}
    assert invalid_fields(ask(path, body | {"branch": "Nowhere"})) == {"branch": "does_not_exist"}
    assert invalid_fields(ask(path, body | {"library": "Nowhere"})) == {"library": "does_not_exist"}


def test_titles_of_a_library_are_those_of_the_branch(api, harbour):
    there = CopyFactory(branch=harbour).book
    BookFactory(copies=1)

    assert [row["id"] for row in data_of(api.get("/api/books/?library=harbour"))["results"]] == [there.pk]
    assert invalid_fields(api.get("/api/books/?library=Harbour&branch=Harbour")) == {"library": "invalid"}


# --- On the way ------------------------------------------------------------------------------------------------------


def test_a_copy_goes_to_whoever_waits_at_another_branch(api, harbour):
    ada = MemberFactory(first_name="Ada", last_name="Lovelace")
    copy = CopyFactory(barcode="A1", on_loan=True)
    loan = LoanFactory(copy=copy, book=copy.book, member=copy.holder)
    reserved = api.post("/api/reservations/", {"member_id": ada.pk, "book_id": copy.book.pk, "library": "Harbour"})
    reservation = data_of(reserved, 201)
    assert (reservation["status"], reservation["branch"], reservation["copy_barcode"]) == ("waiting", "Harbour", None)

    returned = api.post("/api/circulation/return/", {"loan_id": loan.pk})

    assert message_of(returned) == "Copy A1 returned. Send it to Harbour for Ada Lovelace."
    step = data_of(returned)["next"]
    assert (step["action"], step["branch"], step["reservation"]["id"]) == ("transit", "Harbour", reservation["id"])
    assert (step["reservation"]["status"], step["reservation"]["copy_barcode"]) == ("waiting", "A1")
    assert (step["reservation"]["position"], step["reservation"]["estimated_wait_days"]) == (1, None)
    received = api.post("/api/copies/A1/receive/", {"branch": "Harbour"})
    assert message_of(received) == "Copy A1 came in. Put it on the hold shelf for Ada Lovelace."
    data = data_of(received)
    assert (data["copy"]["status"], data["copy"]["branch"], data["next"]["action"]) == (
        "on_hold_shelf",
        "Main Library",
        "hold",
    )
    again = api.post("/api/copies/A1/receive/")
    error_of(again, 422, "INVALID_TRANSITION")
    assert again.json()["error"]["message"] == "Copy A1 is not in transit. It is on the hold shelf."


def test_without_anybody_waiting_it_goes_home(api, harbour):
    loan = LoanFactory()

    returned = api.post("/api/circulation/return/", {"loan_id": loan.pk, "branch": "Harbour"})

    assert data_of(returned)["next"] == {"action": "transit", "branch": "Main Library"}
    assert message_of(returned).endswith("returned. Send it to Main Library, where it belongs.")
    received = api.post(f"/api/copies/{loan.copy.barcode}/receive/")
    assert message_of(received) == f"Copy {loan.copy.barcode} came in. Put it back on the shelf."


def test_a_rehearsed_return_and_one_in_a_batch_know_where_they_are(api, harbour):
    loan = LoanFactory()
    body = {"barcode": loan.copy.barcode, "branch": "Harbour"}

    rehearsed = data_of(api.post("/api/circulation/return/?dry_run=true", body))
    assert rehearsed == {"would": "transit", "refusals": []}
    [result] = data_of(api.post("/api/circulation/batch/", {"operations": [{"op": "return", **body}]}), 207)["results"]

    assert result["body"]["data"]["next"] == {"action": "transit", "branch": "Main Library"}


def test_whoever_returns_it_is_not_told_where_it_goes(harbour):
    loan = LoanFactory(member=MemberFactory(user=UserFactory()))

    response = signed_in(loan.member.user).post(
        "/api/circulation/return/", {"book_id": loan.book.pk, "branch": "Harbour"}
    )

    assert data_of(response)["next"] == {"action": "transit"}
    assert message_of(response) == f"Copy {loan.copy.barcode} returned. Thank you."


def test_a_reservation_of_what_stands_elsewhere_says_that_it_is_sent(api, harbour):
    book, ada = BookFactory(copies=1), MemberFactory(first_name="Ada", last_name="Lovelace")
    body = {"member_id": ada.pk, "book_id": book.pk, "branch": "Harbour"}

    lent_or_sent = api.post("/api/circulation/checkout/", body)

    assert data_of(lent_or_sent, 202)["reservation"]["copy_barcode"] == Copy.objects.get(book=book).barcode
    assert message_of(lent_or_sent) == f"A copy of “{book.title}” will be sent to Harbour for Ada Lovelace."
    second = BookFactory(copies=1)
    reserved = api.post("/api/reservations/", body | {"book_id": second.pk})
    assert message_of(reserved) == f"“{second.title}” reserved for Ada Lovelace, and a copy will be sent to Harbour."


def test_the_day_on_which_a_loan_is_due_is_one_on_which_the_branch_opens(api, harbour):
    tomorrow = timezone.now().date() + timedelta(days=1)
    harbour.closed_on = [tomorrow + timedelta(days=n) for n in range(3)]
    harbour.save()
    copy = CopyFactory(branch=harbour)

    loan = data_of(
        api.post("/api/circulation/checkout/", {"member_id": MemberFactory().pk, "barcode": copy.barcode, "days": 1}),
        201,
    )["loan"]

    assert date.fromisoformat(loan["due_at"][:10]) == tomorrow + timedelta(days=3)


def test_a_copy_in_transit_is_not_lost_to_the_line(api, harbour):
    sent = CopyFactory(in_transit=True)
    ReservationFactory(book=sent.book, branch=harbour)

    error_of(
        api.post("/api/circulation/checkout/", {"member_id": MemberFactory().pk, "barcode": sent.barcode}),
        422,
        "COPY_NOT_CIRCULATING",
    )
    assert data_of(api.post(f"/api/copies/{sent.barcode}/receive/"))["next"]["action"] == "transit"
