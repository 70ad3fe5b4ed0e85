"""How much each may ask in a minute, told in headers, counted in Redis, harmless without it."""

import logging

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import throttling
from events import redis
from tests.api.asking import data_of, error_of
from tests.api.conftest import Client
from tests.api.signing import signed_in, with_key
from tests.cache.conftest import use_cache_at, valkey
from tests.factories import MemberFactory, UserFactory

__all__ = ["valkey"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _asked(monkeypatch):
    monkeypatch.setattr(redis, "_silent_until", 0.0)


@pytest.fixture
def rates(settings):
    rates = {
        "anonymous": {"read": 3, "write": 2, "account": 1},
        "member": {"read": 4, "write": 2, "account": 1},
        "staff": {"read": 5, "write": 2, "account": 1},
        "key": {"read": 6, "write": 2, "account": 1},
    }
    settings.THROTTLE_RATES = rates
    return rates


def let_in(client, times=10, method="get", path="/api/books/", **extra):
    """How many of so many requests were let in before one was not."""
    for number in range(times):
        if raw(client, method, path, **extra).status_code == 429:
            return number
    return times


def raw(client, method, path, **extra):
    return getattr(client, method)(path, **extra)


@pytest.mark.usefixtures("rates")
def test_who_asks_too_much_is_told_when_to_come_back(anyone):
    assert let_in(anyone) == 3

    response = anyone.get("/api/books/")

    assert error_of(response, 429, "THROTTLED") is None
    assert 1 <= int(response["Retry-After"]) <= 20
    assert response["RateLimit-Policy"] == '"read";q=3;w=60'
    assert response["RateLimit"].startswith('"read";r=0;t=')


def test_every_answer_says_what_is_left(anyone, rates):
    left = []
    for _ in range(3):
        response = anyone.get("/api/books/")
        data_of(response)
        assert response["RateLimit-Policy"] == '"read";q=3;w=60'
        policy, remaining, until = response["RateLimit"].split(";")
        left.append(int(remaining.removeprefix("r=")))
        assert policy == '"read"'
        assert 1 <= int(until.removeprefix("t=")) <= 60
    assert left == [2, 1, 0]
    denied = anyone.get("/api/members/", REMOTE_ADDR="192.0.2.1")
    error_of(denied, 401, "NOT_AUTHENTICATED")
    assert denied["RateLimit"].startswith('"read";r=2;')


@pytest.mark.usefixtures("rates")
def test_each_role_has_its_own_allowance(anyone):
    assert let_in(anyone) == 3
    assert let_in(signed_in(MemberFactory(user=UserFactory()).user)) == 4
    assert let_in(signed_in(UserFactory(staff=True))) == 5
    assert let_in(with_key(UserFactory(admin=True), "catalogue:read")) == 6


@pytest.mark.usefixtures("rates")
def test_each_caller_has_their_own_and_an_address_is_a_caller(anyone):
    first, second = (signed_in(UserFactory(staff=True)) for _ in range(2))
    assert let_in(first) == let_in(second) == 5

    assert let_in(anyone, REMOTE_ADDR="192.0.2.1") == 3
    assert let_in(anyone, REMOTE_ADDR="192.0.2.2") == 3
    assert let_in(anyone, REMOTE_ADDR="2001:db8::1") == 3
    assert let_in(anyone, REMOTE_ADDR="2001:db8::2") == 0  # the same network
    assert let_in(anyone, REMOTE_ADDR="2001:db8:0:1::2") == 3


@pytest.mark.usefixtures("rates")
def test_reading_writing_and_accounts_are_counted_apart():
    client = signed_in(UserFactory(staff=True))

    assert let_in(client) == 5
    assert let_in(client, method="post", path="/api/circulation/return/") == 2
    assert let_in(client, method="post", path="/api/token/") == 1


@pytest.mark.usefixtures("rates")
@pytest.mark.parametrize("method", ["head", "options"])
def test_looking_in_another_way_counts_as_well(anyone, method):
    assert let_in(anyone, method=method) == 3
    assert let_in(anyone) == 0


@pytest.mark.usefixtures("rates")
def test_guessing_credentials_is_counted():
    wrong = Client()
    wrong.credentials(HTTP_AUTHORIZATION="Bearer x.y.z")
    assert let_in(wrong) == 3

    wrong.credentials(HTTP_X_API_KEY="cdk_" + "x" * 43)
    assert let_in(wrong) == 0
    error_of(wrong.get("/api/books/"), 429, "THROTTLED")


@pytest.mark.usefixtures("rates")
def test_who_is_refused_is_counted(anyone):
    assert let_in(anyone, path="/api/members/") == 3


@pytest.mark.parametrize(
    ("proxies", "forwarded", "allowed"),
    [
        (0, ["1.1.1.1", "2.2.2.2"], 3),  # anybody may write that header
        (1, ["1.1.1.1", "2.2.2.2"], 6),
        (1, ["9.9.9.9, 1.1.1.1", "8.8.8.8, 1.1.1.1"], 3),  # what the client wrote stands left of what the proxy saw
        (2, ["1.1.1.1, 5.5.5.5", "2.2.2.2, 5.5.5.5"], 6),
        (2, ["1.1.1.1", "2.2.2.2"], 3),  # did not come by way of both
        (1, ["nonsense", "' OR 1=1"], 3),
        (1, ["1.1.1.1:4711", "1.1.1.1:4712"], 3),
        (1, ["[2001:db8::1]:443", "[2001:db8:0:1::1]:443", "2001:db8::2"], 6),
    ],
)
@pytest.mark.usefixtures("rates")
def test_the_address_is_what_our_own_proxies_saw(anyone, settings, proxies, forwarded, allowed):
    settings.TRUSTED_PROXIES = proxies

    assert sum(let_in(anyone, HTTP_X_FORWARDED_FOR=header) for header in forwarded) == allowed


@pytest.mark.usefixtures("rates")
def test_signing_in_to_the_admin_is_counted_too(anyone, client):
    sent = {"username": "ada", "password": "x"}
    assert client.post("/admin/login/", sent).status_code == 200

    response = client.post("/admin/login/", sent)

    assert (response.status_code, response["Content-Type"]) == (429, "text/plain; charset=utf-8")
    seconds = response["Retry-After"]
    assert 1 <= int(seconds) <= 60
    assert response.content.decode() == f"Request was throttled. Expected available in {seconds} seconds."
    assert let_in(anyone, path="/api/token/", method="post") == 0


@pytest.mark.usefixtures("rates")
@pytest.mark.parametrize("setting", ["OPEN_DESK", "THROTTLE"])
def test_an_open_desk_counts_nothing_and_it_can_be_turned_off(anyone, settings, setting):
    setattr(settings, setting, setting == "OPEN_DESK")

    assert let_in(anyone) == 10
    assert "RateLimit" not in anyone.get("/api/books/")


# --- Redis -----------------------------------------------------------------------------------------------------------


def test_counting_takes_one_round_trip(anyone, valkey, monkeypatch):
    anyone.get("/api/members/")  # the script is loaded once
    limiter = throttling._limiter(valkey.url(db=0), 300)
    client = limiter._store._backend.get_client()
    sent = []
    execute = client.execute_command
    monkeypatch.setattr(client, "execute_command", lambda *args, **kw: (sent.append(args[0]), execute(*args, **kw))[1])

    with CaptureQueriesContext(connection) as queries:
        error_of(anyone.get("/api/members/"), 401, "NOT_AUTHENTICATED")

    assert sent == ["EVALSHA"]
    assert len(queries) == 0


def test_without_redis_everybody_is_let_in(anyone, valkey, rates, caplog):
    assert let_in(anyone) == 3
    valkey.stop()

    with caplog.at_level(logging.WARNING, "events.redis"):
        assert let_in(anyone, 20) == 20

    assert "RateLimit" not in anyone.get("/api/books/")
    assert len(caplog.records) == 1


def test_a_redis_that_was_never_there_holds_nobody_up(anyone, settings, rates):
    use_cache_at(settings, "redis://127.0.0.1:9/0")

    assert let_in(anyone) == 10
