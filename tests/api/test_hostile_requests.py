"""Requests as an attacker makes them: bodies, headers, addresses and queries that mean nothing. Always a coded 4xx."""

import importlib
import io
import json

import pytest

from tests.api.asking import data_of, error_of, everything, invalid_fields, raw
from tests.api.routes import LISTS, ROUTES, UPLOADS

pytestmark = pytest.mark.django_db

CHECKOUT = "/api/circulation/checkout/"
WITH_BODY = [
    pytest.param(method, route, id=f"{method} {route}")
    for route, methods in ROUTES.items()
    for method in sorted(methods & {"POST", "PUT", "PATCH"})
    if route not in UPLOADS
]


# --- Bodies ------------------------------------------------------------------------------------------------

NOT_JSON = {
    "nothing but space": b"  ",
    "cut off": b'{"member_id": 1',
    "two documents": b"{}{}",
    "single quotes": b"{'member_id': 1}",
    "leading zero": b'{"member_id": 01}',
    "a comment": b"{} // x",
    "a trailing comma": b'{"member_id": 1,}',
    "NaN": b'{"member_id": NaN}',
    "infinity": b'{"member_id": -Infinity}',
    "a number of 5000 digits": b'{"member_id": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"member_id": 1, "member_id": 2}',
    "a key twice, deep inside": b'{"operations": [{"op": "return", "op": "checkout"}]}',
    "not UTF-8": b'{"title": "\xff\xfe"}',
    "Latin-1": '{"title": "é"}'.encode("latin-1"),
    "UTF-16": '{"title": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"title": "x"}',
    "a surrogate in UTF-8": b'{"title": "\xed\xa0\x80"}',
    "half a pair": rb'{"title": "\ud800"}',
    "the other half": rb'{"title": "\udc00 x"}',
    "halves the wrong way round": rb'{"title": "\udc00\ud800"}',
    "half a pair as a name": rb'{"\ud800": 1}',
    "half a pair deep inside": rb'{"operations": [{"op": ["\uDBFF"]}]}',
    "a control character": b'{"title": "a\nb"}',
    "an unknown escape": rb'{"title": "\x41"}',
    "opened 100,000 times": b"[" * 100_000,
    "100,000 objects deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 lists deep": b"[" * 100_000 + b"]" * 100_000,
    "950 lists deep in a field": b'{"on_unavailable": ' + b"[" * 950 + b"]" * 950 + b"}",
    "22 lists deep": b"[" * 22 + b"]" * 22,
    "XML": b"<title>x</title>",
    "a form": b"title=x&author=y",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("url", [CHECKOUT, "/api/books/", "/api/circulation/batch/"])
def test_what_is_not_json_is_malformed(api, url, body):
    before = everything()

    response = raw(api, "POST", url, body)

    assert error_of(response, 400, "MALFORMED_JSON") is None
    assert response.json()["error"]["message"].startswith(
        ("The body is not valid JSON: ", "The body is not usable JSON")
    )
    assert everything() == before


def test_nothing_breaks_at_any_depth(api):
    """The parser, the validators and the renderer each have their own limit of nesting."""
    for depth in [*range(15, 25), *range(860, 1010, 3)]:
        for body in (
            f'{{"member_id": 1, "on_unavailable": {"[" * depth}{"]" * depth}}}',
            f'{{"x": "\\u0041", "override": {"[" * depth}1{"]" * depth}}}',
            f'{{"operations": [{{"op": {"[" * depth}{"]" * depth}}}]}}',
        ):
            assert raw(api, "POST", CHECKOUT, body).status_code == 400


def test_both_halves_of_a_pair_are_a_character(api):
    body = rb'{"title": "\ud83d\ude00 \\ud800 \u00e9"}'

    assert data_of(raw(api, "POST", "/api/books/", body), 201)["title"] == "😀 \\ud800 é"


def test_a_number_too_great_for_a_float_is_no_number(api):
    assert invalid_fields(raw(api, "POST", CHECKOUT, '{"member_id": 1e400, "book_id": -1e400}')) == {
        "member_id": "invalid",
        "book_id": "invalid",
    }


@pytest.mark.parametrize(("method", "route"), WITH_BODY)
def test_a_body_is_an_object(api, world, method, route):
    before = everything()

    for body, code in [
        ("[]", "invalid"),
        ('"x"', "invalid"),
        ("7", "invalid"),
        ("true", "invalid"),
        ("null", "null"),
        ("[{}]", "invalid"),
    ]:
        assert invalid_fields(raw(api, method, route.format(**world), body)) == {"body": code}
    assert everything() == before


@pytest.mark.parametrize(("method", "route"), WITH_BODY)
def test_unknown_fields_are_named(api, world, method, route):
    before = everything()

    response = raw(api, method, route.format(**world), {"<b>": 1, "__class__": {}, "é\0": []})

    complaints = invalid_fields(response)
    assert {name for name, code in complaints.items() if code == "unknown"} == {"<b>", "__class__", "é\0"}
    assert everything() == before


@pytest.mark.parametrize(("method", "route"), WITH_BODY)
def test_a_body_of_more_than_a_megabyte_is_too_large(api, world, method, route):
    before = everything()

    for size in (1_000_001, 10_000_000):
        response = raw(api, method, route.format(**world), b" " * size)

        assert error_of(response, 413, "PAYLOAD_TOO_LARGE") is None
        assert response.json()["error"]["message"] == "The body is too large. At most 1 MB is read."
    assert everything() == before


def test_a_body_of_a_megabyte_is_read(api):
    body = b'{"title": "x"' + b" " * 999_986 + b"}"
    assert len(body) == 1_000_000

    data_of(raw(api, "POST", "/api/books/", body), 201)


def test_a_body_on_a_request_that_needs_none_is_ignored(api, world):
    data_of(raw(api, "GET", "/api/loans/", b"\xff{", content_type="text/plain"))
    data_of(raw(api, "DELETE", f"/api/books/{_bare_book(api)}/", b"\xff{", content_type="text/plain"))


def _bare_book(api):
    return data_of(api.post("/api/books/", {"title": "x"}), 201)["id"]


# --- Addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "0" * 30,
        "9" * 30,
        "9" * 19,
        "-1",
        "1.5",
        "1e3",
        "x",
        "%00",
        "%FF",
        "%ED%A0%80",
        "%D9%A1",
        "1%0A",
        "%31%2F",
        "1;x",
        "+1",
        "0x1",
        "%",
    ],
)
def test_what_is_no_id_is_no_address(api, name):
    for path in ("books", "members", "loans", "reservations"):
        error_of(api.get(f"/api/{path}/{name}/"), 404, "NOT_FOUND")
    error_of(api.post(f"/api/reservations/{name}/cancel/"), 404, "NOT_FOUND")


