"""Roles and keys by command."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.keys import recognised
from accounts.models import APIKey, Role
from tests.circulation.commands import run
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", [Role.ADMIN, Role.LIBRARIAN, Role.MEMBER])
def test_an_account_gets_a_role(role):
    account = UserFactory(username="ada", staff=True)

    assert run("set_role", "ada", role.label).out == [f"ada is now {role.label}."]

    account.refresh_from_db()
    assert account.role == role


def test_there_must_be_such_an_account():
    assert str(run("set_role", "nobody", "admin").failure) == "There is no account nobody."
    assert str(run("create_key", "nobody", "x", "admin").failure) == "There is no account nobody."


def test_a_key_is_printed_and_nothing_else():
    owner = UserFactory(username="clerk", staff=True)

    ran = run("create_key", "clerk", "Machine", "circulation:write", "catalogue:read", days=30)

    [text] = ran.out
    key = recognised(text)
    assert (key.owner, key.name, key.scopes) == (owner, "Machine", ["catalogue:read", "circulation:write"])
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=30)


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (("reader", "x", "catalogue:read"), {}, "A key of reader may not do this"),
        (("clerk", "x", "admin"), {}, "A key of clerk may not do this"),
        (("clerk", "x", "catalogue:read"), {"days": 0}, "A key is good for 1 to 36500 days."),
        (("clerk", "x" * 61, "catalogue:read"), {}, "A name has at most 60 characters."),
    ],
)
def test_what_a_key_cannot_be(args, options, message):
    UserFactory(username="reader")
    UserFactory(username="clerk", staff=True)

    assert str(run("create_key", *args, **options).failure).startswith(message)
    assert not APIKey.objects.exists()
