"""Headers, errors, and what else comes with the answers; where they are described and who gets them."""

from datetime import datetime, timedelta

import pytest
from django.test import override_settings
from django.urls import Resolver404, URLResolver
from django.urls.resolvers import RegexPattern
from django.utils import timezone

from config.api.examples import EXAMPLES
from config.services import of_this_service
from config.urls import urlpatterns
from events.exceptions import Busy
from integrations.daia import views
from tests.api.asking import data_of, everything, raw
from tests.api.conftest import Client
from tests.api.signing import signed_in, with_key
from tests.api.test_described_headers import are_as_described
from tests.api.test_openapi import complaints, described_answer, document
from tests.daia.asking import HEADERS, JSON, answer_of, ask, error_of
from tests.factories import BookFactory, LoanFactory, ReservationFactory, UserFactory

__all__ = ["document"]

FORMAT = "Write format=json: there is no other form."
NO_ID = "Write id=, with an ISBN, a barcode or the address of a book; several with | between."


@pytest.fixture
def isbn(db):
    return BookFactory(isbn="9780141439549", copies=1).isbn


# --- Answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/daia", "/daia/"])
def test_an_answer_is_bare(catalogue, isbn, settings, path):
    settings.LIBRARY_NAME = "Library of Alexandria"
    before = timezone.now().replace(microsecond=0)

    answer = answer_of(catalogue.get(path, {"id": isbn, "format": "json"}))

    assert [each["requested"] for each in answer["document"]] == [isbn]
    here = "http://testserver/"
    assert answer["institution"] == {"id": here, "href": here, "content": "Library of Alexandria"}
    told = datetime.fromisoformat(answer["timestamp"])
    assert before <= told <= timezone.now()
    assert (told.microsecond, answer["timestamp"][-1]) == (0, "Z")


def test_an_answer_without_documents_is_one(catalogue):
    assert answer_of(ask(catalogue, "nothing"))["document"] == []


def test_behind_https_addresses_are_such(catalogue, isbn):
    response = catalogue.get("/daia", {"id": isbn, "format": "json"}, secure=True)

    assert response.json()["document"][0]["item"][0]["id"].startswith("https://testserver/api/copies/")


def test_head_is_get_without_the_body(catalogue, isbn):
    head, get = (method("/daia", {"id": isbn, "format": "json"}) for method in (catalogue.head, catalogue.get))

    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", *HEADERS):
        assert head[name] == get[name]
    assert catalogue.head("/daia").status_code == 422


def test_a_browser_may_ask_before_it_sends(catalogue):
    """For a page of any site, with a credential that it has: no cookie goes along."""
    response = catalogue.options(
        "/daia",
        HTTP_ORIGIN="https://catalogue.example.org",
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization",
    )

    assert response.status_code == 200
    assert {name: response[name] for name in HEADERS} == HEADERS
    assert response["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert "Authorization" in response["Access-Control-Allow-Headers"]
    assert response["Access-Control-Max-Age"] == "3600"
    assert "Access-Control-Allow-Credentials" not in response


def test_sites_that_may_call_the_rest_are_no_exception(catalogue, settings):
    site = "https://catalogue.example.org"
    settings.CORS_ALLOWED_ORIGINS = [site]

    assert ask(catalogue, "x", HTTP_ORIGIN=site)["Access-Control-Allow-Origin"] == "*"


def test_what_has_not_changed_is_not_sent_again_in_the_same_second(catalogue, monkeypatch):
    at = timezone.now()
    monkeypatch.setattr(views.timezone, "now", lambda: at)
    tag = ask(catalogue, "x")["ETag"]

    same = ask(catalogue, "x", HTTP_IF_NONE_MATCH=tag)
    monkeypatch.setattr(views.timezone, "now", lambda: at + timedelta(seconds=1))

    assert (same.status_code, same.content) == (304, b"")
    assert {name: same[name] for name in HEADERS} == HEADERS
    answer_of(ask(catalogue, "x", HTTP_IF_NONE_MATCH=tag))


# --- Errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("id=x", FORMAT),
        ("id=x&format=", FORMAT),
        ("id=x&format=xml", FORMAT),
        ("id=x&format=JSON", FORMAT),
        ("id=x&format=json&format=simple", FORMAT),
        ("format=json", NO_ID),
        ("format=json&id=", NO_ID),
        ("format=json&ID=x", NO_ID),
        ("", f"{FORMAT} {NO_ID}"),
        ("%00=%FF&a[]=1", f"{FORMAT} {NO_ID}"),
        (
            "id=x&format=json&callback=f",
            "There is no JSONP here. Leave out callback: pages of any site may read the JSON.",
        ),
        ("id=x&format=json&patron=7", "Availability does not depend on who asks. Leave out patron."),
        ("id=x&format=json&patron-type=7", "Availability does not depend on who asks. Leave out patron-type."),
        (
            "id=x&format=json&access_token=7",
            "A token in an address can be read by many. Send it in the header Authorization, or not at all.",
        ),
        (
            "format=xml&id=x&patron=",
            f"Availability does not depend on who asks. Leave out patron. {FORMAT}",
        ),
    ],
)
def test_what_is_wrong_with_a_question_is_told(catalogue, query, told):
    assert error_of(catalogue.get(f"/daia?{query}"), 422, "invalid_request") == told


