"""The OWASP API Security Top 10 (2023), a test or more for each line, named after it."""

import logging
import socket

import pytest
from django.apps import apps
from django.urls import get_resolver

from accounts.access import ACCESS
from accounts.models import User
from circulation.imports.command import Import
from circulation.models import Loan
from library.models import Member
from reservations.models import Reservation
from tests.api.asking import data_of, error_of, everything, invalid_fields, open_loan, raw, refusals_of
from tests.api.conftest import Client
from tests.api.routes import FILES, LISTS, ROUTES
from tests.api.signing import PASSWORD, signed_in, with_key
from tests.factories import BookFactory, LoanFactory, MemberFactory, ReservationFactory, UserFactory, general_policy

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada():
    return MemberFactory(user=UserFactory(username="ada"))


@pytest.fixture
def grace():
    return MemberFactory(user=UserFactory())


# --- API1 ------------------------------------------------------------------------------------------------------------


def test_api1_broken_object_level_authorization(ada, grace):
    """Every number that a member may put into an address or a body, counted up: only their own are there."""
    own = {open_loan(member=ada).pk}
    LoanFactory.create_batch(5, member=grace)
    places = {ReservationFactory(member=ada).pk}
    ReservationFactory.create_batch(5, member=grace)
    client, before = signed_in(ada.user), everything()

    def there(template, rows):
        numbers = range(rows.earliest("pk").pk - 2, rows.latest("pk").pk + 3)
        return {pk for pk in numbers if client.get(template.format(pk)).status_code == 200}

    assert there("/api/loans/{}/", Loan.objects) == own
    assert there("/api/reservations/{}/", Reservation.objects) == places
    for page in ("", "loans/", "history/", "reservations/"):
        assert there(f"/api/members/{{}}/{page}", Member.objects) == {ada.pk}
    for loan in Loan.objects.exclude(pk__in=own):
        error_of(client.post("/api/circulation/renew/", {"loan_id": loan.pk}), 404, "LOAN_NOT_FOUND")
        error_of(client.post("/api/circulation/return/", {"loan_id": loan.pk}), 404, "LOAN_NOT_FOUND")
    for place in Reservation.objects.exclude(pk__in=places):
        for action in ("cancel", "suspend", "resume", "fulfill"):
            path = f"/api/reservations/{place.pk}/{action}/"
            error_of(client.post(path), 404, "RESERVATION_NOT_FOUND")
    assert everything() == before


# --- API2 ------------------------------------------------------------------------------------------------------------


def test_api2_broken_authentication(anyone, ada, settings):
    """Guessing is cut short, what is told is the same for every mistake, and no secret is in an address."""
    settings.AXES_FAILURE_LIMIT, settings.THROTTLE = 5, False
    ada.user.set_password(PASSWORD)
    ada.user.save()
    answers = {
        username: [anyone.post("/api/token/", {"username": username, "password": "x"}) for _ in range(6)]
        for username in ("ada", "nobody")
    }
    for told in answers.values():
        assert [answer.status_code for answer in told] == [401] * 4 + [429] * 2
    assert answers["ada"][0].content == answers["nobody"][0].content
    assert answers["ada"][5].content == answers["nobody"][5].content
    assert not [route for route, _ in ACCESS if "token" in route and "<" in route]


# --- API3 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "user",
        "user_id",
        "is_staff",
        "is_superuser",
        "role",
        "blocked_reason",
        "expires_on",
        "category",
        "card_number",
    ],
)
@pytest.mark.parametrize("path", ["/api/register/", "/api/users/"])
def test_api3_broken_object_property_level_authorization(anyone, path, field):
    """What nobody may set is refused by name, not set in silence; and what nobody may see is not shown."""
    sent = {"username": "ada", "password": PASSWORD, "email": "a@example.org"} if "register" in path else {"name": "A"}

    assert invalid_fields(anyone.post(path, sent | {field: "1"}))[field] == "unknown"
    assert not User.objects.exists()
    assert not Member.objects.exists()


def test_api3_no_answer_holds_more_than_is_meant_for_its_reader(api, world):
    hidden = ("password", "hash", "digest", "is_staff", "is_superuser", "source_id", "last_login")
    for route, methods in ROUTES.items():
        if "GET" in methods and route not in FILES:
            text = api.get(route.format(**world)).content.decode()
            assert not [word for word in hidden if f'"{word}"' in text]


# --- API4 ------------------------------------------------------------------------------------------------------------


def test_api4_unrestricted_resource_consumption(api, world):
    """Pages, batches, bodies and texts have a size, and requests a number a minute."""
    for route in LISTS:
        assert invalid_fields(api.get(f"{route.format(**world)}?limit=201")) == {"limit": "invalid"}
    many = [{"op": "return", "barcode": "x"}] * 101
    assert invalid_fields(api.post("/api/circulation/batch/", {"operations": many})) == {"operations": "max_length"}
    error_of(raw(api, "POST", "/api/books/", b" " * 1_000_001), 413, "PAYLOAD_TOO_LARGE")
    assert invalid_fields(api.post("/api/books/", {"title": "x", "copies": 1001})) != {}
    assert all(rule.rate in ("read", "write", "account") for rule in ACCESS.values())


# --- API5 ------------------------------------------------------------------------------------------------------------