@pytest.mark.parametrize("name", ["9" * 18, "0", "0" * 18, "000000000000004711", "%34711"])
def test_an_id_of_nothing_is_not_found(api, name):
    error_of(api.get(f"/api/books/{name}/"), 404, "BOOK_NOT_FOUND")
    error_of(api.get(f"/api/members/{name}/"), 404, "MEMBER_NOT_FOUND")
    error_of(api.get(f"/api/loans/{name}/"), 404, "LOAN_NOT_FOUND")
    error_of(api.post(f"/api/reservations/{name}/cancel/"), 404, "RESERVATION_NOT_FOUND")


@pytest.mark.parametrize(
    "name", ["a b", "%00", "a%0A", "%C3%A9", "%2e%2e%2f", "a" * 65, "a/b", "%27", "%ED%A0%80", "%"]
)
def test_what_is_no_barcode_is_no_address(api, name):
    error_of(api.get(f"/api/copies/{name}/"), 404, "NOT_FOUND")
    error_of(api.post(f"/api/copies/{name}/mark-lost/"), 404, "NOT_FOUND")


def test_addresses_of_any_length_and_kind_are_not_found(api):
    for path in (
        "/api/" + "a/" * 4000,
        "/api/%2e%2e/%2e%2e/etc/passwd",
        "/api/%%%/",
        "/api/\\books\\",
        "/api/books/1/../2/x/",
    ):
        error_of(api.get(path), 404, "NOT_FOUND")