def test_what_daia_does_not_know_is_ignored(catalogue, isbn):
    answer_of(catalogue.get(f"/daia?utm_source=x&suppress_response_codes=1&limit=x&id={isbn}&format=json"))


def test_the_example_is_what_is_answered(catalogue):
    status, message, _ = EXAMPLES["INVALID_REQUEST"]

    assert error_of(catalogue.get("/daia?id=x"), status, "invalid_request") == message


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_it_is_only_read(api, isbn, method):
    before = everything()

    response = raw(api, method, f"/daia?id={isbn}&format=json", {})

    assert error_of(response, 405, "invalid_request") == f'Method "{method}" not allowed.'
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    assert everything() == before


@pytest.mark.parametrize("accept", ["application/problem+json", "application/problem+json, */*"])
def test_errors_have_their_form_whatever_else_is_wanted(catalogue, accept):
    error_of(catalogue.get("/daia", HTTP_ACCEPT=accept), 422, "invalid_request")
    answer_of(ask(catalogue, "x", HTTP_ACCEPT=accept))


def test_another_form_is_not_acceptable(catalogue):
    error_of(ask(catalogue, "x", HTTP_ACCEPT="text/html"), 406, "invalid_request")


def test_what_is_refused_before_anybody_looks_is_told_alike(catalogue):
    error_of(ask(catalogue, "x", HTTP_HOST="evil.example"), 400, "invalid_request")
    error_of(ask(catalogue, "x", HTTP_IF_MATCH='"x"'), 412, "invalid_request")
    error_of(catalogue.get("/daia?" + "a=1&" * 1001), 400, "invalid_request")


def test_a_credential_that_is_none_is_refused(catalogue):
    response = ask(catalogue, "x", HTTP_AUTHORIZATION="Bearer x.y.z")

    error_of(response, 401, "invalid_grant")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    error_of(ask(with_key(UserFactory(staff=True), "members:read"), "x"), 403, "insufficient_scope")
    answer_of(ask(with_key(UserFactory(staff=True), "catalogue:read"), "x"))
    answer_of(ask(signed_in(UserFactory()), "x"))


def test_whoever_asks_too_often_is_told_when_to_come_back(catalogue):
    with override_settings(THROTTLE_RATES={"anonymous": {"read": 2}}):
        catalogue.get("/api/books/")  # counts as well: all reading does
        assert answer_of(ask(catalogue, "x"))["document"] == []
        response = ask(catalogue, "x")

    error_of(response, 429, "too_many_requests")
    assert 1 <= int(response["Retry-After"]) <= 60


def test_what_goes_wrong_here_is_told_alike(catalogue, monkeypatch):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr(views, "holdings", fails)
    error = Busy()
    busy = ask(catalogue, "x")
    error = ZeroDivisionError("a secret")
    catalogue.handler.raise_request_exception = catalogue.raise_request_exception = False

    defect = ask(catalogue, "x")

    error_of(busy, 503, "service_unavailable")
    assert busy["Retry-After"] == "1"
    assert error_of(defect, 500, "internal_error") == "Something went wrong on our side. It was logged."


def test_below_the_address_nothing_is_daia(catalogue):
    for path in ("/daia/x", "/daia/x/", "/daia//", "/daiax"):
        response = catalogue.get(path)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "NOT_FOUND"
        assert "X-DAIA-Version" not in response


def test_other_answers_are_not_daia(catalogue):
    for path in ("/api/books/", "/api/nothing/", "/health/live"):
        assert not set(HEADERS) & set(catalogue.get(path).headers)


# --- Where it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("service", "is_there"), [("all", True), ("public", True), ("admin", False)])
def test_of_two_services_the_public_one_has_it(settings, service, is_there):
    settings.SERVICE = service
    routes = URLResolver(RegexPattern("^/"), of_this_service(urlpatterns))

    try:
        route = routes.resolve("/daia/").route
    except Resolver404:
        route = ""

    assert (route == "daia/") == is_there


def test_at_the_admins_service_nothing_is_daia(settings, catalogue):
    """There another route finds that there is nothing."""
    settings.SERVICE = "admin"

    assert not set(HEADERS) & set(catalogue.get("/daia").headers)


def test_at_an_open_desk_it_is_the_same(settings, isbn):
    settings.OPEN_DESK = True

    assert len(answer_of(ask(Client(), isbn))["document"]) == 1


def test_an_answer_is_as_the_openapi_document_describes_it(catalogue, document):
    book = BookFactory(isbn="9780141439549", copies=2)
    LoanFactory(book=book)
    ReservationFactory(book=book)
    ReservationFactory(book=book, ready=True)
    out = BookFactory(isbn="9780141439556", out_of_circulation=True, copies=1)

    for response in (ask(catalogue, book.isbn, out.isbn), catalogue.get("/daia")):
        schema = described_answer(document, "/daia/", "get", response)
        assert complaints(document, schema, response.json()) == []
        assert are_as_described(document, "/daia/", "get", response) >= {*HEADERS, "RateLimit", "RateLimit-Policy"}
    answered = data_of(catalogue.options("/daia"))
    assert set(answered["methods"]) == {"GET", "HEAD", "OPTIONS"}
    assert JSON.startswith("application/json")