def test_api5_broken_function_level_authorization(ada, world):
    """What is the staff's is refused to members by every method, however it is asked for."""
    client, before = signed_in(ada.user), everything()
    staffs = [row for row, rule in ACCESS.items() if rule.who in ("staff", "named", "admin")]
    assert len(staffs) >= 20
    names = {"book_id": "book", "member_id": "member", "barcode": "barcode", "reservation_id": "reservation"}
    for route, method in staffs:
        path = route.replace("<id:key_id>", str(world["key"])).replace("<id:webhook_id>", str(world["webhook"]))
        path = path.replace("<id:job_id>", str(world["job"]))
        for name, ours in names.items():
            path = path.replace(f"<id:{name}>", str(world[ours])).replace(f"<barcode:{name}>", str(world[ours]))
        for headers in ({}, {"HTTP_X_HTTP_METHOD_OVERRIDE": method}, {"HTTP_X_ORIGINAL_URL": "/api/books/"}):
            assert raw(client, method, f"/{path}", {}, **headers).status_code == 403
        assert raw(client, "GET", f"/{path}?_method={method}", {}).status_code in (200, 403, 404, 405)
    assert everything() == before


# --- API6 ------------------------------------------------------------------------------------------------------------


def test_api6_unrestricted_access_to_sensitive_business_flows(ada):
    """Nobody hoards a title, the line or the shelves by asking often: the policy counts, for self-service as well."""
    general_policy(max_loans=2, max_reservations=2)
    client = signed_in(ada.user)
    books = [BookFactory(copies=3) for _ in range(3)]

    for book in books[:2]:
        data_of(client.post("/api/circulation/checkout/", {"book_id": book.pk}), 201)
    refusals_of(client.post("/api/circulation/checkout/", {"book_id": books[2].pk}), 422, "LOAN_LIMIT_REACHED")
    again = client.post("/api/circulation/checkout/", {"book_id": books[0].pk})
    refusals_of(again, 422, "LOAN_LIMIT_REACHED", "ALREADY_BORROWED")
    for _ in range(2):
        data_of(client.post("/api/reservations/", {"book_id": open_loan().book_id}), 201)
    third = client.post("/api/reservations/", {"book_id": open_loan().book_id})
    refusals_of(third, 422, "RESERVATION_LIMIT_REACHED")


# --- API7 ------------------------------------------------------------------------------------------------------------


def test_api7_server_side_request_forgery(api, world, monkeypatch, tmp_path):
    """An address in a field is text: nobody goes there."""
    went = []
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kw: went.append(args))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: went.append(args))
    url = "http://169.254.169.254/latest/meta-data/"

    data_of(api.post("/api/books/", {"title": url, "author": url, "publisher": url}), 201)
    data_of(api.post("/api/members/", {"name": url}), 201)
    for route in LISTS:
        api.get(f"{route.format(**world)}?search={url}", HTTP_REFERER=url, HTTP_X_FORWARDED_HOST="169.254.169.254")

    assert went == []
    assert "url" not in Import.__init__.__code__.co_varnames  # files are read from disk


# --- API8 ------------------------------------------------------------------------------------------------------------


def test_api8_security_misconfiguration(api, monkeypatch, settings, caplog):
    """A defect tells its story to the log and to nobody else."""
    settings.DEBUG = False
    monkeypatch.setattr("circulation.api.statistics.statistics", lambda **_: 1 / 0)
    client = Client(raise_request_exception=False)
    client.force_authenticate(UserFactory(staff=True))

    with caplog.at_level(logging.ERROR):
        response = client.get("/api/statistics/")

    assert error_of(response, 500, "INTERNAL_ERROR") is None
    assert b"ZeroDivision" not in response.content
    assert "ZeroDivisionError" in caplog.text
    for name in ("Server", "X-Powered-By"):
        assert name not in response
    assert settings.SESSION_COOKIE_HTTPONLY


def test_api8_a_host_that_is_not_ours_is_refused(anyone, settings):
    settings.ALLOWED_HOSTS = ["library.example.org"]

    error_of(anyone.get("/api/books/", HTTP_HOST="evil.example"), 400, "VALIDATION_ERROR")


# --- API9 ------------------------------------------------------------------------------------------------------------


def test_api9_improper_inventory_management(anyone):
    """What is served is described, and stands in the table; test_access.py and test_openapi.py walk it row by row."""
    described = anyone.get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()["paths"]
    tabled = {route for route, _ in ACCESS} - {"api/schema/", "api/docs/", "api/redoc/"}

    assert len(described) == len(tabled) == len(ROUTES)
    for forgotten in (
        "/api/v1/books/",
        "/api-auth/login/",
        "/__debug__/",
        "/api/books.json",
        "/.env",
        "/static/../.env",
    ):
        assert anyone.get(forgotten).status_code == 404
    assert get_resolver().reverse_dict.getlist("schema")


# --- API10 -----------------------------------------------------------------------------------------------------------


def test_api10_unsafe_consumption_of_apis(settings):
    """Nothing is taken from other services yet but the database's and the cache's own words, and those are JSON."""
    assert settings.CACHES["default"]["OPTIONS"]["SERIALIZER"] == "django_redis.serializers.json.JSONSerializer"
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
    assert not apps.is_installed("integrations")


# --- Keys of other scopes --------------------------------------------------------------------------------------------


def test_a_key_that_only_reads_changes_nothing(world):
    reading = with_key(UserFactory(admin=True), "catalogue:read", "members:read", "circulation:read")
    before = everything()
    for route, methods in ROUTES.items():
        for method in methods - {"GET"}:
            response = raw(reading, method, route.format(**world), {})
            # They say who is told, and so are reading; and a job is that of the key that asked for it.
            if not route.startswith(("/api/webhooks/", "/api/jobs/")):
                error_of(response, 403, "PERMISSION_DENIED")
    assert everything() == before
