"""What every address does alike: methods, slashes, envelopes, media types."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.api.asking import data_of, error_of, everything, invalid_fields, raw
from tests.api.conftest import Client
from tests.api.routes import DAIA, FILES, LISTS, READ, ROUTES, STREAM, nowhere
from tests.factories import BookFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db

DOCUMENTS = {"api/schema/", "api/docs/", "api/redoc/"}


def test_the_list_of_addresses_is_complete():
    def patterns(resolver, before=""):
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                yield from patterns(entry, before + str(entry.pattern))
            elif isinstance(entry, URLPattern):
                yield before + str(entry.pattern)

    served = {
        pattern for pattern in patterns(get_resolver()) if pattern.startswith(("api/", "reserve/", "status/", "daia/"))
    } - DOCUMENTS
    names = {"<id:key_id>": "{key}", "<id:book_id>": "{book}", "<id:member_id>": "{member}", "<id:loan_id>": "{loan}"}
    names |= {"<id:reservation_id>": "{reservation}", "<barcode:barcode>": "{barcode}"}
    names |= {"<id:webhook_id>": "{webhook}", "<id:job_id>": "{job}"}
    names |= {"<id:partner_reservation_id>": "{partner_reservation}"}
    for converter, name in names.items():
        served = {pattern.replace(converter, name) for pattern in served}
    assert {f"/{pattern}" for pattern in served} == set(ROUTES)


# --- Methods -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_an_address_says_which_methods_it_serves(api, world, route):
    expected = ROUTES[route] | {"OPTIONS"} | ({"HEAD"} if "GET" in ROUTES[route] else set())

    response = api.options(route.format(**world))

    data = data_of(response)
    assert list(data) == ["methods"]
    assert set(data["methods"]) == expected
    assert set(response["Allow"].split(", ")) == expected


@pytest.mark.parametrize("route", ROUTES)
def test_other_methods_are_not_allowed(api, world, route):
    before = everything()

    for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - ROUTES[route]):
        response = raw(api, method, route.format(**world), {})

        assert error_of(response, 405, "METHOD_NOT_ALLOWED") is None
        assert set(response["Allow"].split(", ")) >= ROUTES[route]
    assert everything() == before


@pytest.mark.parametrize(
    "route", [route for route, methods in ROUTES.items() if "GET" in methods and route not in {STREAM, DAIA, *FILES}]
)
def test_head_is_get_without_the_body(api, world, route):
    url = route.format(**world)

    head, get = api.head(url), api.get(url)

    assert (head.status_code, head.content) == (200, b"")
    assert get.content
    assert head["Content-Type"] == get["Content-Type"]
    assert head["ETag"] == get["ETag"]
    for method in (api.get, api.head):
        unchanged = method(url, HTTP_IF_NONE_MATCH=get["ETag"])
        assert (unchanged.status_code, unchanged.content) == (304, b"")


# --- Slashes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_the_slash_at_the_end_is_optional_for_every_method(api, route):
    for method in sorted(ROUTES[route] | READ):
        slashed = raw(api, method, nowhere(route), {})
        bare = raw(api, method, nowhere(route).removesuffix("/"), {})

        assert bare.status_code == slashed.status_code
        assert bare.status_code not in (301, 302, 307, 308)
        assert bare.content.replace(b"/api?", b"/api/?") == slashed.content or "statistics" in route


def test_a_body_survives_a_missing_slash(api):
    data_of(api.post("/api/books", {"title": "Emma"}), 201)
    data_of(api.post("/api/members?x=1", {"name": "Ada"}), 201)


def test_the_pages_of_a_list_go_on_from_either_form(api):
    BookFactory.create_batch(3)

    data = data_of(api.get("/api/books?limit=2"))

    assert data["next"].startswith("http://testserver/api/books/?limit=2&cursor=")
    assert len(data_of(api.get(data["next"]))["results"]) == 1


# --- Addresses of nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_an_address_of_nothing_is_not_found(method, debug, settings):
    settings.DEBUG = debug
    browser = Client(enforce_csrf_checks=True)

    for path in ("/api/nothing", "/api/nothing/", "/api/books/x/", "/api//books/", "/api/books//"):
        response = raw(browser, method, path, {})

        if method == "HEAD":
            assert (response.status_code, response["Content-Type"]) == (404, "application/json")
        else:
            assert error_of(response, 404, "NOT_FOUND") is None
            assert response.json()["error"]["message"] == "There is nothing at this address."


def test_elsewhere_too_nothing_is_said_in_our_form(api):
    error_of(api.get("/nothing"), 404, "NOT_FOUND")
    error_of(api.get("/apis/"), 404, "NOT_FOUND")


def test_the_index_leads_to_every_collection(anyone):
    response = anyone.get("/api")

    places = data_of(response)
    assert places["books"] == "http://testserver/api/books/"
    assert places["docs"] == "http://testserver/api/docs/"
    known = {f"http://testserver{route}" for route in ROUTES} | {f"http://testserver/{path}" for path in DOCUMENTS}
    assert set(places.values()) <= known


def test_the_front_page_leads_to_the_documentation(anyone):
    response = anyone.get("/")

    assert (response.status_code, response["Location"]) == (302, "/api/docs/")


# --- Media types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html, */*;q=0.8", "application/*", "application/json;q=x"]
)
def test_json_is_what_there_is(api, accept):
    data_of(api.get("/api/loans/", HTTP_ACCEPT=accept))


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "", ";", "x" * 5000, "text/*", "a/b; c*=nope''%41"])
def test_another_answer_is_not_acceptable(api, accept):
    response = api.get("/api/loans/", HTTP_ACCEPT=accept)

    assert error_of(response, 406, "NOT_ACCEPTABLE") is None
    assert response.json()["error"]["message"] == "Could not satisfy the request Accept header."


@pytest.mark.parametrize(
    "of", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ";", "/"]
)
def test_another_body_is_not_understood(api, of):
    before = everything()

    response = raw(api, "POST", "/api/books/", {"title": "Emma"}, content_type=of)

    assert error_of(response, 415, "UNSUPPORTED_MEDIA_TYPE") is None
    assert response.json()["error"]["message"] == f'Unsupported media type "{of}" in request.'
    assert everything() == before


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=latin-1", "; charset=nope", ';charset="'])
def test_json_is_utf_8_whatever_it_says(api, charset):
    body = '{"title": "Žluťoučký kůň"}'.encode()

    data = data_of(raw(api, "POST", "/api/books/", body, content_type=f"application/json{charset}"), 201)

    assert data["title"] == "Žluťoučký kůň"


def test_answers_are_utf_8(api):
    BookFactory(title="Žluťoučký kůň")

    assert "Žluťoučký kůň".encode() in api.get("/api/books/").content


@pytest.mark.parametrize("url", ["cancel", "suspend"])
def test_where_nothing_is_needed_no_body_is_needed(api, url):
    reservation = ReservationFactory()

    data_of(api.generic("POST", f"/api/reservations/{reservation.pk}/{url}/", b"", content_type=""))


# --- Errors as problems ------------------------------------------------------------------------------------


def problem_of(response):
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "code", "details"}
    assert problem["status"] == response.status_code
    return problem


def test_errors_come_as_problems_to_those_who_ask(api):
    member = MemberFactory(first_name="Ada", last_name="Lovelace", blocked=True)
    sent = {"member_id": member.pk, "book_id": BookFactory(copies=1).pk}

    problem = problem_of(api.post("/api/circulation/checkout/", sent, HTTP_ACCEPT="application/problem+json"))

    message = "Ada Lovelace is blocked: lost a card"
    refusal = {"code": "MEMBER_BLOCKED", "message": message, "overridable": True, "reason": "lost a card"}
    assert problem == {
        "type": "about:blank",
        "title": "MEMBER_BLOCKED",
        "status": 422,
        "detail": message,
        "code": "MEMBER_BLOCKED",
        "details": {"refusals": [refusal]},
    }


@pytest.mark.parametrize("accept", ["application/problem+json", "application/json, application/problem+json"])
def test_every_kind_of_error_can_be_a_problem(api, accept):
    asked = {"HTTP_ACCEPT": accept}

    assert problem_of(api.get("/api/books/47110815/", **asked))["code"] == "BOOK_NOT_FOUND"
    assert problem_of(api.get("/api/nothing/", **asked))["code"] == "NOT_FOUND"
    assert problem_of(api.put("/api/books/", {}, **asked))["code"] == "METHOD_NOT_ALLOWED"
    assert problem_of(raw(api, "POST", "/api/books/", "{", **asked))["code"] == "MALFORMED_JSON"
    invalid = problem_of(api.post("/api/books/", {}, **asked))
    assert (invalid["code"], list(invalid["details"])) == ("VALIDATION_ERROR", ["title"])
    stale = api.get("/api/books/", HTTP_IF_MATCH='"x"', **asked)
    assert problem_of(stale)["code"] == "STALE_VERSION"


def test_success_is_json_even_to_those_who_ask_for_problems(api):
    data_of(api.get("/api/books/", HTTP_ACCEPT="application/problem+json"))


def test_what_is_invalid_is_named_by_field(api):
    response = api.post("/api/circulation/checkout/", {"member_id": "x", "nonsense": 1})

    assert error_of(response, 400, "VALIDATION_ERROR") == {
        "member_id": [{"code": "invalid", "message": "A valid integer is required."}],
        "nonsense": [{"code": "unknown", "message": "There is no such field here."}],
    }
    assert response.json()["error"]["message"] == "Some of what you sent is not valid."


@pytest.mark.parametrize("route", LISTS)
def test_what_a_list_does_not_know_in_a_query_it_ignores(api, world, route):
    unknown = "utm_source=x&%FF=%FF&&=&a"
    # Of these lists some can be had as a table, and so know that word.
    if route.startswith("/api/me/"):
        assert invalid_fields(api.get(f"{route}?format=xml")) == {"format": "invalid"}
    else:
        unknown += "&format=xml"
    data_of(api.get(f"{route.format(**world)}?{unknown}"))
    assert invalid_fields(api.get(f"{route.format(**world)}?limit=x")) == {"limit": "invalid"}
