"""The OpenAPI document says what the service does, and its explorers load nothing from elsewhere."""

import json
import re
from datetime import timedelta
from functools import reduce
from io import StringIO
from operator import getitem

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from jsonschema import Draft202012Validator

from accounts.models import User
from circulation.models import Loan
from circulation.services import return_copy
from config.api.examples import EXAMPLES
from events.models import Event
from events.recording import acting
from integrations.webhooks.models import Delivery
from tests.api.access import RULES, rule_of
from tests.api.asking import open_loan
from tests.api.routes import DAIA, FILES, LISTS, ROUTES, STREAM
from tests.factories import (
    NOW,
    BookFactory,
    CopyFactory,
    JobFactory,
    KeyFactory,
    LoanFactory,
    MemberFactory,
    PartnerReservationFactory,
    ReservationFactory,
    WebhookFactory,
)

PLACEHOLDERS = {
    "{book_id}": "{book}",
    "{member_id}": "{member}",
    "{loan_id}": "{loan}",
    "{reservation_id}": "{reservation}",
    "{partner_reservation_id}": "{partner_reservation}",
    "{key_id}": "{key}",
    "{webhook_id}": "{webhook}",
    "{job_id}": "{job}",
}
# Their answers hold secrets, which are not kept to be repeated; and a test is not sent again by asking what came of it.
ONCE_ANYWAY = {
    "/api/register/",
    "/api/token/",
    "/api/token/refresh/",
    "/api/token/verify/",
    "/api/token/blacklist/",
    "/api/me/password/",
    "/api/keys/",
    "/api/webhooks/",
    "/api/webhooks/{webhook}/test/",
    "/api/webhooks/{webhook}/rotate-secret/",
}
UNVERSIONED = {"/api/keys/{key}/", "/api/webhooks/{webhook}/", "/api/me/notices/", "/api/members/{member}/notices/"}
FORMATS = Draft202012Validator.FORMAT_CHECKER
OPERATIONS = [(route, method.lower()) for route, methods in ROUTES.items() for method in sorted(methods)]
EVERY_OPERATION = pytest.mark.parametrize(("route", "method"), OPERATIONS, ids=[f"{m} {r}" for r, m in OPERATIONS])


@pytest.fixture(scope="module")
def document():
    """The document as clients get it, by our names for the addresses."""
    parsed = json.loads(OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True)))
    parsed["paths"] = {f"{path}/": methods for path, methods in parsed["paths"].items()}
    for methods in parsed["paths"].values():
        for described in methods.values():
            described["parameters"] = [meant(parsed, parameter) for parameter in described.get("parameters", [])]
            described["responses"] = {
                status: meant(parsed, response) for status, response in described["responses"].items()
            }
    for theirs, ours in PLACEHOLDERS.items():
        parsed["paths"] = {path.replace(theirs, ours): methods for path, methods in parsed["paths"].items()}
    parsed["closed components"] = strict(parsed["components"])
    return parsed


def meant(document, part):
    """What stands behind a reference."""
    while "$ref" in part:
        _, *names = part["$ref"].split("/")
        part = reduce(getitem, names, document)
    return part


# --- What it describes -------------------------------------------------------------------------------------


def test_the_document_is_valid_and_of_the_version_that_it_claims(document):
    written = StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, format="openapi-json", stdout=written)

    assert json.loads(written.getvalue())["components"] == document["components"]
    assert document["openapi"] == "3.1.1"
    assert document["info"]["title"] == "Circdesk"


def test_every_address_and_method_is_described_and_nothing_else(document):
    described = {path: {method.upper() for method in methods} for path, methods in document["paths"].items()}

    assert described == ROUTES


def test_there_are_three_ways_to_say_who_one_is(document):
    schemes = document["components"]["securitySchemes"]

    assert {name: (scheme["type"], scheme.get("in")) for name, scheme in schemes.items()} == {
        "token": ("http", None),
        "key": ("apiKey", "header"),
        "cookie": ("apiKey", "cookie"),
    }


def test_every_operation_has_a_name_of_its_own(document):
    names = [document["paths"][route][method]["operationId"] for route, method in OPERATIONS]

    assert len(names) == len(set(names))


