"""How the librarian's desk looks, and what its menu offers to whom."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str) -> Any:
    def ask(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return ask


def _list(title: Any, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": _may(f"{app}.view_{name}"),
    }


def _page(title: Any, icon: str, name: str, permission: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(name), "permission": _may(permission)}


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
                    _page(_("Hold shelf"), "bookmarks", "pages:hold_shelf", "reservations.view_reservation"),
                    _page(_("Overdue"), "alarm", "overdue:list", "circulation.view_loan"),
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
