"""API keys: made, shown once, used, limited, revoked."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.keys import create_key
from accounts.models import APIKey, Scope
from tests.api.asking import data_of, error_of, invalid_fields, message_of
from tests.api.conftest import Client
from tests.api.signing import signed_in, with_key
from tests.factories import NOW, BookFactory, KeyFactory, MemberFactory, UserFactory

pytestmark = pytest.mark.django_db

KEYS = "/api/keys/"
KEY = {"id", "name", "owner", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"}


@pytest.fixture
def admin():
    return UserFactory(admin=True)


@pytest.fixture
def clerk():
    """Signs in as a librarian."""
    return signed_in(UserFactory(username="clerk", staff=True))


def presenting(text):
    client = Client()
    client.credentials(HTTP_X_API_KEY=text)
    return client


def test_a_key_is_shown_once_and_kept_as_a_digest(clerk):
    response = clerk.post(KEYS, {"name": "Machine", "scopes": ["circulation:write", "catalogue:read"]})

    data = data_of(response, 201)
    assert set(data) == KEY | {"key"}
    assert data["key"].startswith("cdk_")
    assert data["key"][:12] == data["prefix"]
    assert (data["owner"], data["scopes"]) == ("clerk", ["catalogue:read", "circulation:write"])
    assert (data["expires_at"], data["last_used_at"], data["revoked_at"]) == (None, None, None)
    assert message_of(response) == "Keep this key safe: it cannot be shown again. It is called Machine."
    assert (response["Location"], response["Cache-Control"]) == (f"/api/keys/{data['id']}/", "no-store")
    assert APIKey.objects.get().digest == hashlib.sha256(data["key"].encode()).hexdigest()
    again = clerk.get(response["Location"])
    assert set(data_of(again)) == KEY
    assert data["key"].encode() not in again.content + clerk.get(KEYS).content


def test_a_key_does_the_desks_work_as_its_owner(clerk):
    key = data_of(clerk.post(KEYS, {"name": "Machine", "scopes": ["circulation:write"]}), 201)
    machine = presenting(key["key"])
    member, book = MemberFactory(), BookFactory(copies=1)

    lent = data_of(machine.post("/api/circulation/checkout/", {"member_id": member.pk, "book_id": book.pk}), 201)

    assert lent["loan"]["member_id"] == member.pk
    error_of(machine.get("/api/members/"), 403, "PERMISSION_DENIED")
    error_of(machine.get("/api/books/"), 403, "PERMISSION_DENIED")
    denied = machine.get("/api/members/").json()["error"]["message"]
    assert denied == "This API key is not good for this: it lacks the scope members:read."


def test_a_key_knows_what_it_is(admin):
    me = data_of(with_key(admin, "catalogue:read", "admin").get("/api/me/"))

    assert (me["username"], me["role"], me["scopes"]) == (admin.username, "admin", ["admin", "catalogue:read"])


def test_no_key_makes_keys_or_sees_a_persons_own_pages(admin):
    machine = with_key(admin, *Scope.values)

    for method, path in (("post", KEYS), ("get", "/api/me/loans/"), ("post", "/api/me/password/")):
        response = getattr(machine, method)(path, {"name": "x", "scopes": ["admin"]} if method == "post" else None)
        error_of(response, 403, "PERMISSION_DENIED")
        assert response.json()["error"]["message"] == "No API key may do this. Sign in."
    assert APIKey.objects.count() == 1


# --- Its end ---------------------------------------------------------------------------------------------------------


def test_a_revoked_key_is_refused_from_the_next_request_on(clerk):
    key = data_of(clerk.post(KEYS, {"name": "Machine", "scopes": ["catalogue:read"]}), 201)
    machine = presenting(key["key"])
    data_of(machine.get("/api/books/"))

    response = clerk.delete(f"{KEYS}{key['id']}/")

    assert data_of(response)["revoked_at"] is not None
    assert message_of(response) == "The key Machine is revoked."
    error_of(machine.get("/api/books/"), 401, "TOKEN_INVALID")
    again = data_of(clerk.delete(f"{KEYS}{key['id']}/"))
    assert again["revoked_at"] == data_of(response)["revoked_at"]


def test_an_expired_key_is_refused(admin):
    soon = timezone.now() + timedelta(seconds=60)
    _, text = create_key(owner=admin, name="x", scopes=["catalogue:read"], expires_at=soon)
    data_of(presenting(text).get("/api/books/"))

    APIKey.objects.update(expires_at=timezone.now())

    error_of(presenting(text).get("/api/books/"), 401, "TOKEN_INVALID")


def test_a_key_ends_with_its_owners_work(admin):
    machine = with_key(admin, "catalogue:read")

    for change in ({"is_active": False}, {"is_active": True, "is_staff": False, "is_superuser": False}):
        type(admin).objects.filter(pk=admin.pk).update(**change)
        error_of(machine.get("/api/books/"), 401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "cdk_", "cdk_" + "x" * 43, "cdk_" + "x" * 4000, "a\0b", "cdk_é" + "x" * 42, "' OR 1=1 --", "\udcff"],
)
@pytest.mark.parametrize("is_open", [False, True])
def test_what_is_no_key_is_refused(admin, text, is_open, settings):
    settings.OPEN_DESK = is_open
    KeyFactory()

    error_of(presenting(text).get("/api/books/"), 401, "TOKEN_INVALID")


def test_the_last_use_is_known_to_five_minutes(admin):
    machine = with_key(admin, "catalogue:read")
    machine.get("/api/books/")
    first = APIKey.objects.get().last_used_at
    assert abs(timezone.now() - first) < timedelta(seconds=30)

    machine.get("/api/books/")
    assert APIKey.objects.get().last_used_at == first

    APIKey.objects.update(last_used_at=first - timedelta(minutes=6))
    machine.get("/api/books/")
    assert APIKey.objects.get().last_used_at > first - timedelta(minutes=1)


# --- Whose -----------------------------------------------------------------------------------------------------------


def test_librarians_see_and_revoke_their_own_keys_and_admins_all(clerk, admin):
    theirs, other = KeyFactory(owner__username="other"), KeyFactory(owner=admin)
    own = data_of(clerk.post(KEYS, {"name": "Machine", "scopes": ["catalogue:read"]}), 201)

    def seen(client):
        return {row["id"] for row in data_of(client.get(KEYS))["results"]}

    assert seen(clerk) == {own["id"]}
    assert seen(signed_in(admin)) == {own["id"], theirs.pk, other.pk}
    for method in (clerk.get, clerk.delete):
        foreign, nothing = method(f"{KEYS}{theirs.pk}/"), method(f"{KEYS}47110815/")
        error_of(foreign, 404, "NOT_FOUND")
        assert foreign.content == nothing.content.replace(b"47110815", str(theirs.pk).encode())
    assert data_of(signed_in(admin).delete(f"{KEYS}{theirs.pk}/"))["owner"] == "other"


def test_the_admin_scope_is_for_admins(clerk, admin):
    sent = {"name": "x", "scopes": ["admin"]}

    error_of(clerk.post(KEYS, sent), 403, "PERMISSION_DENIED")
    data_of(signed_in(admin).post(KEYS, sent), 201)
    assert APIKey.objects.count() == 1


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({"name": ""}, {"name": "blank"}),
        ({"name": "x" * 61}, {"name": "max_length"}),
        ({"scopes": []}, {"scopes": "empty"}),
        ({"scopes": "admin"}, {"scopes": "not_a_list"}),
        ({"scopes": ["everything"]}, {"scopes.0": "invalid_choice"}),
        ({"scopes": [["admin"]]}, {"scopes.0": "invalid_choice"}),
        ({"expires_at": NOW.isoformat()}, {"expires_at": "past"}),
        ({"expires_at": "soon"}, {"expires_at": "invalid"}),
        ({"owner": "admin"}, {"owner": "unknown"}),
        ({"key": "cdk_mine"}, {"key": "unknown"}),
    ],
)
def test_what_a_key_cannot_be(clerk, sent, complaints):
    found = invalid_fields(clerk.post(KEYS, {"name": "x", "scopes": ["catalogue:read"]} | sent))

    assert {field: code for field, code in found.items() if code != "min_length"} | (
        {"scopes": "empty"} if found.get("scopes") == "min_length" else {}
    ) == complaints
    assert not APIKey.objects.exists()
