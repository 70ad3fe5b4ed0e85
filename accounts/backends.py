"""Who may sign in, and what roles may do in the admin."""

from __future__ import annotations

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.db.models import Sum
from django.http import HttpRequest

from accounts.models import Role, User

# The apps whose pages librarians work with. Accounts, keys and locks are for admins.
OF_THE_DESK = {"library", "circulation", "reservations", "events", "notifications"}
ALSO = {"accounts.view_user"}  # to find the account of a member


class RoleBackend(BaseBackend):
    """Librarians may do everything at the desk. Admins may do everything: Django knows them as superusers."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return _is_librarian(user_obj) and (perm.partition(".")[0] in OF_THE_DESK or perm in ALSO)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return _is_librarian(user_obj) and app_label in OF_THE_DESK | {"accounts"}


def _is_librarian(user: Any) -> bool:
    return isinstance(user, User) and user.is_active and user.role >= Role.LIBRARIAN


class LockOuts(AxesDatabaseHandler):  # type: ignore[misc]  # it has no types
    """Counts wrong passwords for an account from an address, for an account, and from an address.

    The latter two may be several times as many: a whole library may share an address, and nobody shall lock somebody
    else out from afar, which a single address cannot, being locked itself before.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        both, by_account, by_address = (
            attempts.aggregate(count=Sum("failures_since_start"))["count"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        return max(both, by_account // settings.FAILURES_FROM_AFAR, by_address // settings.FAILURES_FROM_AFAR)
