"""Accounts, API keys and locks, as an admin and as a librarian meet them."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from accounts.keys import recognised
from accounts.models import APIKey, FailedSignIn, Role, User
from accounts.tokens import pair_for
from library.models import Book, Member
from tests.admin.browser import Browser, change_page, errors, page, told
from tests.factories import BookFactory, KeyFactory, MemberFactory, UserFactory

pytestmark = pytest.mark.django_db

OF_ADMINS = [page(APIKey), page(APIKey, "add"), page(FailedSignIn), page(User, "add")]


@pytest.fixture
def clerk():
    """A librarian, not an admin."""
    client = Client()
    client.force_login(UserFactory(username="clerk", staff=True), "django.contrib.auth.backends.ModelBackend")
    return Browser(client)


# --- Roles -----------------------------------------------------------------------------------------------------------


def test_a_librarian_works_at_the_desk(clerk):
    book = BookFactory(title="Before")

    clerk.save(change_page(book), title="After")

    book.refresh_from_db()
    assert book.title == "After"
    for model in (Book, Member):
        clerk.open(page(model, "add"))


@pytest.mark.parametrize("url", OF_ADMINS)
def test_a_librarian_has_nothing_to_do_with_keys_and_locks(clerk, url):
    assert clerk.client.get(url).status_code == 403


def test_a_librarian_finds_the_account_of_a_member_and_changes_none(clerk):
    account, member = UserFactory(username="ada"), MemberFactory()

    found = clerk.client.get(
        "/admin/autocomplete/",
        {"term": "ada", "app_label": "library", "model_name": "member", "field_name": "user"},
    ).json()
    assert [row["id"] for row in found["results"]] == [str(account.pk)]
    clerk.save(change_page(member), user=account.pk)
    member.refresh_from_db()
    assert member.user == account

    clerk.open(page(User))
    assert clerk.client.get(change_page(account)).status_code == 200
    response = clerk.client.post(change_page(account), {"username": "ada", "role": "3", "is_active": "on"})
    assert response.status_code == 403
    assert clerk.client.get(f"/admin/accounts/user/{account.pk}/password/").status_code == 403
    account.refresh_from_db()
    assert account.role == Role.MEMBER


def test_a_member_has_no_business_here():
    client = Client()
    client.force_login(UserFactory(), "django.contrib.auth.backends.ModelBackend")

    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize("role", [Role.MEMBER, Role.LIBRARIAN, Role.ADMIN])
def test_an_admin_gives_and_takes_roles(desk, role):
    account = UserFactory(staff=True)

    desk.save(change_page(account), role=int(role))

    account.refresh_from_db()
    assert account.role == role
    assert (account.is_staff, account.is_superuser) == (role >= Role.LIBRARIAN, role == Role.ADMIN)


def test_an_admin_cannot_take_it_from_themselves(desk, librarian):
    response = desk.save(change_page(librarian), role=int(Role.LIBRARIAN), is_active=False)

    assert errors(response) == {
        "role": ["You cannot take this role from yourself. Ask another admin."],
        "is_active": ["You cannot lock yourself out. Ask another admin."],
    }
    librarian.refresh_from_db()
    assert (librarian.role, librarian.is_active) == (Role.ADMIN, True)


def test_an_admin_cannot_delete_themselves(desk, librarian):
    other = UserFactory()

    assert desk.client.post(page(User, "delete", librarian.pk), {"post": "yes"}).status_code == 403
    desk.act("delete_selected", librarian, other, post="yes")
    assert set(User.objects.all()) == {librarian, other}

    desk.act("delete_selected", other, post="yes")
    assert list(User.objects.all()) == [librarian]
    assert not LogEntry.objects.filter(action_flag=3).exists()  # which would keep a name that is gone


def test_who_may_only_look_sees_nothing_of_a_password(clerk):
    account = UserFactory()
    account.set_password("secret")
    account.save()

    assert "pbkdf2" not in clerk.open(change_page(account)).content.decode()


def test_accounts_are_listed_and_found_by_role_and_name(desk, librarian):
    member, clerk = UserFactory(username="ada", email="ada@example.org"), UserFactory(staff=True)

    def shown(**query):
        return set(desk.open(page(User), **query).context["cl"].result_list)

    assert shown(role="member") == {member}
    assert shown(role="librarian") == {clerk}
    assert shown(role="admin") == {librarian}
    assert shown(q="da") == shown(q="ADA@example.org") == {member}


def test_every_sign_in_of_an_account_can_be_ended(desk):
    account = UserFactory(username="reader")
    access, browser = pair_for(account).access, Client()
    browser.force_login(account, "django.contrib.auth.backends.ModelBackend")

    assert told(desk.act("sign_out", account)) == [
        "Signed out everywhere: reader. Their API keys go on until they are revoked."
    ]

    assert Client().get("/api/me/", HTTP_AUTHORIZATION=f"Bearer {access}").status_code == 401
    assert browser.get("/api/me/").status_code == 401


# --- Keys ------------------------------------------------------------------------------------------------------------


def made(desk, owner, **fields):
    data = {"name": "Machine", "owner": owner.pk, "scopes": ["catalogue:read", "circulation:write"]} | fields
    return desk.send(page(APIKey, "add"), data)


def test_a_key_is_shown_once(desk):
    owner = UserFactory(staff=True)

    response = made(desk, owner)

    [text] = re.findall(r"cdk_[\w-]{43}", told(response)[0])
    assert recognised(text) == APIKey.objects.get()
    assert APIKey.objects.get().scopes == ["catalogue:read", "circulation:write"]
    for url in (page(APIKey), change_page(APIKey.objects.get())):
        assert text not in desk.open(url).content.decode()


def test_what_a_key_cannot_be(desk):
    reader, clerk = UserFactory(), UserFactory(username="clerk", staff=True)
    past = timezone.now() - timedelta(minutes=1)

    assert errors(made(desk, reader)) == {"owner": ["Keys belong to librarians and admins."]}
    assert errors(made(desk, clerk, scopes=["admin"])) == {"scopes": ["clerk is no admin, so their key cannot be."]}
    late = made(desk, clerk, expires_at_0=f"{past:%Y-%m-%d}", expires_at_1=f"{past:%H:%M}")
    assert errors(late) == {"expires_at": ["This moment has passed."]}
    assert errors(made(desk, clerk, scopes=[])) == {"scopes": ["This field is required."]}
    assert not APIKey.objects.exists()


def test_keys_are_listed_by_their_standing(desk):
    good, old, gone = KeyFactory(), KeyFactory(expired=True), KeyFactory(revoked=True)

    for standing, key in (("good", good), ("expired", old), ("revoked", gone)):
        assert list(desk.open(page(APIKey), standing=standing).context["cl"].result_list) == [key]


def test_a_key_is_revoked_and_stays_to_be_seen(desk):
    key = KeyFactory(name="Machine")

    assert told(desk.act("revoke", key)) == ["Revoked: Machine."]

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert desk.client.post(page(APIKey, "delete", key.pk), {"post": "yes"}).status_code == 403
    assert desk.client.post(change_page(key), {"name": "x"}).status_code == 403


# --- Locks -----------------------------------------------------------------------------------------------------------


def attempt(username, address):
    return Client().post("/admin/login/", {"username": username, "password": "x"}, REMOTE_ADDR=address).status_code


@pytest.fixture
def _limits(settings):
    settings.AXES_FAILURE_LIMIT, settings.FAILURES_FROM_AFAR = 2, 2
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.mark.usefixtures("_limits")
def test_a_locked_account_is_seen_and_let_in_again(desk):
    UserFactory(username="ada")
    assert [attempt("ada", f"192.0.2.{number}") for number in (1, 1, 1)] == [200, 429, 429]
    assert "this account, from this address" in desk.open(page(FailedSignIn)).content.decode()
    assert [attempt("ada", f"192.0.2.{number}") for number in (2, 3, 4)] == [200, 429, 429]

    rows = list(desk.open(page(FailedSignIn), q="ada").context["cl"].result_list)
    assert {(row.username, row.failures_since_start) for row in rows} == {("ada", 1), ("ada", 2)}
    assert "this account, from everywhere" in desk.open(page(FailedSignIn)).content.decode()
    assert told(desk.act("let_account_in", rows[0])) == ["May try again: ada."]

    assert attempt("ada", "192.0.2.1") == 200


@pytest.mark.usefixtures("_limits")
def test_a_locked_address_is_seen_and_let_in_again(desk):
    assert [attempt(f"guess{number}", "192.0.2.1") for number in range(5)] == [200, 200, 200, 429, 429]

    rows = list(desk.open(page(FailedSignIn), q="192.0.2.1").context["cl"].result_list)
    assert len(rows) == 4
    assert "everybody at this address" in desk.open(page(FailedSignIn)).content.decode()
    assert told(desk.act("let_address_in", rows[0])) == ["May try again: 192.0.2.1."]

    assert attempt("guess", "192.0.2.1") == 200
