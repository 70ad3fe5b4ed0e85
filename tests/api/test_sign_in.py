"""Signing in with a password, staying signed in, signing out; and every token that is no good."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from django.conf import settings as configured
from django.test import Client as Browser
from rest_framework_simplejwt.state import token_backend
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.models import FailedSignIn, User
from accounts.tokens import end_sign_ins, pair_for
from tests.api.asking import data_of, error_of, invalid_fields, message_of
from tests.api.conftest import Client
from tests.api.signing import PASSWORD, signed_in
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

SIGN_IN = "/api/token/"


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada():
    return User.objects.create_user("ada", "ada@example.org", PASSWORD, is_staff=True)


def bearer(token):
    client = Client()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def attempt(anyone, password=PASSWORD, username="ada", **extra):
    return anyone.post(SIGN_IN, {"username": username, "password": password}, **extra)


# --- In --------------------------------------------------------------------------------------------------------------


def test_who_knows_the_password_gets_a_pair_of_tokens(anyone, ada):
    response = attempt(anyone)

    pair = data_of(response)
    assert list(pair) == ["access", "refresh"]
    assert message_of(response) == "Signed in as ada."
    assert response["Cache-Control"] == "no-store"
    assert data_of(bearer(pair["access"]).get("/api/me/"))["username"] == "ada"
    ada.refresh_from_db()
    assert ada.last_login is not None


@pytest.mark.parametrize(
    ("username", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("ADA", PASSWORD), ("ada ", PASSWORD)]
)
def test_what_is_wrong_is_not_said(anyone, ada, username, password):
    response = attempt(anyone, password, username)

    assert error_of(response, 401, "NOT_AUTHENTICATED") is None
    assert response.json()["error"]["message"] == "Username or password is wrong."
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_disabled_account_does_not_sign_in(anyone, ada):
    User.objects.update(is_active=False)

    error_of(attempt(anyone), 401, "NOT_AUTHENTICATED")


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"username": "required", "password": "required"}),
        ({"username": 1, "password": None}, {"username": "invalid", "password": "null"}),
        ({"username": "a\0", "password": "b\0"}, {"username": "null_characters_not_allowed"}),
        ({"username": "a", "password": "x" * 1001}, {"password": "max_length"}),
        ({"username": "a", "password": "b", "role": "admin"}, {"role": "unknown"}),
    ],
)
def test_what_signing_in_cannot_be(anyone, sent, complaints):
    assert invalid_fields(anyone.post(SIGN_IN, sent)).items() >= complaints.items()


# --- Wrong tokens ----------------------------------------------------------------------------------------------------


def forged(ada, key=None, algorithm="HS256", **claims):
    payload = AccessToken(pair_for(ada).access).payload | claims
    return jwt.encode(payload, key or configured.SIMPLE_JWT["SIGNING_KEY"], algorithm=algorithm)


def unsigned(ada, algorithm):
    def part(content):
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    payload = AccessToken(pair_for(ada).access).payload
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(payload)}."


WRONG = {
    "nothing": lambda ada: "",
    "not a token": lambda ada: "x.y.z",
    "a password": lambda ada: PASSWORD,
    "cut short": lambda ada: pair_for(ada).access[:-3],
    "signed by somebody else": lambda ada: forged(ada, "x" * 64),
    "signed with the secret key itself": lambda ada: forged(ada, configured.SECRET_KEY.ljust(64, "-")),
    "signed in another way": lambda ada: forged(ada, algorithm="HS512"),
    "expired": lambda ada: forged(ada, exp=1),
    "without an end": lambda ada: forged(ada, exp=None),
    "of nobody": lambda ada: forged(ada, user_id="47110815"),
    "of no number": lambda ada: forged(ada, user_id="x"),
    "of a number too great": lambda ada: forged(ada, user_id="9" * 30),
    "without an account": lambda ada: forged(ada, user_id=None),
    "of another password": lambda ada: forged(ada, sign_in="x"),
    "without the password's digest": lambda ada: forged(ada, sign_in=None),
    "of another kind": lambda ada: pair_for(ada).refresh,
    "alg none": lambda ada: unsigned(ada, "none"),
    "alg None": lambda ada: unsigned(ada, "None"),
    "alg HS256 without a signature": lambda ada: unsigned(ada, "HS256"),
}


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_a_token_that_is_no_good_is_refused_everywhere(ada, make, is_open, settings):
    settings.OPEN_DESK = is_open
    client = bearer(make(ada))

    for path in ("/api/me/", "/api/books/", "/api/members/"):
        response = client.get(path)
        assert error_of(response, 401, "TOKEN_INVALID") is None
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("header", ["Basic YWRhOng=", "Token x", "Bearer", "bearer", "", " ", "Digest username=x"])
def test_another_way_of_signing_in_is_refused(anyone, header):
    error_of(anyone.get("/api/books/", HTTP_AUTHORIZATION=header), 401, "TOKEN_INVALID")


def test_the_word_bearer_is_known_in_any_case(ada):
    client = Client()
    client.credentials(HTTP_AUTHORIZATION=f"bEARER  {pair_for(ada).access}")

    data_of(client.get("/api/me/"))


def test_two_credentials_are_one_too_many(ada):
    response = signed_in(ada).get("/api/books/", HTTP_X_API_KEY="cdk_x")

    error_of(response, 401, "TOKEN_INVALID")
    assert response.json()["error"]["message"] == "Present a token or an API key, not both."


def test_an_account_that_is_disabled_or_demoted_is_so_at_once(ada):
    client = signed_in(ada)
    data_of(client.get("/api/members/"))

    User.objects.update(is_staff=False)
    error_of(client.get("/api/members/"), 403, "PERMISSION_DENIED")

    User.objects.update(is_active=False)
    error_of(client.get("/api/me/"), 401, "TOKEN_INVALID")

    User.objects.all().delete()
    error_of(client.get("/api/me/"), 401, "TOKEN_INVALID")


def test_an_access_token_ends(ada, settings):
    token = AccessToken(pair_for(ada).access)

    assert token["exp"] - token["iat"] == settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] / timedelta(seconds=1) == 600


# --- Staying in ------------------------------------------------------------------------------------------------------


def test_a_refresh_token_gets_one_new_pair(anyone, ada):
    first = data_of(attempt(anyone))

    second = data_of(anyone.post("/api/token/refresh/", {"refresh": first["refresh"]}))

    assert second["refresh"] != first["refresh"]
    data_of(bearer(second["access"]).get("/api/me/"))
    error_of(anyone.post("/api/token/refresh/", {"refresh": first["refresh"]}), 401, "TOKEN_INVALID")
    third = data_of(anyone.post("/api/token/refresh/", {"refresh": second["refresh"]}))
    assert set(third) == {"access", "refresh"}


@pytest.mark.parametrize("make", [lambda ada: pair_for(ada).access, lambda ada: "x", lambda ada: forged(ada)])
@pytest.mark.parametrize("path", ["refresh", "blacklist"])
def test_what_is_no_refresh_token_gets_nothing(anyone, ada, path, make):
    error_of(anyone.post(f"/api/token/{path}/", {"refresh": make(ada)}), 401, "TOKEN_INVALID")


def test_who_was_disabled_stays_out(anyone, ada):
    pair = data_of(attempt(anyone))
    User.objects.update(is_active=False)

    error_of(anyone.post("/api/token/refresh/", {"refresh": pair["refresh"]}), 401, "TOKEN_INVALID")
    User.objects.all().delete()
    error_of(anyone.post("/api/token/refresh/", {"refresh": pair["refresh"]}), 401, "TOKEN_INVALID")


def test_signing_out_ends_the_refresh_token(anyone, ada):
    refresh = data_of(attempt(anyone))["refresh"]

    assert data_of(anyone.post("/api/token/blacklist/", {"refresh": refresh})) is None

    for path in ("refresh", "blacklist"):
        error_of(anyone.post(f"/api/token/{path}/", {"refresh": refresh}), 401, "TOKEN_INVALID")
    error_of(anyone.post("/api/token/verify/", {"token": refresh}), 401, "TOKEN_INVALID")


def test_a_token_is_verified(anyone, ada):
    pair = pair_for(ada)

    for token in (pair.access, pair.refresh):
        assert data_of(anyone.post("/api/token/verify/", {"token": token})) is None
    error_of(anyone.post("/api/token/verify/", {"token": "x.y.z"}), 401, "TOKEN_INVALID")
    User.objects.update(is_active=False)
    error_of(anyone.post("/api/token/verify/", {"token": pair.access}), 401, "TOKEN_INVALID")


def test_every_sign_in_of_an_account_can_be_ended(anyone, ada):
    pairs = [pair_for(ada) for _ in range(3)]
    other = pair_for(UserFactory())

    end_sign_ins(ada)

    for pair in pairs:
        error_of(bearer(pair.access).get("/api/me/"), 401, "TOKEN_INVALID")
        error_of(anyone.post("/api/token/refresh/", {"refresh": pair.refresh}), 401, "TOKEN_INVALID")
    data_of(anyone.post("/api/token/refresh/", {"refresh": other.refresh}))


def test_the_token_of_an_account_that_is_gone_leaves_nothing_behind(anyone, ada):
    refresh = pair_for(ada).refresh
    User.objects.all().delete()
    OutstandingToken.objects.all().delete()

    for path in ("refresh", "blacklist"):
        error_of(anyone.post(f"/api/token/{path}/", {"refresh": refresh}), 401, "TOKEN_INVALID")
    assert not OutstandingToken.objects.exists()


def test_a_username_is_the_same_in_whatever_form_it_is_typed(anyone):
    User.objects.create_user("zoé", password=PASSWORD)  # one character or two

    data_of(attempt(anyone, username="zoe\u0301"))


def test_the_database_keeps_no_token(anyone, ada):
    pair = data_of(attempt(anyone))
    data_of(anyone.post("/api/token/refresh/", {"refresh": pair["refresh"]}))

    kept = OutstandingToken.objects.all()
    assert [row.token for row in kept] == ["", ""]
    assert RefreshToken(pair["refresh"], verify=False)["jti"] in {row.jti for row in kept}


# --- A new password --------------------------------------------------------------------------------------------------


def test_a_new_password_ends_every_token_and_session(anyone, ada):
    pair, browser = data_of(attempt(anyone)), Browser()
    browser.force_login(ada, "django.contrib.auth.backends.ModelBackend")
    data_of(browser.get("/api/me/"))
    client = bearer(pair["access"])

    new = data_of(client.post("/api/me/password/", {"current": PASSWORD, "new": "another staple, better"}))

    error_of(client.get("/api/me/"), 401, "TOKEN_INVALID")
    error_of(anyone.post("/api/token/refresh/", {"refresh": pair["refresh"]}), 401, "TOKEN_INVALID")
    error_of(browser.get("/api/me/"), 401, "NOT_AUTHENTICATED")
    data_of(bearer(new["access"]).get("/api/me/"))
    error_of(attempt(anyone), 401, "NOT_AUTHENTICATED")
    data_of(attempt(anyone, "another staple, better"))


def test_a_new_password_needs_the_old_one_and_must_be_good(ada):
    client = signed_in(ada)

    details = error_of(client.post("/api/me/password/", {"current": "wrong", "new": PASSWORD}), 400, "VALIDATION_ERROR")
    assert details == {"current": [{"code": "wrong_password", "message": "This is not your password."}]}
    for new, code in [("12345678", "password_entirely_numeric"), ("ada", "password_too_similar"), ("x", None)]:
        details = error_of(client.post("/api/me/password/", {"current": PASSWORD, "new": new}), 400, "VALIDATION_ERROR")
        assert code in {None, *(complaint["code"] for complaint in details["new"])}
    data_of(client.get("/api/me/"))


# --- Guessing --------------------------------------------------------------------------------------------------------


def guess(anyone, times, **fields):
    return [attempt(anyone, "wrong", **fields).status_code for _ in range(times)]


@pytest.fixture
def _limits(settings):
    settings.AXES_FAILURE_LIMIT, settings.FAILURES_FROM_AFAR, settings.THROTTLE = 3, 2, False


@pytest.mark.usefixtures("_limits")
def test_too_many_wrong_passwords_lock_the_account_whoever_guesses(anyone, ada):
    assert guess(anyone, 3, REMOTE_ADDR="192.0.2.1") == [401, 401, 429]
    assert guess(anyone, 2, REMOTE_ADDR="192.0.2.1", HTTP_USER_AGENT="other") == [429, 429]
    data_of(attempt(anyone, REMOTE_ADDR="192.0.2.2"))  # nobody is locked out from afar by one who guesses
    assert guess(anyone, 3, REMOTE_ADDR="192.0.2.3") == [401, 401, 429]

    response = attempt(anyone, REMOTE_ADDR="192.0.2.4")

    assert error_of(response, 429, "THROTTLED") is None
    assert response["Retry-After"] == "900"
    assert response.json()["error"]["message"] == (
        "Too many wrong passwords. Try again in 15 minutes, or ask an administrator to lift the lock."
    )
    UserFactory(username="grace").set_password(PASSWORD)
    assert guess(anyone, 1, username="grace", REMOTE_ADDR="192.0.2.4") == [401]


@pytest.mark.usefixtures("_limits")
def test_too_many_wrong_passwords_lock_the_address_whoever_is_meant(anyone, ada):
    for number in range(5):
        assert guess(anyone, 1, username=f"guess{number}", REMOTE_ADDR="192.0.2.1") == [401]
    assert guess(anyone, 1, username="guess", REMOTE_ADDR="192.0.2.1") == [429]

    error_of(attempt(anyone, REMOTE_ADDR="192.0.2.1"), 429, "THROTTLED")
    data_of(attempt(anyone, REMOTE_ADDR="192.0.2.2"))


@pytest.mark.usefixtures("_limits")
def test_a_lock_ends_by_itself(anyone, ada):
    guess(anyone, 3)
    error_of(attempt(anyone), 429, "THROTTLED")

    for row in FailedSignIn.objects.all():
        FailedSignIn.objects.filter(pk=row.pk).update(attempt_time=row.attempt_time - timedelta(minutes=16))

    data_of(attempt(anyone))


@pytest.mark.usefixtures("_limits")
def test_the_pages_of_the_admin_and_a_change_of_password_are_locked_alike(anyone, ada):
    client = signed_in(ada)
    wrong = [client.post("/api/me/password/", {"current": "wrong", "new": PASSWORD}).status_code for _ in range(3)]

    assert wrong == [400, 400, 429]
    error_of(client.post("/api/me/password/", {"current": PASSWORD, "new": "x"}), 429, "THROTTLED")
    page = Browser().post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert (page.status_code, page["Content-Type"], page["Retry-After"]) == (429, "text/plain; charset=utf-8", "900")
    assert b"Too many wrong passwords." in page.content


@pytest.mark.usefixtures("_limits")
def test_failing_leaves_no_password_behind(anyone, ada):
    Browser().post("/admin/login/", {"username": "ada", "password": "almost right"})
    attempt(anyone, "almost right")

    for row in FailedSignIn.objects.values():
        assert "almost right" not in str(row)


# --- Another SECRET_KEY -----------------------------------------------------------------------------------------------


@pytest.fixture
def changed_key(settings, monkeypatch):
    """Makes SECRET_KEY another one, as config/settings.py does when the earlier one is given beside it."""

    def change(*, earlier_is_known):
        earlier, signing = settings.SECRET_KEY, settings.SIMPLE_JWT["SIGNING_KEY"]
        settings.SECRET_KEY = "another-one-of-at-least-32-characters"
        settings.SECRET_KEY_FALLBACKS = [earlier] if earlier_is_known else []
        settings.EARLIER_SIGNING_KEYS = [signing] if earlier_is_known else []
        monkeypatch.setattr(token_backend, "signing_key", "f" * 64)
        monkeypatch.delitem(vars(token_backend), "prepared_signing_key", raising=False)

    yield change
    vars(token_backend).pop("prepared_signing_key", None)


@pytest.mark.parametrize("earlier_is_known", [True, False])
def test_tokens_of_an_earlier_key_are_good_while_it_is_known(anyone, ada, changed_key, earlier_is_known):
    pair = data_of(attempt(anyone))
    changed_key(earlier_is_known=earlier_is_known)

    response = bearer(pair["access"]).get("/api/me/")
    renewed = anyone.post("/api/token/refresh/", {"refresh": pair["refresh"]})

    if not earlier_is_known:
        error_of(response, 401, "TOKEN_INVALID")
        error_of(renewed, 401, "TOKEN_INVALID")
        return
    assert data_of(response)["username"] == "ada"
    again = data_of(renewed)
    error_of(anyone.post("/api/token/refresh/", {"refresh": pair["refresh"]}), 401, "TOKEN_INVALID")
    changed_key(earlier_is_known=False)  # what was renewed is of the new key
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(again["access"], configured.SIMPLE_JWT["SIGNING_KEY"], algorithms=["HS256"])
    assert data_of(bearer(again["access"]).get("/api/me/"))["username"] == "ada"


@pytest.mark.parametrize(("earlier_is_known", "status"), [(True, 200), (False, 302)])
def test_sessions_of_an_earlier_key_are_good_while_it_is_known(ada, changed_key, earlier_is_known, status):
    browser = Browser()
    browser.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    changed_key(earlier_is_known=earlier_is_known)

    assert browser.get("/admin/").status_code == status


def test_what_an_earlier_key_signed_ends_with_the_password_too(anyone, ada, changed_key):
    pair = data_of(attempt(anyone))
    changed_key(earlier_is_known=True)
    end_sign_ins(ada)

    error_of(bearer(pair["access"]).get("/api/me/"), 401, "TOKEN_INVALID")
