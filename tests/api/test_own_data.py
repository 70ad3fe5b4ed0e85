"""What a member sees and does: their own, by whatever way, and nothing of anybody else."""

import pytest

from circulation.models import Loan
from reservations.models import Reservation
from tests.api.asking import LOAN, data_of, error_of, everything, invalid_fields, message_of, open_loan, refusals_of
from tests.api.signing import signed_in
from tests.factories import (
    BookFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
    general_policy,
)

pytestmark = pytest.mark.django_db

CHECKOUT = "/api/circulation/checkout/"
RETURN = "/api/circulation/return/"
RENEW = "/api/circulation/renew/"


@pytest.fixture
def ada():
    return MemberFactory(user=UserFactory())


@pytest.fixture
def grace():
    return MemberFactory(first_name="Grace", last_name="Hopper", user=UserFactory())


@pytest.fixture
def client(ada):
    return signed_in(ada.user)


# --- Lists -----------------------------------------------------------------------------------------------------------

LISTS = ["/api/loans/", "/api/reservations/"]


@pytest.fixture
def crowd(ada, grace):
    """Loans and reservations of both, more of the other's."""
    own = {LoanFactory(member=ada).pk, LoanFactory(member=ada, returned=True).pk}
    LoanFactory.create_batch(3, member=grace, overdue=True)
    places = {ReservationFactory(member=ada).pk, ReservationFactory(member=ada, cancelled=True).pk}
    ReservationFactory.create_batch(3, member=grace)
    return {"/api/loans/": own, "/api/reservations/": places}


@pytest.mark.parametrize("query", ["", "?ordering=-id", "?limit=1", "?status={status}", "?book={book}"])
@pytest.mark.parametrize("path", LISTS)
def test_a_list_holds_what_is_ones_own(client, crowd, path, query):
    model = Loan if path == "/api/loans/" else Reservation
    foreign = model.objects.exclude(pk__in=crowd[path]).first()
    status = "open" if model is Loan else "waiting"
    found, url = set(), path + query.format(status=status, book=foreign.book_id)
    while url:
        page = data_of(client.get(url))
        found |= {row["id"] for row in page["results"]}
        url = page["next"]

    assert found <= crowd[path]
    assert found == (set() if "book" in query else crowd[path]) or "status" in query


@pytest.mark.parametrize("path", LISTS)
def test_counts_and_filters_know_nothing_of_others(client, crowd, grace, path):
    assert data_of(client.get(f"{path}?count=true"))["count"] == 2

    foreign = client.get(f"{path}?member={grace.pk}&count=true").content
    nobody = client.get(f"{path}?member=47110815&count=true").content
    assert foreign == nobody


@pytest.mark.parametrize("path", LISTS)
def test_the_cursor_of_somebody_elses_page_leads_to_ones_own_rows(client, crowd, grace, path):
    theirs = data_of(signed_in(grace.user).get(f"{path}?limit=1"))["next"]

    assert {row["id"] for row in data_of(client.get(theirs))["results"]} <= crowd[path]


def test_ones_own_pages_are_open_and_others_are_not_there(client, ada, grace, crowd):
    for name in ("", "loans/", "history/", "reservations/"):
        data_of(client.get(f"/api/members/{ada.pk}/{name}"))
        foreign, nobody = (client.get(f"/api/members/{pk}/{name}") for pk in (grace.pk, 47110815))
        error_of(foreign, 404, "MEMBER_NOT_FOUND")
        assert foreign.content.replace(str(grace.pk).encode(), b"47110815") == nobody.content


def test_looking_for_somebody_takes_as_many_questions_as_looking_for_nobody(
    client, grace, crowd, django_assert_num_queries
):
    client.get("/api/loans/")
    loan, place = Loan.objects.filter(member=grace).first(), Reservation.objects.filter(member=grace).first()
    for path, pk, queries in (("members", grace.pk, 2), ("loans", loan.pk, 3), ("reservations", place.pk, 3)):
        for number in (pk, 47110815):
            with django_assert_num_queries(queries):
                client.get(f"/api/{path}/{number}/")


# --- The desk --------------------------------------------------------------------------------------------------------


def test_a_member_borrows_for_themselves(client, ada):
    book = BookFactory(copies=2)

    data = data_of(client.post(CHECKOUT, {"book_id": book.pk}), 201)

    assert data["loan"]["member_id"] == ada.pk
    named = data_of(client.post(CHECKOUT, {"member_id": ada.pk, "book_id": BookFactory(copies=1).pk}), 201)
    assert named["loan"]["member_id"] == ada.pk


def test_nobody_borrows_or_reserves_for_another(client, grace):
    book, out = BookFactory(copies=1), open_loan().book
    before = everything()

    for path, title in ((CHECKOUT, book), ("/api/reservations/", out)):
        foreign, nobody = (client.post(path, {"member_id": pk, "book_id": title.pk}) for pk in (grace.pk, 47110815))
        error_of(foreign, 404, "MEMBER_NOT_FOUND")
        assert foreign.content.replace(str(grace.pk).encode(), b"47110815") == nobody.content
    assert everything() == before


def test_a_member_queues_and_leaves_the_line(client, ada):
    book = open_loan().book

    place = data_of(client.post("/api/reservations/", {"book_id": book.pk}), 201)

    assert (place["member_id"], place["position"]) == (ada.pk, 1)
    for action, status in (("suspend", "suspended"), ("resume", "waiting"), ("cancel", "cancelled")):
        assert data_of(client.post(f"/api/reservations/{place['id']}/{action}/"))["status"] == status


