"""The headers that the OpenAPI document describes are those that are sent, neither more nor fewer."""

import re

import pytest
from django.test import override_settings

from accounts.tokens import pair_for
from integrations.webhooks.models import Subscription
from tests.api.routes import DAIA, FILES, ROUTES, STREAM, nowhere
from tests.api.signing import PASSWORD
from tests.api.test_openapi import (
    EVERY_OPERATION,
    ONCE_ANYWAY,
    OPERATIONS,
    as_needed,
    complaints,
    described_answer,
    described_media,
    document,
    in_form,
    meant,
    sent_to,
    world,
)
from tests.factories import BookFactory, CopyFactory, JobFactory, MemberFactory, ReservationFactory
from tests.webhooks.conftest import LOOPBACK
from tests.webhooks.receiving import Receiver

__all__ = ["document", "world"]

# The document says of these that every answer has them, or HTTP does.
WITH_EVERY_ANSWER = {
    "Allow",
    "Content-Length",
    "Content-Security-Policy",
    "Content-Type",
    "Cross-Origin-Opener-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "Vary",
    "X-Content-Type-Options",
    "X-Frame-Options",
}
COUNTED = {"RateLimit", "RateLimit-Policy"}


def are_as_described(document, route, method, response):
    """The headers of this answer, once they are found to be those described."""
    described = document["paths"][route][method]["responses"][str(response.status_code)]
    headers = {name: meant(document, header) for name, header in described.get("headers", {}).items()}
    sent = {name: value for name, value in response.items() if name not in WITH_EVERY_ANSWER}
    assert set(sent) <= set(headers)
    assert {name for name, header in headers.items() if header["required"]} <= set(sent)
    for name, value in sent.items():
        schema = headers[name]["schema"]
        assert complaints(document, schema, int(value) if schema["type"] == "integer" else value) == []
    return set(sent) - {"X-Request-ID"}


def ask(client, route, method, world, sent=None, **headers):
    """A request that may succeed, if it is let in."""
    if method in ("post", "put", "patch"):
        sent = sent or sent_to(route, method, world)
        for file in sent.get("file", ()):
            file.seek(0)
    form = in_form(route) if method == "post" else {}
    return getattr(as_needed(client, route, method), method)(route.format(**world), sent, **form, **headers)


@EVERY_OPERATION
def test_whoever_may_not_is_told_how_to_sign_in(anyone, world, document, route, method):
    response = ask(anyone, route, method, world, HTTP_AUTHORIZATION="Bearer x.y.z")

    assert response.status_code == 401
    assert are_as_described(document, route, method, response) >= COUNTED | {"WWW-Authenticate"}


@EVERY_OPERATION
def test_whoever_asks_too_often_is_told_when_to_come_back(api, world, document, route, method):
    with override_settings(THROTTLE_RATES={"staff": {"read": 1, "write": 1, "account": 1}}):
        for _ in range(2):
            response = ask(api, route, method, world)

    assert response.status_code == 429
    assert are_as_described(document, route, method, response) >= COUNTED | {"Retry-After"}


@EVERY_OPERATION
def test_another_form_is_refused_before_anybody_is_counted(api, world, document, route, method):
    response = ask(api, route, method, world, HTTP_ACCEPT="text/html")

    assert response.status_code == 406
    assert not are_as_described(document, route, method, response) & COUNTED


@pytest.mark.parametrize(("route", "method"), [(route, method) for route, method in OPERATIONS if "{" in route])
def test_what_is_nowhere_has_the_headers_described(api, document, route, method):
    response = ask(as_needed(api, route, method), nowhere(route), method, {})

    assert response.status_code in (400, 404)  # some look at the body first
    assert are_as_described(document, route, method, response) >= COUNTED


# --- What is done ------------------------------------------------------------------------------------------


def fit_for(route, method, world):
    """The world, with something there that this can be done to."""
    match method, route:
        case "delete", "/api/books/{book}/" | "/api/admin/books/{book}/":
            return world | {"book": BookFactory().pk}
        case "delete", "/api/members/{member}/":
            return world | {"member": MemberFactory().pk}
    match route.removesuffix("/").rpartition("/")[2]:
        case "mark-missing" | "mark-damaged" | "withdraw":
            return world | {"barcode": CopyFactory().barcode}
        case "mark-found":
            return world | {"barcode": CopyFactory(missing=True).barcode}
        case "receive":
            return world | {"barcode": CopyFactory(in_transit=True).barcode}
        case "repair":
            return world | {"barcode": CopyFactory(damaged=True).barcode}
        case "cancel" if "jobs" in route:
            return world | {"job": JobFactory().pk}
        case "resume":
            return world | {"reservation": ReservationFactory(suspended=True).pk}
        case "fulfill" | "return_book":
            return world | {"reservation": ReservationFactory(ready=True).pk}
    return world


