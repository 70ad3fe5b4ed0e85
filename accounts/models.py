"""Who signs in, and the keys of programs. A person who borrows is a library.Member, with or without an account."""

from __future__ import annotations

import enum

from axes.models import AccessAttempt
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.crypto import salted_hmac


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


class User(AbstractUser):
    """An account. Its role is what Django knows as staff and superuser, read and set together."""

    sign_ins_ended = models.PositiveIntegerField(default=0, editable=False, help_text="How often all were ended.")

    class Meta(AbstractUser.Meta):
        constraints = [
            # Nobody signs up as Admin beside admin.
            models.UniqueConstraint(Upper("username"), name="one_account_per_username"),
        ]

    def get_session_auth_hash(self) -> str:
        """What every session and token of this account carries: another password or `sign_ins_ended` ends them all."""
        return salted_hmac("accounts.sign_in", f"{self.sign_ins_ended}:{self.password}", algorithm="sha256").hexdigest()

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


class APIKey(models.Model):
    """A program's credential. Of the key itself only a digest is kept: who lost it needs a new one."""

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

    def allows(self, scope: str) -> bool:
        """Whether it is good for this, while its owner is what they are."""
        return scope in self.scopes and (scope != Scope.ADMIN or self.owner.role == Role.ADMIN)


class FailedSignIn(AccessAttempt):  # type: ignore[misc]  # it has no types
    """Wrong passwords for one account from one browser at one address. Too many lock the account, or the address."""

    class Meta:
        proxy = True
        app_label = "accounts"
        verbose_name = "failed sign-in"
