"""What is reserved at another library, and what is refused."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from events.models import Event
from integrations.partners import reserving
from integrations.partners.exceptions import PartnerCannotReserve
from integrations.partners.models import PartnerReservation, Reader
from library.models import Member
from reservations.models import Reservation
from tests.api.asking import data_of, error_of, invalid_fields, message_of, refusals_of
from tests.api.signing import signed_in
from tests.factories import (
    BookFactory,
    LoanFactory,
    MemberFactory,
    PartnerReservationFactory,
    ReservationFactory,
    UserFactory,
    general_policy,
)
from tests.partners.conftest import saved
from tests.partners.reserving.asking import ANYWHERE, ISBN, ISBNS, PATH, in_days, live_at, reserve, there

pytestmark = pytest.mark.django_db(transaction=True)


# --- At a library that is well -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, ANYWHERE])
def test_a_copy_is_kept_there(partners, libraries, theirs, staff, path):
    isbn, book_id = theirs()
    ada, book = MemberFactory(first_name="Ada", last_name="Lovelace"), BookFactory(isbn=isbn, title="Middlemarch")

    response = reserve(staff, isbn, book=book, member=ada, path=path)

    data = data_of(response, 201)
    [kept] = live_at(libraries[0], book_id)
    assert data == {
        "id": data["id"],
        "partner": "library 2",
        "book_id": book.pk,
        "title": "Middlemarch",
        "member_id": ada.pk,
        "state": "confirmed",
        "reserved_until": in_days(20),
        "remote_id": kept["id"],
        "remote_status": "ready",
        "shelf_until": in_days(20),
        "message": "",
        "asked_at": data["asked_at"],
    }
    assert message_of(response) == "“Middlemarch” is reserved at library 2."
    assert response["Location"] == f"/api/partner-reservations/{data['id']}/"
    assert (kept["status"], kept["shelf_until"]) == ("ready", in_days(20))
    assert not Reservation.objects.exists()
    kinds = Event.objects.filter(kind__in=["partner.asked", "partner.answered"]).order_by("pk")
    assert [(event.kind, event.member_id, event.payload["state"]) for event in kinds] == [
        ("partner.asked", ada.pk, "asking"),
        ("partner.answered", ada.pk, "confirmed"),
    ]


def test_what_was_said_before_of_a_title_that_is_now_kept_is_not_repeated(partners, theirs, staff):
    isbn, _ = theirs(copies=1)
    book, member = BookFactory(isbn=isbn), MemberFactory()

    def is_free():
        return staff.get(f"/status/{book.pk}").json()["availability"]["library 2"]

    assert is_free() is True
    reservation = data_of(reserve(staff, isbn, member=member), 201)
    assert is_free() is False
    data_of(staff.post(f"/api/partner-reservations/{reservation['id']}/cancel/"))
    assert is_free() is True


def test_the_other_library_does_not_learn_who_it_is(partners, libraries, theirs, staff):
    (one, _), (another, _) = theirs(), theirs()
    ada = MemberFactory(first_name="Zuleika", last_name="Dobson", email="zuleika@example.org", card_number="Z-77")

    first = data_of(reserve(staff, one, member=ada), 201)
    second = data_of(reserve(staff, another, member=ada), 201)

    kept = [there(libraries[0], f"/api/reservations/{each['remote_id']}/") for each in (first, second)]
    assert kept[0]["member_id"] == kept[1]["member_id"]
    reader = there(libraries[0], f"/api/members/{kept[0]['member_id']}/")
    assert (reader["card_number"], reader["name"], reader["email"]) == (
        f"main-{ada.pk}",
        f"Reader {ada.pk} of Circdesk Library",
        "",
    )
    assert Reader.objects.get().remote_id == reader["id"]


def test_a_reader_who_is_known_there_is_found_again_by_their_card(partners, libraries, theirs, staff):
    isbn, _ = theirs()
    ada = MemberFactory()
    made = libraries[0].ask("POST", "/api/members/", {"first_name": "Reader", "card_number": f"main-{ada.pk}"})

    data = data_of(reserve(staff, isbn, member=ada), 201)

    kept = there(libraries[0], f"/api/reservations/{data['remote_id']}/")
    assert kept["member_id"] == made.json()["data"]["id"]


def test_a_title_that_is_lent_there_is_waited_for_there(partners, libraries, theirs, staff):
    isbn, book_id = theirs()
    other = libraries[0].ask("POST", "/api/members/", {"first_name": "Grace"}).json()["data"]["id"]
    libraries[0].ask("POST", "/api/borrow/", {"userId": other, "bookId": book_id})

    data = data_of(reserve(staff, isbn, member=MemberFactory()), 201)

    assert (data["state"], data["remote_status"], data["shelf_until"]) == ("confirmed", "waiting", None)


def test_a_member_reserves_for_themselves(partners, theirs, transactional_db):
    isbn, _ = theirs()
    ada, grace = MemberFactory(user=UserFactory()), MemberFactory(user=UserFactory())

    data = data_of(reserve(signed_in(ada.user), isbn), 201)

    assert data["member_id"] == ada.pk
    path = f"/api/partner-reservations/{data['id']}/"
    assert data_of(signed_in(ada.user).get(path)) == data
    error_of(signed_in(grace.user).get(path), 404, "RESERVATION_NOT_FOUND")
    error_of(signed_in(grace.user).post(f"{path}cancel/"), 404, "RESERVATION_NOT_FOUND")
    assert data_of(signed_in(grace.user).get("/api/partner-reservations/"))["results"] == []
    assert data_of(signed_in(ada.user).get("/api/partner-reservations/?state=live"))["results"] == [data]


def test_a_list_takes_as_many_statements_for_many_as_for_one(staff):
    def statements():
        with CaptureQueriesContext(connection) as queries:
            results = data_of(staff.get("/api/partner-reservations/"))["results"]
        return len(results), len(queries)

    PartnerReservationFactory()
    one = statements()
    PartnerReservationFactory.create_batch(9)

    assert (one[0], statements()) == (1, (10, one[1]))


# --- Wherever it is ------------------------------------------------------------------------------------------


def test_anywhere_it_is_here_first(partners, theirs, staff):
    isbn, _ = theirs()

    data = data_of(
        reserve(
            staff, isbn, path=ANYWHERE, library=None, book=BookFactory(isbn=isbn, copies=1), member=MemberFactory()
        ),
        201,
    )

    assert (data["status"], data["branch"]) == ("ready", "Main Library")
    assert not PartnerReservation.objects.exists()


def test_then_at_the_first_partner_that_has_it_free(partners, libraries, theirs, staff):
    isbn, book_id = theirs(copies=0)
    there_too = libraries[1].has(isbn=isbn)

    data = data_of(reserve(staff, isbn, path=ANYWHERE, library=None, member=MemberFactory()), 201)

    assert (data["partner"], data["remote_status"]) == ("library 3", "ready")
    assert len(live_at(libraries[1], there_too)) == 1
    assert live_at(libraries[0], book_id) == []


def test_and_otherwise_in_the_line_here(partners, theirs, staff):
    isbn, _ = theirs(copies=0)
    book = BookFactory(isbn=isbn)
    LoanFactory(book=book, lent_at=timezone.now())

    data = data_of(reserve(staff, isbn, book=book, path=ANYWHERE, library=None, member=MemberFactory()), 201)

    assert (data["status"], data["position"]) == ("waiting", 1)


def test_the_branch_that_is_named_is_the_one(partners, theirs, staff):
    isbn, _ = theirs()
    book = BookFactory(isbn=isbn)
    LoanFactory(book=book, lent_at=timezone.now())

    data = data_of(reserve(staff, isbn, book=book, path=ANYWHERE, library="Main Library", member=MemberFactory()), 201)

    assert data["status"] == "waiting"


def test_an_answer_from_here_under_a_key_is_repeated_from_here(partners, theirs, staff):
    """Though nothing is free here any more by then."""
    isbn, _ = theirs()
    book, ada = BookFactory(isbn=isbn, copies=1), MemberFactory()
    asked = {"book": book, "member": ada, "path": ANYWHERE, "library": None, "key": "k"}

    first, again = (reserve(staff, isbn, **asked) for _ in range(2))

    assert (first.status_code, again.content) == (201, first.content)
    assert not PartnerReservation.objects.exists()


# --- Refusals ------------------------------------------------------------------------------------------------


def test_our_own_rules_are_asked_first(partners, theirs, staff, libraries):
    isbn, book_id = theirs()
    general_policy(max_reservations=1)
    ada = MemberFactory()
    ReservationFactory(member=ada)

    refusals_of(reserve(staff, isbn, member=MemberFactory(blocked=True)), 422, "MEMBER_BLOCKED")
    refusals_of(reserve(staff, isbn, member=ada), 422, "RESERVATION_LIMIT_REACHED")
    error_of(reserve(staff, isbn, member=Member(pk=47110815)), 404, "MEMBER_NOT_FOUND")
    error_of(reserve(staff, isbn, book=BookFactory.build(pk=47110815), member=MemberFactory()), 404, "BOOK_NOT_FOUND")
    assert live_at(libraries[0], book_id) == []
    assert not PartnerReservation.objects.exists()


def test_what_is_reserved_elsewhere_counts_against_the_limit(partners, theirs, staff):
    (one, _), (another, _) = theirs(), theirs()
    general_policy(max_reservations=1)
    ada = MemberFactory()
    data_of(reserve(staff, one, member=ada), 201)

    [refusal] = refusals_of(reserve(staff, another, member=ada), 422, "RESERVATION_LIMIT_REACHED")

    assert (refusal["open"], refusal["limit"]) == (1, 1)
    override = {"override": ["RESERVATION_LIMIT_REACHED"], "override_reason": "A teacher"}
    data_of(reserve(staff, another, member=ada, **override), 201)


def test_a_title_is_reserved_at_one_partner_at_a_time(partners, theirs, staff):
    isbn, _ = theirs()
    ada, book = MemberFactory(), BookFactory(isbn=isbn)
    data_of(reserve(staff, isbn, book=book, member=ada), 201)

    refusals_of(reserve(staff, isbn, book=book, member=ada, library="library 3"), 409, "RESERVATION_EXISTS")


def test_a_partner_that_is_removed_meanwhile_is_no_partner_any_more(partners):
    gone = partners[0].pk
    partners[0].delete()

    with pytest.raises(PartnerCannotReserve, match="no partner any more"):
        reserving.place(
            partner_id=gone,
            member_id=MemberFactory().pk,
            book_id=BookFactory(isbn=ISBN).pk,
            until=timezone.now() + timedelta(days=9),
            at=timezone.now(),
        )


def test_whoever_has_it_here_or_finds_it_on_the_hold_shelf_need_not_have_it_from_elsewhere(partners, theirs, staff):
    isbn, _ = theirs()
    book = BookFactory(isbn=isbn)
    loan, held = LoanFactory(book=book), ReservationFactory(book=book, ready=True)
    waiting = ReservationFactory(book=book)

    refusals_of(reserve(staff, isbn, book=book, member=loan.member), 409, "ALREADY_BORROWED")
    refusals_of(reserve(staff, isbn, book=book, member=held.member), 409, "RESERVATION_EXISTS")
    data_of(reserve(staff, isbn, book=book, member=waiting.member), 201)


def test_a_title_that_is_not_known_there(partners, staff):
    book = BookFactory(isbn=next(ISBNS), title="Emma")

    [refusal] = refusals_of(reserve(staff, book.isbn, book=book, member=MemberFactory()), 422, "PARTNER_UNKNOWN_TITLE")

    assert refusal["message"] == "library 2 does not have “Emma”."
    assert PartnerReservation.objects.get().state == "refused"
    refusals_of(reserve(staff, "", book=BookFactory(isbn=""), member=MemberFactory()), 422, "PARTNER_UNKNOWN_TITLE")


def test_what_the_partner_refuses_is_told_with_its_reasons(partners, libraries, theirs, staff):
    isbn, book_id = theirs()
    libraries[0].ask("PATCH", f"/api/books/{book_id}/", {"in_circulation": False})
    title = libraries[0].ask("GET", f"/api/books/{book_id}/").json()["data"]["title"]

    [refusal] = refusals_of(reserve(staff, isbn, member=MemberFactory()), 409, "PARTNER_REFUSED")

    said = f"“{title}” is out of circulation."
    assert refusal["message"] == f"library 2 said no: {said}"
    assert refusal["partner"] == "library 2"
    assert refusal["reasons"] == [{"code": "COPY_NOT_CIRCULATING", "message": said}]


def test_where_nothing_can_be_reserved(server, staff):
    saved(server, name="library 2", protocol="daia")
    saved(server, name="library 3")

    for library in ("library 2", "library 3"):
        response = reserve(staff, ISBN, book=BookFactory(isbn=next(ISBNS)), member=MemberFactory(), library=library)
        refusals_of(response, 422, "PARTNER_CANNOT_RESERVE")
    assert server.connections == 0


def test_a_library_that_there_is_not(partners, staff):
    assert invalid_fields(reserve(staff, ISBN, member=MemberFactory(), library="library 9")) == {
        "library": "does_not_exist"
    }
    response = reserve(staff, ISBN, member=MemberFactory(), library="O'Brien")
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details["library"][0]["message"] == "There is no library “O'Brien”, neither here nor among the partners."
    partners[0].is_on = False
    partners[0].save()
    assert invalid_fields(reserve(staff, next(ISBNS), member=MemberFactory())) == {"library": "does_not_exist"}


def test_a_rehearsal_asks_nobody_to_keep_anything(partners, libraries, theirs, staff):
    isbn, book_id = theirs()
    body = {"book_id": BookFactory(isbn=isbn).pk, "reserved_until": in_days(3), "member_id": MemberFactory().pk}

    for path, more in ((PATH, {"library": "library 2"}), (ANYWHERE, {})):
        data = data_of(staff.post(f"{path.rstrip('/')}/?dry_run=true", body | more))
        assert data == {"would": "reserve", "refusals": []}
    blocked = body | {"member_id": MemberFactory(blocked=True).pk, "library": "library 2"}
    refused = data_of(staff.post(f"{PATH}?dry_run=true", blocked))
    assert [refusal["code"] for refusal in refused["refusals"]] == ["MEMBER_BLOCKED"]
    assert live_at(libraries[0], book_id) == []
    assert not PartnerReservation.objects.exists()