def test_a_member_collects_what_is_set_aside_for_them(client, ada):
    ready = ReservationFactory(ready=True, member=ada)

    assert data_of(client.post(f"/api/reservations/{ready.pk}/fulfill/"))["member_id"] == ada.pk


@pytest.mark.parametrize("name", ["barcode", "loan_id", "book_id"])
def test_a_member_gives_back_what_they_have(client, ada, name):
    loan = open_loan(member=ada)
    named = {"barcode": loan.copy.barcode, "loan_id": loan.pk, "book_id": loan.book_id}[name]

    response = client.post(RETURN, {name: named})

    data = data_of(response)
    assert set(data["loan"]) == LOAN
    assert (data["loan"]["id"], data["next"]) == (loan.pk, {"action": "shelve"})
    assert message_of(response) == f"Copy {loan.copy.barcode} returned. Thank you."


@pytest.mark.parametrize("policy", ["hold", "loan"])
def test_who_comes_next_is_not_told_to_who_gives_back(client, ada, grace, policy, settings):
    settings.FULFIL_ON_RETURN = policy
    loan = open_loan(member=ada)
    place = ReservationFactory(book=loan.book, member=grace)

    response = client.post(RETURN, {"barcode": loan.copy.barcode})

    data = data_of(response)
    assert data["next"] == {"action": {"hold": "hold", "loan": "lend"}[policy]}
    assert message_of(response) == (
        f"Copy {loan.copy.barcode} returned. Thank you. Somebody is waiting for it: please leave it at the desk."
    )
    assert "Grace" not in response.content.decode()
    place.refresh_from_db()
    assert place.status == {"hold": "ready", "loan": "fulfilled"}[policy]


@pytest.mark.parametrize("path", [RETURN, RENEW])
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_what_others_have_on_loan_is_not_there(client, grace, path, query):
    loan, free = open_loan(member=grace), CopyFactory()
    before = everything()

    def told(**sent):
        response = client.post(path + query, sent)
        assert response.status_code == 404
        return response.json()["error"]["message"], error_of(response, 404, "LOAN_NOT_FOUND")

    assert told(loan_id=loan.pk) == (f"There is no loan {loan.pk}.", None)
    assert told(loan_id=47110815) == ("There is no loan 47110815.", None)
    for barcode in (loan.copy.barcode, free.barcode, "47110815"):
        assert told(barcode=barcode) == (f"You have not borrowed copy {barcode}.", None)
    assert everything() == before


def test_a_loan_that_has_ended_is_said_to_have(client, ada):
    loan = LoanFactory(member=ada, returned=True)

    refusals_of(client.post(RETURN, {"barcode": loan.copy.barcode}), 409, "COPY_NOT_ON_LOAN")


def test_giving_back_twice_with_one_key_is_answered_twice(client, ada):
    sent = {"barcode": open_loan(member=ada).copy.barcode}

    first, again = (client.post(RETURN, sent, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"


def test_what_staff_were_told_is_not_repeated_to_somebody_who_is_none_any_more(ada, grace):
    type(ada.user).objects.filter(pk=ada.user.pk).update(is_staff=True)
    loan = open_loan(member=ada)
    ReservationFactory(book=loan.book, member=grace)
    sent, client = {"barcode": loan.copy.barcode}, signed_in(ada.user)
    assert b"Grace" in client.post(RETURN, sent, HTTP_IDEMPOTENCY_KEY="k").content

    type(ada.user).objects.filter(pk=ada.user.pk).update(is_staff=False)

    error_of(client.post(RETURN, sent, HTTP_IDEMPOTENCY_KEY="k"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_a_member_renews(client, ada):
    loan = open_loan(member=ada)

    assert data_of(client.post(RENEW, {"barcode": loan.copy.barcode}))["renewals"] == 1
    assert data_of(client.post(RENEW, {"loan_id": loan.pk}))["renewals"] == 2


def test_only_staff_override(client, api, ada):
    general_policy(max_loans=1)
    open_loan(member=ada)
    sent = {"member_id": ada.pk, "book_id": BookFactory(copies=2).pk}
    sent |= {"override": ["LOAN_LIMIT_REACHED"], "override_reason": "I am special"}
    before = everything()

    for path in (CHECKOUT, f"{CHECKOUT}?dry_run=true"):
        response = client.post(path, sent)
        error_of(response, 403, "PERMISSION_DENIED")
        assert response.json()["error"]["message"] == "Only staff may override a rule."
    assert everything() == before
    data_of(api.post(CHECKOUT, sent), 201)


def test_staff_must_say_for_whom(api, librarian):
    MemberFactory(user=librarian)
    book = BookFactory(copies=1)

    for path in (CHECKOUT, "/api/reservations/", RETURN):
        assert invalid_fields(api.post(path, {"book_id": book.pk})) == {"member_id": "required"}
    operations = [{"op": op, "book_id": book.pk} for op in ("checkout", "reserve", "return")]
    for result in data_of(api.post("/api/circulation/batch/", {"operations": operations}), 207)["results"]:
        assert list(result["body"]["error"]["details"]) == ["member_id"]


# --- Copies ----------------------------------------------------------------------------------------------------------


def test_who_has_a_copy_is_for_staff(anyone, api, client, grace):
    copy = open_loan(member=grace).copy

    for path in (f"/api/copies/{copy.barcode}/", f"/api/books/{copy.book_id}/copies/"):
        for reader in (anyone, client):
            response = reader.get(path)
            data_of(response)
            assert b"holder" not in response.content
        assert f'"holder_id":{grace.pk}' in api.get(path).content.decode()