def proof_for(route, librarian):
    """What proves who one is, where that is asked."""
    if "webhooks" in route or route not in ONCE_ANYWAY - {"/api/register/", "/api/keys/"}:
        return None
    librarian.set_password(PASSWORD)
    librarian.save()
    pair = pair_for(librarian)
    return {
        "/api/token/": {"username": librarian.username, "password": PASSWORD},
        "/api/token/refresh/": {"refresh": pair.refresh},
        "/api/token/verify/": {"token": pair.access},
        "/api/token/blacklist/": {"refresh": pair.refresh},
        "/api/me/password/": {"current": PASSWORD, "new": "another staple, for other horses"},
    }[route]


# What differs from one answer to the next.
VARYING = re.compile(
    r"Ada Lovelace|Grace Hopper|Ada King|Middlemarch|Self-check machine, entrance|\bada\b|[C\d][-\d]*\d|\b\d\b"
)


def said_like(message):
    """A pattern of sentences such as this one."""
    return ".+".join(map(re.escape, VARYING.split(message)))


@pytest.fixture
def _receiving(settings, world):
    """The webhook has an endpoint."""
    with Receiver() as receiver:
        settings.WEBHOOK_NETWORKS = [LOOPBACK]
        Subscription.objects.update(url=receiver.url)
        yield


@pytest.mark.usefixtures("_receiving")
@pytest.mark.parametrize(
    ("route", "method"), [(route, method) for route, method in OPERATIONS if route not in {STREAM, DAIA, *FILES}]
)
def test_what_is_done_has_the_headers_and_says_what_is_described(api, librarian, world, document, route, method):
    world = fit_for(route, method, world)

    response = ask(api, route, method, world, proof_for(route, librarian))

    assert response.status_code < 300
    found = are_as_described(document, route, method, response)
    assert found >= COUNTED
    shown = described_media(document, route, method, response)["examples"]["Done"]["value"]
    if "message" in shown:
        assert re.fullmatch(said_like(shown["message"]), response.json()["message"])
    if "Location" in found:
        assert api.get(response["Location"]).status_code == 200


def test_who_is_sent_elsewhere_is_told_where(api, world, document):
    response = api.get(STREAM.format(**world))

    assert response.status_code == 307
    assert are_as_described(document, STREAM, "get", response) == COUNTED | {"Location"}


# The statistics and DAIA say of which moment they are, and so are never the same; nor is a stream.
NEW_EACH_TIME = {"/api/statistics/", DAIA, STREAM}
SAME_AS_BEFORE = [route for route, methods in ROUTES.items() if "GET" in methods and route not in NEW_EACH_TIME]


@pytest.mark.parametrize("route", SAME_AS_BEFORE)
def test_what_one_has_already_is_not_sent_again(api, world, document, route):
    url = route.format(**world)
    as_needed(api, route, "get")

    response = api.get(url, HTTP_IF_NONE_MATCH=api.get(url)["ETag"])

    assert (response.status_code, response.content) == (304, b"")
    assert are_as_described(document, route, "get", response) >= COUNTED | {"ETag"}


KEYED = [
    (route, method)
    for route, method in OPERATIONS
    if (method == "post" and route not in ONCE_ANYWAY | {"/api/circulation/batch/"}) or route == "/api/books/borrow/"
]


@pytest.mark.parametrize(("route", "method"), KEYED)
def test_what_is_done_once_is_answered_twice_with_the_same_headers(api, world, document, route, method):
    world = fit_for(route, method, world)
    sent = sent_to(route, method, world)

    first, again = (ask(api, route, method, world, sent, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert first.status_code < 300
    replayed = {"Idempotency-Replayed"}
    assert (
        are_as_described(document, route, method, first) == are_as_described(document, route, method, again) - replayed
    )
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(("route", "method"), KEYED)
def test_a_rehearsal_is_answered_as_described(api, world, document, route, method):
    world = fit_for(route, method, world)

    sent = sent_to(route, method, world)
    response = getattr(as_needed(api, route, method), method)(
        route.format(**world) + "?dry_run=true", sent, **in_form(route)
    )

    assert response.status_code == 200
    assert set(response.json()["data"]) == {"would", "refusals"}
    assert complaints(document, described_answer(document, route, method, response), response.json()) == []
    are_as_described(document, route, method, response)


@pytest.mark.parametrize("route", [f"/api/{name}/" for name in ("me", "me/loans", "me/history", "statistics")])
def test_a_table_is_answered_as_described(api, world, document, route):
    response = api.get(route + "?format=csv")

    assert response["Content-Type"].startswith("text/csv")
    assert "text/csv" in document["paths"][route]["get"]["responses"]["200"]["content"]
    assert "Content-Disposition" in are_as_described(document, route, "get", response)
