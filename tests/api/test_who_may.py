"""Cookies, other sites' pages, and what the public may see. The table itself is walked in test_access.py."""

import pytest

from accounts.models import User
from tests.api.asking import data_of, error_of, everything, raw
from tests.api.conftest import Client
from tests.factories import BookFactory, LoanFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader():
    """Signed in, but not staff."""
    client = Client()
    client.force_authenticate(UserFactory())
    return client


@pytest.mark.parametrize("site", ["same-origin", "none", "same-site"])
def test_our_own_pages_and_address_bars_may_use_the_open_desk(anyone, site, settings):
    settings.OPEN_DESK = True

    data_of(anyone.get("/api/loans/", HTTP_SEC_FETCH_SITE=site))
    data_of(anyone.get("/api/loans/", HTTP_SEC_FETCH_SITE="same-origin", HTTP_ORIGIN="http://testserver"))


@pytest.mark.parametrize("origin", ["http://testserver:3000", "https://evil.example", "null", "https://testserver"])
def test_pages_from_elsewhere_on_this_machine_may_not(anyone, origin, settings):
    settings.OPEN_DESK = True
    before = everything()

    for method in ("GET", "POST"):
        response = raw(
            anyone,
            method,
            "/api/members/",
            "",
            "text/plain",
            HTTP_ORIGIN=origin,
            HTTP_SEC_FETCH_SITE="same-site",
        )
        error_of(response, 401, "NOT_AUTHENTICATED")
    assert everything() == before

    settings.CORS_ALLOWED_ORIGINS = [origin]
    data_of(anyone.get("/api/members/", HTTP_ORIGIN=origin, HTTP_SEC_FETCH_SITE="cross-site"))


# --- Signed in by cookie ----------------------------------------------------------------------------------------------


@pytest.fixture
def browser():
    """A browser in which a librarian signed in."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("librarian", is_staff=True))
    return client


def test_a_librarian_who_signed_in_reads(browser):
    data_of(browser.get("/api/loans/"))


@pytest.mark.parametrize("is_open", [False, True])
def test_a_cookie_changes_nothing_without_its_token(browser, is_open, settings):
    settings.OPEN_DESK = is_open
    before = everything()

    response = browser.post("/api/books/", {"title": "Emma"})

    assert error_of(response, 403, "PERMISSION_DENIED") is None
    assert response.json()["error"]["message"] == "CSRF Failed: CSRF cookie not set."
    assert everything() == before


def test_a_cookie_changes_things_with_its_token(browser):
    browser.cookies["csrftoken"] = "a" * 32

    data_of(browser.post("/api/books/", {"title": "Emma"}, HTTP_X_CSRFTOKEN="a" * 32), 201)


def test_an_account_that_was_disabled_is_out_at_once(browser):
    User.objects.update(is_active=False)

    error_of(browser.get("/api/loans/"), 401, "NOT_AUTHENTICATED")


def test_staff_rights_that_were_taken_are_gone_at_once(browser):
    User.objects.update(is_staff=False)

    error_of(browser.get("/api/members/"), 403, "PERMISSION_DENIED")


@pytest.mark.parametrize("cookie", ["sessionid=x", 'sessionid="a\\000b"', "sessionid=" + "x" * 4000, "sessionid=\0"])
def test_a_cookie_of_nobody_is_no_credential(anyone, cookie, settings):
    response = anyone.get("/api/loans/", HTTP_COOKIE=cookie)
    error_of(response, 401, "NOT_AUTHENTICATED")

    settings.OPEN_DESK = True
    data_of(anyone.get("/api/loans/", HTTP_COOKIE=cookie))


def test_without_the_cookie_of_a_session_none_is_looked_at(anyone, browser):
    path = f"/api/books/{BookFactory().pk}/availability/"

    without, signed_in = anyone.get(path, HTTP_COOKIE="csrftoken=x"), browser.get(path)

    assert data_of(without) == data_of(signed_in)
    assert (without.wsgi_request.session.accessed, signed_in.wsgi_request.session.accessed) == (False, True)


@pytest.mark.parametrize("path", ["books/", "books/47110815/availability/", "loans/", "loans/?limit=x"])
def test_no_cache_between_gives_one_persons_answer_to_another(anyone, browser, path):
    for client in (anyone, browser):
        assert client.get(f"/api/{path}")["Vary"] == "Accept, Authorization, X-API-Key, Cookie"


# --- What each may see -------------------------------------------------------------------------------------


def test_the_public_sees_titles_but_not_who_has_them(anyone):
    loan = LoanFactory()

    book = anyone.get(f"/api/books/{loan.book_id}/").content.decode()
    availability = anyone.get(f"/api/books/{loan.book_id}/availability/").content.decode()

    for answer in (book, availability):
        assert "member" not in answer
        assert "holder" not in answer
        assert loan.copy.barcode not in answer


def test_who_may_not_call_learns_nothing_of_what_exists(anyone, reader):
    known, unknown = BookFactory().pk, 47110815

    for client in (anyone, reader):
        there = client.delete(f"/api/books/{known}/")
        nowhere = client.delete(f"/api/books/{unknown}/")
        assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)
        invalid = raw(client, "POST", "/api/books/", "{")
        assert invalid.content == there.content


def test_a_body_that_is_too_large_is_not_read_for_those_who_may_not_send_it(anyone):
    error_of(raw(anyone, "POST", "/api/books/", b"x" * 1_000_001), 401, "NOT_AUTHENTICATED")
