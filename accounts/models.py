"""Who signs in, and the keys of programs. A person who borrows is a library.Member, with or without an account."""

from __future__ import annotations

import enum
from typing import Any

from axes.models import AccessAttempt
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.crypto import salted_hmac

from events.anonymising import forget_particulars, of_accounts
from events.changes import SECRET, Changes
from events.models import Event
from events.recorded import Recorded


class Role(enum.IntEnum):
    """What somebody is here. Each may do what those before may."""

    ANONYMOUS = 0
    MEMBER = 1
    LIBRARIAN = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        return self.name.lower()


ROLES = [Role.MEMBER, Role.LIBRARIAN, Role.ADMIN]  # of accounts


class User(Recorded, AbstractUser):
    """An account. Its role is what Django knows as staff and superuser, read and set together."""

    SAVED, DELETED = Event.Kind.ACCOUNT_SAVED, Event.Kind.ACCOUNT_DELETED
    UNTOLD = ("last_login",)

    sign_ins_ended = models.PositiveIntegerField(default=0, editable=False, help_text="How often all were ended.")

    class Meta(AbstractUser.Meta):
        constraints = [
            # Nobody signs up as Admin beside admin.
            models.UniqueConstraint(Upper("username"), name="one_account_per_username"),
        ]

    def told(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("username", "first_name", "last_name", "email", "is_active")}
        return told | {"role": self.role.label, "sign_ins_ended": self.sign_ins_ended}

    def about(self) -> dict[str, Any]:
        """By number only: what it is called goes with it."""
        return {"record": self.pk}

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """What it was called is forgotten with it."""
        with transaction.atomic():
            forget_particulars(of_accounts([self.pk]))
            return super().delete(*args, **kwargs)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._has_new_password = self._password is not None  # type: ignore[attr-defined]  # gone when it was saved
        super().save(*args, **kwargs)

    def _changed(self, before: Recorded | None) -> list[str]:
        """Not a password that is only hashed anew, as somebody signs in: Django has none in hand then."""
        changed = super()._changed(before)
        if before is not None and "password" in changed and not self._has_new_password:
            changed.remove("password")
        return changed

    def _changes(self, before: Recorded | None, changed: list[str]) -> Changes:
        replaced = {"password": [SECRET, SECRET]} if before is not None and "password" in changed else {}
        return super()._changes(before, changed) | replaced

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What every session and token of this account carries: another password or `sign_ins_ended` ends them all.

        Django asks for it with SECRET_KEY (None), and with each key of SECRET_KEY_FALLBACKS.
        """
        value = f"{self.sign_ins_ended}:{self.password}"
        return salted_hmac("accounts.sign_in", value, secret=secret, algorithm="sha256").hexdigest()

    @property
    def role(self) -> Role:
        if self.is_staff and self.is_superuser:
            return Role.ADMIN
        return Role.LIBRARIAN if self.is_staff else Role.MEMBER

    @role.setter
    def role(self, role: Role) -> None:
        self.is_staff = role >= Role.LIBRARIAN
        self.is_superuser = role == Role.ADMIN


class Scope(models.TextChoices):
    """What an API key may be good for. Never more than its owner may."""

    CATALOGUE_READ = "catalogue:read", "Read titles and copies"
    CATALOGUE_WRITE = "catalogue:write", "Change titles and copies"
    MEMBERS_READ = "members:read", "Read members"
    MEMBERS_WRITE = "members:write", "Change members"
    CIRCULATION_READ = "circulation:read", "Read loans, reservations, events and figures"
    CIRCULATION_WRITE = "circulation:write", "Lend, take back, renew, reserve"
    ADMIN = "admin", "Administer (keys of admins only)"


class APIKey(Recorded):
    """A program's credential. Of the key itself only a digest is kept: who lost it needs a new one."""

    SAVED, DELETED = Event.Kind.KEY_SAVED, Event.Kind.KEY_DELETED
    UNTOLD = ("prefix", "digest", "last_used_at")

    name = models.CharField(max_length=60, help_text="What uses it, such as “self-check machine, entrance”.")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="keys", help_text="Who acts through it.")
    prefix = models.CharField(max_length=12, editable=False, help_text="How the key begins.")
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To five minutes.")
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["digest"], name="one_key_per_digest")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def about(self) -> dict[str, Any]:
        return {"record": self.pk, "name": self.name}

    def allows(self, scope: str) -> bool:
        """Whether it is good for this, while its owner is what they are."""
        return scope in self.scopes and (scope != Scope.ADMIN or self.owner.role == Role.ADMIN)


class FailedSignIn(AccessAttempt):  # type: ignore[misc]  # it has no types
    """Wrong passwords for one account from one browser at one address. Too many lock the account, or the address."""

    class Meta:
        proxy = True
        app_label = "accounts"
        verbose_name = "failed sign-in"
