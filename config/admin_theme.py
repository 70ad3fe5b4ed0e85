"""How the librarian's desk looks, and what its menu offers to whom."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str) -> Any:
    def ask(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return ask


def _has_loans(request: HttpRequest) -> bool:
    """Of two services, that of the admin lends nothing."""
    return bool(settings.SERVICE == "all")


def _list(title: Any, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": _may(f"{app}.view_{name}"),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Circdesk",
    "SITE_HEADER": "Circdesk",
    "SITE_SYMBOL": "local_library",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "items": [
                    {"title": _("Overview"), "icon": "monitoring", "link": reverse_lazy("admin:index")},
                    {"title": _("Desk"), "icon": "barcode_scanner", "link": "/admin/desk/", "permission": _has_loans},
                    _list(_("Titles"), "menu_book", "library.book"),
                    _list(_("Copies"), "barcode", "library.copy"),
                    _list(_("Members"), "group", "library.member"),
                    _list(_("Loans"), "event_upcoming", "circulation.loan"),
                    _list(_("Reservations"), "format_list_numbered", "reservations.reservation"),
                ],
            },
        ],
    },
}