# --- Queries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", LISTS)
def test_a_query_of_junk_is_answered(api, world, route):
    url = route.format(**world)
    for query in (
        "%",
        "%%%=%%%",
        "&&&===",
        "=x",
        "a[]=1&a[b]=2",
        "%00=%00",
        "\xff",
        "a=" + "b" * 20_000,
        "%ED%A0%80=%ED%A0%80",
    ):
        data_of(api.get(f"{url}?{query}"))


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("route", LISTS)
def test_a_query_of_thousands_of_parameters_is_refused(api, world, route, debug, settings):
    settings.DEBUG = debug

    response = api.get(f"{route.format(**world)}?{'a=1&' * 1001}")

    assert error_of(response, 400, "VALIDATION_ERROR") is None
    assert response.json()["error"]["message"] == "This request cannot be understood."


@pytest.mark.parametrize(
    ("query", "complaints"),
    [
        ("member=9223372036854775808", {"member": "max_value"}),
        ("member=" + "9" * 400, {"member": "max_value"}),
        ("member=" + "9" * 5000, {"member": "max_string_length"}),
        ("member=0&book=-1", {"member": "min_value", "book": "min_value"}),
        ("member=1e3", {"member": "invalid"}),
        ("member=%00", {"member": "invalid"}),
        ("member=", {"member": "invalid"}),
        ("status=%ED%A0%80", {"status": "invalid_choice"}),
        ("status=open&status=nonsense", {"status": "invalid_choice"}),
    ],
)
@pytest.mark.parametrize("url", ["/api/loans/", "/api/reservations/"])
def test_filters_by_nothing_are_refused(api, url, query, complaints):
    assert invalid_fields(api.get(f"{url}?{query}")) == complaints


def test_the_greatest_id_is_just_one_that_nobody_has(api):
    for url in ("/api/loans/", "/api/reservations/", "/api/circulation/events/"):
        assert data_of(api.get(f"{url}?member={2**63 - 1}&book={2**63 - 1}"))["results"] == []


# --- Headers -----------------------------------------------------------------------------------------------


def test_a_host_that_is_not_ours_is_refused(api):
    response = api.get("/api/loans/", HTTP_HOST="evil.example")

    assert error_of(response, 400, "VALIDATION_ERROR") is None
    assert b"evil.example" not in response.content


def test_nothing_sent_comes_back_as_a_header(api):
    sent = {"title": "x\r\nSet-Cookie: a=b", "author": "\r\n\r\n<html>"}

    created = api.post("/api/books/", sent, HTTP_IDEMPOTENCY_KEY="a b")

    assert data_of(created, 201)["title"] == sent["title"]
    assert all("\r" not in value and "\n" not in value for value in created.headers.values())
    assert "Set-Cookie" not in created


def test_markup_is_kept_and_sent_as_json_only(api):
    html = "<img src=x onerror=alert(1)>"
    member = data_of(api.post("/api/members/", {"name": html, "card_number": html, "blocked_reason": html}), 201)

    response = api.get(f"/api/members/{member['id']}/", HTTP_ACCEPT="text/html,*/*")

    assert (data_of(response)["card_number"], data_of(response)["blocked_reason"]) == (html, html)
    assert response["X-Content-Type-Options"] == "nosniff"


def served(**environ):
    """What the web server would get: status and body."""
    body = environ.pop("body", b"")
    request = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/books/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    application = importlib.import_module("config.wsgi").application  # made when it is imported
    status = []
    answer = b"".join(application(request | environ, lambda line, headers: status.append(int(line[:3]))))
    return status[0], json.loads(answer)


@pytest.mark.django_db(transaction=True)
def test_no_content_type_breaks_the_server():
    """Below Django's own handling of errors: its request would fail on some of these before it could answer."""
    for content_type in (
        "application/json; a*=nope''%41",
        "application/json; charset=base64",
        "application/json; charset=undefined",
        "application/json; charset=unicode_escape",
        "application/json; charset=utf-16",
        "x" * 20_000,
        ";;;" * 5000,
        "\x80\xff",
    ):
        status, body = served(CONTENT_TYPE=content_type, QUERY_STRING="x=%41&search=%5Cud800")
        assert (status, body["data"]["results"]) == (200, [])

        status, body = served(CONTENT_TYPE=content_type, REQUEST_METHOD="POST", PATH_INFO=CHECKOUT, body=b"{}")
        assert (status, body["error"]["code"]) == (401, "NOT_AUTHENTICATED")
