"""What happened, in the admin: at the desk, and all of it, with who asked for it and from where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.addresses import known_as
from accounts.models import APIKey, Role, User
from circulation.models import CirculationEvent
from circulation.trail import as_csv, as_json_lines, details, walked, written
from events.admin import EventLog
from events.models import OF_THE_DESK, Event
from library.models import Book, Copy, Member

SHOWN = 120  # characters of a value in the list
AREAS = {
    "catalogue": (_("Titles and copies"), ("book.", "copy.")),
    "members": (_("Members"), ("member.", "preferences.")),
    "settings": (
        _("Settings"),
        ("branch.", "category.", "policy.", "partner.saved", "partner.deleted", "template.", "webhook.", "task."),
    ),
    "access": (_("Accounts, API keys and exports"), ("account.", "key.", "list.")),
}


class AreaFilter(admin.SimpleListFilter):
    title = _("area")
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("desk", gettext("The desk")), *((name, str(label)) for name, (label, _kinds) in AREAS.items())]

    def queryset(self, request: HttpRequest, events: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen == "desk":
            return events.filter(kind__in=OF_THE_DESK)
        if chosen in AREAS:
            return events.filter(kind__in=[kind for kind in Event.Kind if kind.startswith(AREAS[chosen][1])])
        return events


class NamedEvents(EventLog):
    """Events in names instead of numbers."""

    def annotations(self) -> dict[str, Any]:
        # Not joins: see EventLog.
        return super().annotations() | {
            "key_name": Subquery(APIKey.objects.filter(pk=OuterRef("key_id")).values("name")),
            "book_title": Subquery(Book.objects.filter(pk=OuterRef("book_id")).values("title")),
            "copy_barcode": Subquery(Copy.objects.filter(pk=OuterRef("copy_id")).values("barcode")),
            "member_card": Subquery(Member.objects.filter(pk=OuterRef("member_id")).values("card_number")),
        }

    @admin.display(description=_("Title"))
    def title(self, event: Any) -> str:
        return self._narrowing(event, "book_id", event.book_title)

    @admin.display(description=_("Copy"))
    def copy(self, event: Any) -> str:
        return self._narrowing(event, "copy_id", event.copy_barcode)

    @admin.display(description=_("Member"))
    def member(self, event: Any) -> str:
        return self._narrowing(event, "member_id", event.member_card)


@admin.register(CirculationEvent)
class CirculationEventAdmin(NamedEvents):
    """What happened at the desk."""


@admin.register(Event)
class AuditTrail(NamedEvents):
    """Everything that happened. Old and new values, from where it was asked for, and files of it are for admins."""

    list_display = ["id", "occurred_at", "kind", "about", "asked_by", "what"]
    list_filter = [AreaFilter, "kind", "occurred_at"]
    ordering = ["-occurred_at", "-pk"]
    narrowing = (*EventLog.narrowing, "actor_id", "key_id", "record_id", "kind__startswith", "address", "source")
    search_fields = ["kind"]  # see find
    FIELDS: ClassVar[Any] = [
        "kind",
        "occurred_at",
        "actor",
        "title",
        "copy",
        "member",
        "loan_id",
        "reservation_id",
        "record",
    ]
    FOR_ADMINS: ClassVar[Any] = ["changes", "address", "key", "request_id", "source"]

    # --- Who may see what ---

    def has_audit_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and request.user.is_active and request.user.role == Role.ADMIN

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_audit_permission(request)

    def get_list_display(self, request: HttpRequest) -> Any:
        if self.has_audit_permission(request):
            return self.list_display
        return ["actor" if name == "asked_by" else name for name in self.list_display if name != "what"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*self.FIELDS, *(self.FOR_ADMINS if self.has_audit_permission(request) else []), "more"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["actor", "title", "copy", "member", "record", "changes", "key", "more"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        is_about_where = lookup.partition("__")[0] in ("address", "key_id", "source")
        if is_about_where and (request is None or not self.has_audit_permission(request)):
            return False
        return super().lookup_allowed(lookup, value, request)

    # --- Searching ---

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        if (address := known_as(text)) and self.has_audit_permission(request):
            return queryset.filter(address=address), False
        return super().get_search_results(request, queryset, search_term)

    search_help_text = _(
        "A barcode, a card number, the number of a title, an account’s username, or (for admins) an address"
    )

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        # Looked up first, so that what follows are the few events of a thing, by an index.
        about = Q(copy_id__in=_numbers(Copy.objects.filter(barcode=text)))
        about |= Q(member_id__in=_numbers(Member.objects.filter(card_number=text)))
        if text.isdecimal() and len(text) < 19:
            about |= Q(book_id=int(text))
        found = rows.filter(about)
        if found.exists():
            return found
        return rows.filter(actor_id__in=_numbers(User.objects.filter(username__iexact=text)))

    # --- Columns ---

    def annotations(self) -> dict[str, Any]:
        account = User.objects.filter(pk=OuterRef("record_id")).values("username")
        return super().annotations() | {"account_name": Subquery(account)}

    @admin.display(description=_("About"))
    def about(self, event: Any) -> str:
        parts = [self.title(event), self.copy(event), self.member(event), self.record(event)]
        return format_html_join("", "<div>{}</div>", [(part,) for part in parts if part])

    @admin.display(description=_("Setting"))
    def record(self, event: Any) -> str:
        if event.record_id is None:
            return str(event.payload.get("name", ""))
        area = event.kind.partition(".")[0]
        name = event.payload.get("name") or (area == "account" and event.account_name) or f"{area} {event.record_id}"
        return _link(name, record_id=event.record_id, kind__startswith=f"{area}.")

    @admin.display(description=_("What changed"))
    def what(self, event: Any) -> str:
        lines = [
            (name.replace("_", " "), _clipped(old) or "–", _clipped(new) or "–")
            for name, (old, new) in _changes_of(event).items()
        ]
        return format_html_join("", "<div><b>{}</b>: {} → {}</div>", lines)

    @admin.display(description=_("Asked for by, from"))
    def asked_by(self, event: Any) -> str:
        parts = [
            self.actor(event),
            _link(gettext("API key %(name)s") % {"name": event.key_name or event.key_id}, key_id=event.key_id)
            if event.key_id
            else "",
            _link(event.address, address=event.address) if event.address else "",
            _link(event.source, source=event.source) if event.source else "",
        ]
        return format_html_join("", "<div>{}</div>", [(part,) for part in parts if part])

    @admin.display(description=_("Asked for by"))
    def actor(self, event: Any) -> str:
        name = super().actor(event)
        return _link(name, actor_id=event.actor_id) if name else ""

    def _narrowing(self, event: Any, column: str, text: str = "") -> str:
        number = getattr(event, column)
        return _link(text or f"{column.removesuffix('_id')} {number}", **{column: number}) if number else ""

    @admin.display(description=_("API key"))
    def key(self, event: Any) -> str:
        return (event.key_name or f"{event.key_id}") if event.key_id else "-"

    @admin.display(description=_("Changes"))
    def changes(self, event: Any) -> str:
        rows = [(name.replace("_", " "), written(old), written(new)) for name, (old, new) in _changes_of(event).items()]
        if not rows:
            return "-"
        body = format_html_join("", "<tr><th>{}</th><td>{}</td><td>{}</td></tr>", rows)
        return format_html(
            "<table><thead><tr><th>{}</th><th>{}</th><th>{}</th></tr></thead>{}</table>",
            _("Field"),
            _("Before"),
            _("After"),
            body,
        )

    @admin.display(description=_("Details"))
    def more(self, event: Any) -> str:
        rows = [(name.replace("_", " "), written(value)) for name, value in details(event).items()]
        rows += [("changed", ", ".join(event.payload["changed"]))] if event.payload.get("changed") else []
        return format_html_join("", "<div><b>{}</b>: {}</div>", rows) or "-"

    # --- Files ---

    def get_urls(self) -> list[Any]:
        views: dict[str, Callable[..., HttpResponse]] = {"csv": self.export_csv, "jsonl": self.export_json_lines}
        exports = [
            path(f"export/{form}/", self.admin_site.admin_view(view), name=f"events_event_{form}")
            for form, view in views.items()
        ]
        return [*exports, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        more = {"may_export": self.has_audit_permission(request)}
        return super().changelist_view(request, more | (extra_context or {}))

    def export_csv(self, request: HttpRequest) -> Any:
        return self._file("csv", "text/csv; charset=utf-8", as_csv(walked(self._listed(request))))

    def export_json_lines(self, request: HttpRequest) -> Any:
        return self._file("jsonl", "application/x-ndjson", as_json_lines(walked(self._listed(request))))

    def _listed(self, request: HttpRequest) -> QuerySet[Any]:
        """What the list shows that the link stands on, to its end."""
        if not self.has_audit_permission(request):
            raise PermissionDenied
        rows: QuerySet[Any] = self.get_changelist_instance(request).get_queryset(request)
        return rows

    def _file(self, ending: str, kind: str, lines: Any) -> StreamingHttpResponse:
        headers = {"Content-Disposition": f'attachment; filename="audit-trail.{ending}"'}
        return StreamingHttpResponse(lines, content_type=kind, headers=headers)


def _link(text: str, **narrowed: Any) -> str:
    """To the list of these events, from wherever it stands."""
    return format_html('<a href="{}?{}">{}</a>', reverse("admin:events_event_changelist"), urlencode(narrowed), text)


def _numbers(rows: QuerySet[Any]) -> list[int]:
    return list(rows.values_list("pk", flat=True)[:10])


def _changes_of(event: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = event.payload.get("changes", {})
    return found


def _clipped(value: Any) -> str:
    text = written(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
