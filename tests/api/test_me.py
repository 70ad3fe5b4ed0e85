"""One's own account, and everything that is kept of oneself as a table."""

import csv
import io

import pytest

from tests.api.asking import LOAN, MEMBER, RESERVATION, data_of, error_of
from tests.api.signing import signed_in
from tests.factories import LoanFactory, MemberFactory, ReservationFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return MemberFactory(first_name="Ada", user=UserFactory(username="ada", email="ada@example.org"))


@pytest.fixture
def client(ada):
    return signed_in(ada.user)


def table(response):
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="my-')
    assert response["Cache-Control"] == "no-store"
    return list(csv.DictReader(io.StringIO(response.content.decode())))


def test_a_member_learns_who_they_are(client, ada):
    me = data_of(client.get("/api/me/"))

    assert list(me) == ["username", "email", "role", "scopes", "member"]
    assert (me["username"], me["email"], me["role"], me["scopes"]) == ("ada", "ada@example.org", "member", None)
    assert set(me["member"]) == MEMBER
    assert me["member"]["id"] == ada.pk


@pytest.mark.parametrize(("trait", "role"), [("staff", "librarian"), ("admin", "admin")])
def test_staff_need_not_be_members(trait, role):
    client = signed_in(UserFactory(**{trait: True}))

    assert data_of(client.get("/api/me/"))["role"] == role
    assert data_of(client.get("/api/me/"))["member"] is None
    error_of(client.get("/api/me/loans/"), 403, "PERMISSION_DENIED")


def test_loans_history_and_reservations_are_ones_own(client, ada):
    now, past = LoanFactory(member=ada), LoanFactory(member=ada, returned=True)
    place, over = ReservationFactory(member=ada), ReservationFactory(member=ada, expired=True)
    LoanFactory(), LoanFactory(returned=True), ReservationFactory()

    def rows(name, fields):
        found = data_of(client.get(f"/api/me/{name}/"))["results"]
        assert all(set(row) == fields for row in found)
        return [row["id"] for row in found]

    assert rows("loans", LOAN) == [now.pk]
    assert rows("history", LOAN) == [past.pk, now.pk]
    assert rows("reservations", RESERVATION) == [place.pk, over.pk]
    assert rows("reservations", RESERVATION) == [
        row["id"] for row in data_of(client.get("/api/me/reservations/?member=47110815"))["results"]
    ]


def test_everything_comes_as_tables(client, ada):
    loans = LoanFactory.create_batch(3, member=ada, returned=True)
    place = ReservationFactory(member=ada)
    LoanFactory()

    [account] = table(client.get("/api/me/?format=csv"))
    assert (account["username"], account["role"], account["first_name"]) == ("ada", "member", "Ada")
    assert account.keys() == {"username", "email", "role"} | MEMBER
    history = table(client.get("/api/me/history/?format=csv&limit=1"))
    assert [row["id"] for row in history] == [str(loan.pk) for loan in reversed(loans)]
    assert history[0].keys() == LOAN
    assert table(client.get("/api/me/loans/?format=csv")) == []
    [reservation] = table(client.get("/api/me/reservations/?format=csv"))
    assert (reservation["id"], reservation.keys()) == (str(place.pk), RESERVATION)


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@x", "\t=1", "\n =1", "＝1+1", "=HYPERLINK(A1)"])
def test_no_title_is_a_formula(client, ada, title):
    LoanFactory(member=ada, book__title=title)

    assert table(client.get("/api/me/loans/?format=csv"))[0]["title"] == f"'{title}"