@EVERY_OPERATION
def test_an_operation_is_described_in_full(document, route, method):
    described = document["paths"][route][method]

    assert described["summary"]
    assert "A resource or an action" not in described.get("description", "")
    assert not any(name.startswith("x-") for name in described)
    assert len(described["tags"]) == 1
    assert {tag["name"] for tag in document["tags"]} >= set(described["tags"])
    successes = {status for status in described["responses"] if status < "400"}
    assert successes <= {"200", "201", "202", "207", "304"} | ({"307"} if route == STREAM else set())
    assert ("304" in successes) == (method == "get" and route != STREAM)
    assert successes - {"304"}
    rule = rule_of(route, method)
    needs_none = rule.who == "anyone" and rule.scope == "no"
    by_key = [] if rule.scope == "no" else [{"key": []}]
    scopes = " or ".join(f"`{scope}`" for scope in rule.scopes)
    assert (f"An API key needs the scope {scopes}." in described["description"]) == bool(scopes)
    anybody = [{}] if rule.who == "anyone" else []
    assert described["security"] == ([] if needs_none else [*anybody, {"token": []}, {"cookie": []}, *by_key])
    assert ("NOT_AUTHENTICATED" in described["responses"]["401"]["description"]) == (
        rule.who != "anyone" or route == "/api/token/"
    )
    assert {"401", "403", "429"} <= set(described["responses"])


@EVERY_OPERATION
def test_every_error_of_an_operation_has_its_examples(document, route, method):
    described = document["paths"][route][method]

    for status, response in described["responses"].items():
        if status >= "400" and route == DAIA:
            assert set(response["content"]) == {"application/json"}
            for name, example in response["content"]["application/json"]["examples"].items():
                status_code, message, _ = EXAMPLES[name.removesuffix(".daia")]
                value = example["value"]
                assert (str(value["code"]), value["code"], value["error_description"]) == (status, status_code, message)
                assert response["description"] == f"`{value['error']}`"
        elif status >= "400":
            content = response["content"]
            assert set(content) == {"application/json", "application/problem+json"}
            for code, example in content["application/json"]["examples"].items():
                expected = EXAMPLES[code]
                error = meant(document, example)["value"]["error"]
                assert (error["status_code"], error["message"], error["details"]) == expected
                assert (str(error["status_code"]), error["code"]) == (status, code)
                assert f"`{code}`" in response["description"]
            problems = content["application/problem+json"]["examples"]
            assert list(problems) == list(content["application/json"]["examples"])
            for code, example in problems.items():
                status_code, message, details = EXAMPLES[code]
                problem = meant(document, example)["value"]
                assert (problem["status"], problem["detail"], problem["details"]) == (status_code, message, details)
                assert problem["code"] == problem["title"] == code


@EVERY_OPERATION
def test_what_a_client_may_add_is_described(document, route, method):
    described = document["paths"][route][method]
    names = {parameter["name"] for parameter in described.get("parameters", [])}

    is_borrowing = route == "/api/books/borrow/"  # a PUT, but one that is done once for each time it is sent
    is_keyed = (method == "post" and route not in ONCE_ANYWAY) or is_borrowing
    assert ("Idempotency-Key" in names) == is_keyed
    assert ("dry_run" in names) == is_keyed
    is_versioned = method in ("put", "patch", "delete") and route not in UNVERSIONED and not is_borrowing
    assert ("If-Match" in names) == is_versioned
    assert ("409" in described["responses"]) or not is_keyed
    assert ("412" in described["responses"]) == is_versioned
    in_path = set(re.findall(r"{(\w+)}", route))
    assert sum(parameter["in"] == "path" for parameter in described.get("parameters", [])) == len(in_path)


