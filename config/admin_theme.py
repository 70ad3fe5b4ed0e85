"""How the librarian's desk looks, and what its menu offers to whom."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


def _symbol(request: HttpRequest) -> str:
    return static("config/symbol.svg")


def _has_loans(request: HttpRequest) -> bool:
    """Of two services, that of the admin lends nothing."""
    return bool(settings.SERVICE == "all")


def _style(request: HttpRequest) -> str:
    return static("config/admin.css")


def _script(request: HttpRequest) -> str:
    return static("config/admin.js")


def _list(title: Any, icon: str, model: str) -> dict[str, Any]:
    """A list, for those who may see it: what its page says of that, with a service's own limits."""
    app, name = model.split(".")

    def may_see(request: HttpRequest) -> bool:
        # Looked up when it is asked: the settings are read before there are models.
        site, apps = import_string("django.contrib.admin.site"), import_string("django.apps.apps")
        return bool(site.get_model_admin(apps.get_model(app, name)).has_view_permission(request))

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": may_see,
    }


def _page(title: Any, icon: str, name: str, permission: str) -> dict[str, Any]:
    """A page of our own, for those with this permission."""

    def may_see(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return {"title": title, "icon": icon, "link": reverse_lazy(name), "permission": may_see}


# Ink of a deep teal. Text and buttons in 600 on white, and text in 500 on the dark ground, have a contrast above 4.5.
TEAL = {
    "50": "oklch(97.6% .014 200)",
    "100": "oklch(94.5% .03 200)",
    "200": "oklch(89.5% .052 200)",
    "300": "oklch(82.5% .08 200)",
    "400": "oklch(77% .1 200)",
    "500": "oklch(72% .105 200)",
    "600": "oklch(45.5% .078 205)",
    "700": "oklch(40% .07 207)",
    "800": "oklch(34% .058 210)",
    "900": "oklch(28.5% .048 212)",
    "950": "oklch(20% .036 215)",
}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Circdesk",
    "SITE_HEADER": "Circdesk",
    "SITE_ICON": _symbol,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _symbol}],
    "SITE_URL": None,
    "STYLES": [_style],
    "SCRIPTS": [_script],
    "DASHBOARD_CALLBACK": "config.overview.overview",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"primary": TEAL},
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "items": [
                    {"title": _("Overview"), "icon": "monitoring", "link": reverse_lazy("admin:index")},
                    {"title": _("Desk"), "icon": "barcode_scanner", "link": "/admin/desk/", "permission": _has_loans},
                    _page(_("Hold shelf"), "bookmarks", "pages:hold_shelf", "reservations.view_reservation"),
                    _page(_("Overdue"), "alarm", "overdue:list", "circulation.view_loan"),
                    _list(_("Titles"), "menu_book", "library.book"),
                    _list(_("Copies"), "barcode", "library.copy"),
                    _list(_("Members"), "group", "library.member"),
                    _list(_("Loans"), "event_upcoming", "circulation.loan"),
                    _list(_("Reservations"), "format_list_numbered", "reservations.reservation"),
                    _page(_("Import"), "upload_file", "import", "circulation.change_job"),
                ],
            },
            {
                "title": _("Settings"),
                "collapsible": True,
                "items": [
                    _list(_("Branches"), "location_on", "library.branch"),
                    _list(_("Member categories"), "badge", "library.membercategory"),
                    _list(_("Loan policies"), "rule", "library.loanpolicy"),
                    _list(_("Notice templates"), "edit_note", "notifications.noticetemplate"),
                    _list(_("Notice preferences"), "notifications_off", "notifications.preferences"),
                ],
            },
            {
                "title": _("Watching"),
                "collapsible": True,
                "items": [
                    _list(_("What happened at the desk"), "history", "circulation.circulationevent"),
                    _list(_("Audit trail"), "policy", "events.event"),
                    _list(_("Figures by day"), "calendar_month", "circulation.dayfigures"),
                    _list(_("Jobs"), "pending_actions", "circulation.job"),
                    _list(_("Notices"), "mail", "notifications.notice"),
                    _list(_("Reserved at partners"), "travel_explore", "partners.partnerreservation"),
                    _list(_("Log"), "description", "logbook.entry"),
                ],
            },
            {
                "title": _("Administration"),
                "collapsible": True,
                "items": [
                    _list(_("Accounts"), "manage_accounts", "accounts.user"),
                    _list(_("API keys"), "key", "accounts.apikey"),
                    _list(_("Failed sign-ins"), "lock", "accounts.failedsignin"),
                    _list(_("Partner libraries"), "handshake", "partners.partner"),
                    _list(_("Readers at partners"), "badge", "partners.reader"),
                    _list(_("Webhooks"), "webhook", "webhooks.subscription"),
                    _list(_("Deliveries"), "outbox", "webhooks.delivery"),
                    _list(_("Periodic tasks"), "schedule", "django_celery_beat.periodictask"),
                    _list(_("Relay of events"), "sync_alt", "events.relay"),
                    _list(_("Published events"), "podcasts", "events.publication"),
                    _list(_("Events to be published"), "hourglass_top", "events.pendingevent"),
                    _list(_("Consumers"), "hub", "events.consumer"),
                    _list(_("Failed messages"), "sms_failed", "events.failedmessage"),
                    _list(_("Heartbeats"), "ecg_heart", "events.heartbeat"),
                    _list(_("Stored answers"), "save", "events.storedanswer"),
                    _list(_("Files of jobs"), "draft", "circulation.jobfile"),
                ],
            },
        ],
    },
}
