"""Two other libraries, each a service of its own, and what is told of them here."""

import pytest
from django.core.cache import cache

from integrations.partners.breaker import states_of
from tests.api.asking import data_of, error_of, invalid_fields
from tests.api.conftest import Client
from tests.factories import BookFactory, UserFactory
from tests.partners.conftest import saved
from tests.webhooks import receiving

pytestmark = pytest.mark.django_db(transaction=True)

MIDDLEMARCH, EMMA, ULYSSES = "9780141439549", "9780141439587", "9780141182803"


@pytest.fixture(scope="module")
def stocked(libraries):
    """The first has Middlemarch free and Emma lent; the other one Emma free."""
    first, second = libraries
    first.has(isbn=MIDDLEMARCH, copies=2)
    emma = first.has(isbn=EMMA, title="Emma")
    member = first.ask("POST", "/api/members/", {"first_name": "Ada"}).json()["data"]["id"]
    assert first.ask("POST", "/api/borrow/", {"userId": member, "bookId": emma}).status_code == 201
    second.has(isbn=EMMA, title="Emma")


@pytest.fixture
def anyone():
    return Client()


@pytest.fixture
def title(transactional_db):
    return lambda isbn: BookFactory(isbn=isbn, copies=1).pk


@pytest.mark.parametrize("slash", ["", "/"])
def test_which_library_has_a_title_free(stocked, partners, title, anyone, slash):
    said = {isbn: anyone.get(f"/status/{title(isbn)}{slash}").json()["availability"] for isbn in (MIDDLEMARCH, EMMA)}

    assert said == {
        MIDDLEMARCH: {"library 2": True, "library 3": False},
        EMMA: {"library 2": False, "library 3": True},
    }


def test_the_answer_is_bare(stocked, partners, title, anyone):
    book_id = title(MIDDLEMARCH)

    response = anyone.get(f"/status/{book_id}")

    assert response.status_code == 200
    assert response.json() == {"book_id": book_id, "availability": {"library 2": True, "library 3": False}}


def test_over_daia_it_is_the_same(stocked, partners, title, anyone):
    for partner in partners:
        partner.protocol, partner.daia_id = "daia", "urn:isbn:{isbn}"
        partner.save()

    answers = data_of(anyone.get(f"/api/books/{title(EMMA)}/availability/?partners=true"))["partners"]

    assert [(each["copies_available"], each["copies_total"]) for each in answers] == [(0, 1), (1, 1)]
    assert anyone.get(f"/status/{title(ULYSSES)}").json()["availability"] == {"library 2": False, "library 3": False}


def test_one_that_stalls_is_null_and_the_other_still_answers(stocked, partners, title, anyone, server):
    server.behaviour = receiving.stalling
    saved(server, name="library 4", position=9, timeout=0.2)

    assert anyone.get(f"/status/{title(EMMA)}").json()["availability"] == {
        "library 2": False,
        "library 3": True,
        "library 4": None,
    }


def test_availability_with_partners(stocked, partners, title, anyone):
    book_id = title(EMMA)

    plain = data_of(anyone.get(f"/api/books/{book_id}/availability/"))
    with_partners = data_of(anyone.get(f"/api/books/{book_id}/availability/?partners=true"))

    assert "partners" not in plain
    assert with_partners == plain | {
        "partners": [
            {"name": "library 2", "available": False, "copies_available": 0, "copies_total": 1, "age": 0},
            {"name": "library 3", "available": True, "copies_available": 1, "copies_total": 1, "age": 0},
        ]
    }
    assert data_of(anyone.get(f"/api/books/{book_id}/availability/?partners=false")) == plain


def test_a_title_that_nobody_else_has(stocked, partners, title, anyone):
    partners_of = data_of(anyone.get(f"/api/books/{title(ULYSSES)}/availability/?partners=true"))["partners"]

    assert [(each["available"], each["copies_total"]) for each in partners_of] == [(False, 0), (False, 0)]


def test_what_partners_say_is_never_taken_for_fresh(stocked, partners, title, anyone, libraries):
    book_id = title(MIDDLEMARCH)
    url = f"/api/books/{book_id}/availability/?partners=true"
    before = anyone.get(url)
    assert anyone.get(f"/status/{book_id}").has_header("ETag")

    member = libraries[0].ask("POST", "/api/members/", {"first_name": "Ada"}).json()["data"]["id"]
    found = libraries[0].ask("GET", f"/api/books/?isbn={MIDDLEMARCH}").json()["data"]["results"][0]["id"]
    lent = libraries[0].ask("POST", "/api/circulation/checkout/", {"member_id": member, "book_id": found})
    for partner in partners:
        cache.delete_pattern(f"partner:{partner.pk}:*")
    after = anyone.get(url, HTTP_IF_NONE_MATCH=before["ETag"])
    barcode = lent.json()["data"]["loan"]["copy_barcode"]
    libraries[0].ask("POST", "/api/circulation/return/", {"barcode": barcode})

    assert data_of(after)["partners"][0]["copies_available"] == 1
    assert data_of(before)["partners"][0]["copies_available"] == 2


def test_a_key_that_is_wrong_is_a_failure_and_one_that_is_right_is_not(stocked, partners, title, anyone, libraries):
    partner = partners[0]
    partner.api_key = "cdk_" + "0" * 43
    partner.save()
    assert anyone.get(f"/status/{title(MIDDLEMARCH)}").json()["availability"]["library 2"] is None
    assert states_of([partner])[0].last_failure == "It answered 401."

    partner.api_key = libraries[0].key("catalogue:read")
    partner.save()
    assert anyone.get(f"/status/{title(EMMA)}").json()["availability"]["library 2"] is False


def test_what_is_not_there_and_what_makes_no_sense(partners, title, anyone):
    for path in ("/status/47110815", "/api/books/47110815/availability/?partners=true"):
        error_of(anyone.get(path), 404, "BOOK_NOT_FOUND")
    response = anyone.get(f"/api/books/{title(EMMA)}/availability/?partners=perhaps")
    assert invalid_fields(response) == {"partners": "invalid"}


def test_no_answer_of_the_api_holds_a_key(stocked, partners, title):
    key = "cdk_" + "k" * 43
    partner = partners[0]
    partner.api_key = key
    partner.save()
    client = Client()
    client.force_authenticate(UserFactory(admin=True))

    answers = [
        client.get(path).content.decode()
        for path in (
            f"/status/{title(EMMA)}",
            f"/api/books/{title(MIDDLEMARCH)}/availability/?partners=true",
            "/api/circulation/events/?kind=partner.saved",
            "/health",
        )
    ]

    assert all(key not in answer for answer in answers)
    assert "partner.saved" in answers[2]