def strict(schema):
    """The schema, allowing no property that it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(part) for name, part in schema.items()}
    return {"additionalProperties": False} | closed if "properties" in closed else closed


def complaints(document, schema, value):
    validator = Draft202012Validator(
        {"components": document["closed components"], **strict(schema)}, format_checker=FORMATS
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def shown(document, part, path=""):
    """Each example of the document with its schema, and where it stands."""
    if isinstance(part, list):
        part = dict(enumerate(part))
    if not isinstance(part, dict):
        return
    if "schema" in part:
        for name, example in part.get("examples", {}).items():
            yield f"{path}/{name}", part["schema"], meant(document, example)["value"]
        if "example" in part:
            yield path, part["schema"], part["example"]
    for name, inner in part.items():
        yield from shown(document, inner, f"{path}/{name}")


def test_every_example_is_valid(document):
    examples = list(shown(document, {part: document[part] for part in ("paths", "components")}))

    assert [(path, wrong) for path, schema, value in examples if (wrong := complaints(document, schema, value))] == []
    assert len(examples) > 1000


@EVERY_OPERATION
def test_bodies_and_answers_are_shown_by_examples(document, route, method):
    described = document["paths"][route][method]

    bodies = list(described.get("requestBody", {}).get("content", {}).values())
    answers = [media for response in described["responses"].values() for media in response.get("content", {}).values()]
    assert all(media["examples"] for media in [*bodies, *answers])


def test_every_header_is_described_in_full(document):
    parts = document["components"]
    headers = [*parts["headers"].values(), *(part for part in parts["parameters"].values() if part["in"] == "header")]

    assert len(headers) == 16
    for header in headers:
        assert header["description"]
        assert header["schema"]["type"]
        assert header.get("example") or header["examples"]


def test_the_examples_of_errors_are_valid(document):
    schema = {"$ref": "#/components/schemas/ErrorAnswer"}
    for code, (status, message, details) in EXAMPLES.items():
        error = {"message": message, "code": code, "details": details, "status_code": status}

        assert complaints(document, schema, {"success": False, "error": error}) == []


# --- What the service answers ------------------------------------------------------------------------------


@pytest.fixture
def world(librarian):
    """Something of every kind behind every address."""
    MemberFactory(user=librarian)
    book = BookFactory(title="Emma", published_year=1815, copies=2)
    loan = open_loan(book=book)
    LoanFactory(member=loan.member, returned=True)
    CopyFactory(book=book, on_hold_shelf=True)
    ReservationFactory(ready=True, member=loan.member)
    place = ReservationFactory(book=book, member=MemberFactory(expired=True))
    return {
        "book": book.pk,
        "barcode": loan.copy.barcode,
        "member": loan.member_id,
        "loan": loan.pk,
        "reservation": place.pk,
        "key": KeyFactory(owner=librarian).pk,
        "job": JobFactory(over=True, asked_by=librarian).pk,
        "webhook": webhook_with_deliveries().pk,
        "partner_reservation": PartnerReservationFactory(
            partner__name="Riverside Library", state="cancelled", ended_at=NOW, next_try_at=None
        ).pk,
    }


def webhook_with_deliveries():
    webhook = WebhookFactory(types=["book.updated"])
    Delivery.objects.create(subscription=webhook, event_id=1, type="book.updated", body="{}")
    Delivery.objects.create(
        subscription=webhook, type="test", state="failed", due_at=None, last_attempt_at=NOW, status=500, answer="no"
    )
    return webhook


def as_needed(api, route, method):
    """Who is signed in is an admin where the table wants one."""
    if (route, method.upper()) in RULES and api.handler._force_user is not None:
        is_admin = rule_of(route, method).who == "admin" or route.startswith("/api/jobs/")
        api.handler._force_user.is_superuser = is_admin
    return api


def described_answer(document, route, method, response):
    return described_media(document, route, method, response)["schema"]


def described_media(document, route, method, response):
    return document["paths"][route][method]["responses"][str(response.status_code)]["content"]["application/json"]


@pytest.mark.parametrize(
    "route", [route for route, methods in ROUTES.items() if "GET" in methods and route not in {STREAM, DAIA, *FILES}]
)
def test_what_is_read_is_as_described(api, world, document, route):
    api.post("/api/members/", {"name": "Ada"})
    api.post("/api/circulation/return/", {"loan_id": world["loan"]})

    queries = ["", "?limit=1&count=true"] if route in LISTS else [""]
    for query in [*queries, "?facets=true"] if route == "/api/books/" else queries:
        response = as_needed(api, route, "get").get(route.format(**world) + query)

        assert response.status_code == 200
        assert complaints(document, described_answer(document, route, "get", response), response.json()) == []


SENT = {
    "/api/register/": {"username": "ada", "password": "correct horse", "email": "ada@example.org"},
    "/api/users/": {"name": "Ada"},
    "/api/token/": {"username": "nobody", "password": "nothing"},
    "/api/token/refresh/": {"refresh": "x"},
    "/api/token/verify/": {"token": "x"},
    "/api/token/blacklist/": {"refresh": "x"},
    "/api/me/password/": {"current": "x", "new": "y"},
    "/api/keys/": {"name": "machine", "scopes": ["catalogue:read"]},
    "/api/books/": {"title": "Emma"},
    "/api/books/{book}/": {"title": "Emma"},
    "/api/books/{book}/copies/": {"count": 2},
    "/api/copies/{barcode}/": {"branch": "Main Library"},
    "/api/members/": {"name": "Ada"},
    "/api/members/{member}/": {"name": "Ada"},
    "/api/me/notices/": {"language": "ar"},
    "/api/members/{member}/notices/": {"unwanted": ["returned"]},
    "/api/circulation/renew/": {"loan_id": 0},
    "/api/circulation/batch/": {"operations": [{"op": "return", "barcode": "x"}]},
    "/api/reservations/{reservation}/reorder/": {"priority": 1, "reason": "x"},
    "/api/anonymisations/": {"older_than_days": 365},
    "/api/webhooks/": {"url": "https://catalogue.example.org/"},
    "/api/webhooks/{webhook}/": {"description": "The catalogue", "active": False},
    "/api/admin/books/": {"title": "Emma"},
}


def sent_to(route, method, world):
    """A body with which this does something, or at least says why not."""
    match method, route:
        case _, "/api/circulation/checkout/":
            return {"member_id": MemberFactory().pk, "book_id": world["book"]}
        case _, "/api/circulation/return/":
            return {"loan_id": open_loan(book=ReservationFactory().book).pk}
        case _, "/api/circulation/undo/":
            with acting(User.objects.filter(is_staff=True).earliest("pk").pk):
                return_copy(loan_id=open_loan().pk, at=timezone.now())
            return {"event_id": Event.objects.filter(kind="return").latest("pk").pk}
        case _, "/api/circulation/scan/":
            return {"code": CopyFactory().barcode, "card_number": MemberFactory().card_number}
        case _, "/api/reservations/":
            return {"member_id": MemberFactory().pk, "book_id": open_loan().book_id}
        case _, "/api/reservations/fulfill/":
            return {"book_id": ReservationFactory(ready=True).book_id}
        case _, "/api/borrow/":
            return {"userId": MemberFactory().pk, "bookId": world["book"]}
        case _, "/api/return/":
            return {"userId": open_loan().member_id, "bookId": Loan.objects.latest("pk").book_id}
        case _, "/api/books/borrow/":
            return {"user_id": MemberFactory().pk, "book_id": world["book"], "days": 7}
        case "put", "/api/admin/books/":
            return {"book_id": world["book"], "status": "available"}
        case _, "/api/imports/":
            return {"file": [SimpleUploadedFile("books.csv", b"title\nEmma\n")], "kind": "books"}
        case _, "/reserve/" | "/api/reservations/reserve/":
            until = timezone.localdate() + timedelta(days=7)
            return {"member_id": MemberFactory().pk, "book_id": world["book"], "reserved_until": f"{until}"}
    sent = SENT.get(route, {})
    return sent | ({"loan_id": world["loan"]} if "loan_id" in sent else {})


def in_form(route):
    """Files are sent in a form."""
    return {"format": "multipart"} if route == "/api/imports/" else {}


WRITING = [(route, method) for route, method in OPERATIONS if method != "get"]


@pytest.mark.parametrize(("route", "method"), WRITING, ids=[f"{method} {route}" for route, method in WRITING])
def test_what_is_changed_is_answered_as_described(api, world, document, route, method):
    """Success or refusal, whatever comes of it: the status is described, and the answer has the form described."""
    sent = sent_to(route, method, world) if method != "delete" else None

    response = getattr(as_needed(api, route, method), method)(route.format(**world), sent, **in_form(route))

    described = document["paths"][route][method]["responses"]
    assert str(response.status_code) in described
    assert complaints(document, described_answer(document, route, method, response), response.json()) == []
    if response.status_code >= 400:
        assert response.json()["error"]["code"] in described[str(response.status_code)]["description"]


# --- Where it is served ------------------------------------------------------------------------------------


def test_the_document_is_served_to_everybody_as_yaml_and_as_json(anyone, document):
    as_yaml = anyone.get("/api/schema/")
    as_json = anyone.get("/api/schema", HTTP_ACCEPT="application/vnd.oai.openapi+json")

    assert (as_yaml.status_code, as_json.status_code) == (200, 200)
    assert yaml.load(as_yaml.content, Loader=yaml.CSafeLoader) == json.loads(as_json.content)
    assert json.loads(as_json.content)["components"] == document["components"]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/", "/api/docs", "/api/redoc"])
def test_the_explorers_load_everything_from_here(anyone, path):
    response = anyone.get(path)

    html = response.content.decode()
    assert response.status_code == 200
    assert "//" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)  # no other host, in any scheme
    assert re.findall(r"""["'`(](?:https?:)?//""", html) == []
    assets = re.findall(r"""(?:src|href)="([^"]+)\"""", html)
    assert len(assets) >= 1
    for asset in assets:
        found = anyone.get(asset)
        assert (found.status_code, asset[:8]) == (200, "/static/")
        assert sum(len(chunk) for chunk in found.streaming_content) > 500


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/"])
def test_browsers_are_told_to_load_nothing_from_elsewhere(anyone, path):
    """ReDoc's script would fetch a logo from its maker."""
    policy = anyone.get(path)["Content-Security-Policy"]

    directives = {name: set(sources) for name, *sources in map(str.split, policy.split(";"))}
    assert directives["default-src"] == {"'self'"}
    assert set().union(*directives.values()) == {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
