"""Who asks: their role, and what limits it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from rest_framework.request import Request

from accounts.access import Rule
from accounts.addresses import address_of
from accounts.models import APIKey, Role, User

_LEAST = {
    "anyone": Role.ANONYMOUS,
    "own": Role.MEMBER,
    "account": Role.MEMBER,
    "staff": Role.LIBRARIAN,
    "named": Role.LIBRARIAN,
    "admin": Role.ADMIN,
}


@dataclass(frozen=True)
class Caller:
    """Whoever presented this request's credential, or no credential."""

    role: Role
    name: str  # tells callers apart: of Idempotency-Keys and of allowances
    user: User | None = None
    key: APIKey | None = None

    @property
    def is_staff(self) -> bool:
        return self.role >= Role.LIBRARIAN

    def may(self, rule: Rule) -> bool:
        """Whether this row of the table lets them in. Whose data they see is another question."""
        if self.role < _LEAST[rule.who] or (rule.who in ("account", "named") and self.user is None):
            return False
        return self.key is None or rule.scope == "any" or any(map(self.key.allows, rule.scopes))

    def serves_themselves(self, rule: Rule) -> bool:
        """Whether members may do this without the desk, as this library sets it."""
        return self.is_staff or rule.self_service is None or rule.self_service in settings.SELF_SERVICE


def caller_of(request: Request) -> Caller:
    """A presented credential always decides. Without one, everybody at an open desk is a librarian.

    Not so a page of another site that sends its visitor's browser to the desk.
    """
    user, key = request.user, request.auth
    if isinstance(user, User):
        if isinstance(key, APIKey):
            return Caller(user.role, f"key:{key.pk}", user, key)
        return Caller(user.role, f"user:{user.pk}", user)
    if settings.OPEN_DESK and not _is_of_another_site(request):
        return Caller(Role.LIBRARIAN, "open desk")
    return Caller(Role.ANONYMOUS, f"address:{address_of(request._request)}")


def _is_of_another_site(request: Request) -> bool:
    """Whether a browser says that somebody else's page sent it, which the library has not let call."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site") == "cross-site"
    own = f"{request._request.scheme}://{request._request.get_host()}"
    return origin != own and origin not in settings.CORS_ALLOWED_ORIGINS
