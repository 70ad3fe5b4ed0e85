"""What happened, in the admin; and what lists and pages of every app share there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold import admin as unfold

from events.models import Consumer, FailedMessage, Heartbeat, PendingEvent, Publication, Relay, StoredAnswer
from events.widgets import themed

if TYPE_CHECKING:  # generic for the type checker only
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    ModelForm = forms.ModelForm[Any]
    InlineFormSet = BaseInlineFormSet[Any, Any, Any]
    RowPaginator = Paginator[Any]
else:
    ModelAdmin, TabularInline = unfold.ModelAdmin, unfold.TabularInline
    ModelForm, InlineFormSet, RowPaginator = forms.ModelForm, BaseInlineFormSet, Paginator

COUNTED = 10_000
HOW = {"", "exact", "id__exact", "isnull", "gte", "lt"}  # what Django's own filters ask
INLINE_ROWS = 50


class AtLeast(int):
    """A number that was not counted to its end, and says so."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class CappedPaginator(RowPaginator):
    """Counts no further than people turn pages, so that a list of millions opens as fast as a short one."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        counted = rows.order_by()[: COUNTED + 1].count()
        return AtLeast(COUNTED) if counted > COUNTED else counted


class HistoryOfEvents:
    """Pages whose history is the event log, which knows of every change, in place of what was done by these pages."""

    def event_filter(self, row: Any) -> dict[str, Any]:
        """Which events tell of this row: the query of the list of events."""
        return {}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if row is None or not (wanted := self.event_filter(row)):
            page: HttpResponse = super().history_view(request, object_id, extra_context)  # type: ignore[misc]
            return page
        return HttpResponseRedirect(f"{reverse('admin:events_event_changelist')}?{urlencode(wanted)}")


class DeskAdmin(HistoryOfEvents, ModelAdmin):
    """Lists that stay quick however long they are, and a history that is the event log."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # each would count the whole list
    list_per_page = 50
    list_max_show_all = 0  # no link that shows all at once
    ordering = ["-pk"]
    narrowing: tuple[str, ...] = ()  # what links on other pages ask

    def annotations(self) -> dict[str, Any]:
        """What is shown of a row beside its columns, asked with it."""
        return {}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(**self.annotations())
        return rows

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """What the list itself offers: its filters, and `narrowing` links. Anything else could be asked at length."""
        name, _, how = lookup.partition("__")
        filters = self.get_list_filter(request) if request else ()
        offered = {getattr(entry, "parameter_name", None) for entry in filters} | set(self.narrowing)
        return lookup in offered or (name in filters and how in HOW)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        form: type[forms.ModelForm[Any]] = super().get_form(request, obj, change=change, **kwargs)
        form.base_fields = {name: themed(field) for name, field in form.base_fields.items()}
        declared: Any = form  # what subclasses of the form begin with
        declared.declared_fields = {name: themed(field) for name, field in declared.declared_fields.items()}
        return form

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether they may take the list away as a file."""
        return self.has_view_permission(request)

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """The rows that a search means, for lists that name it in `search_help_text`."""
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (self.find(queryset, text) if text else queryset), False


class RecordedAdmin(DeskAdmin):
    """Settings, whose changes are events. Each is saved and deleted by itself: a queryset tells nobody."""

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"record_id": row.pk, "kind__startswith": f"{row.SAVED.partition('.')[0]}."}

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for row in queryset:
                row.delete()


class ReadOnly:
    """For rows that only operations write."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ShownRows(InlineFormSet):
    """The first rows of a list that is shown on another row's page and never read from what was sent."""

    # What Django asks a formset after saving.
    new_objects: list[Any] = []
    changed_objects: list[Any] = []
    deleted_objects: list[Any] = []

    def __init__(self, data: Any = None, files: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        if not hasattr(self, "_queryset"):
            self._queryset = super().get_queryset()[:INLINE_ROWS]
        return self._queryset

    def is_valid(self) -> bool:
        return True

    def save(self, commit: bool = True) -> list[Any]:
        return []


class ReadOnlyInline(ReadOnly, TabularInline):
    """A list on another row's page, of which nothing can be changed."""

    formset = ShownRows
    extra = 0
    can_delete = False
    show_change_link = True


class ReadOnlyAdmin(ReadOnly, DeskAdmin):
    """Pages of which nothing can be changed."""

    actions = None


class EventLog(ReadOnlyAdmin):
    """Events, with the names of those who asked for them. Each number narrows the list to what it names."""

    list_display = ["id", "occurred_at", "kind", "title", "copy", "member", "actor"]
    list_filter = ["kind", "occurred_at"]
    narrowing: tuple[str, ...] = ("book_id", "copy_id", "member_id", "loan_id", "reservation_id")
    fields = ["kind", "occurred_at", "actor", "book_id", "copy_id", "member_id", "loan_id", "reservation_id", "payload"]

    def annotations(self) -> dict[str, Any]:
        # Not a join: an event refers without foreign keys, and outlives the account.
        actors = get_user_model()._default_manager.filter(pk=OuterRef("actor_id")).values("username")
        return {"actor_name": Subquery(actors)}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["actor"]

    @admin.display(description=_("Asked for by"))
    def actor(self, event: Any) -> str:
        return event.actor_name or (
            gettext("account %(number)s") % {"number": event.actor_id} if event.actor_id else ""
        )

    @admin.display(description=_("Title"))
    def title(self, event: Any) -> str:
        return self._narrowing(event, "book_id")

    @admin.display(description=_("Copy"))
    def copy(self, event: Any) -> str:
        return self._narrowing(event, "copy_id")

    @admin.display(description=_("Member"))
    def member(self, event: Any) -> str:
        return self._narrowing(event, "member_id")

    def _narrowing(self, event: Any, column: str, text: str = "") -> str:
        number = getattr(event, column)
        return format_html('<a href="?{}={}">{}</a>', column, number, text or number) if number else ""


@admin.register(PendingEvent)
class PendingEventAdmin(ReadOnlyAdmin):
    """Events that are still to be published. The list is empty most of the time."""

    list_display = ["pk", "event"]
    list_select_related = ["event"]


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    """Events in the order in which they were published, as long as they can be repeated."""

    list_display = ["position", "event"]
    list_select_related = ["event"]


@admin.register(Relay)
class RelayAdmin(ReadOnlyAdmin):
    """How far the relay has come. What is numbered and not published waits for Redis."""

    list_display = ["id", "numbered", "published"]


@admin.register(Consumer)
class ConsumerAdmin(ReadOnlyAdmin):
    """How far each consumer of the stream has come, and which process is at work for it."""

    list_display = ["group", "position", "holder", "held_until"]


@admin.register(FailedMessage)
class FailedMessageAdmin(ReadOnlyAdmin):
    """Messages that a consumer could not handle. Without a time to try again they were given up: dead letters."""

    list_display = ["id", "group", "position", "attempts", "failed_at", "retry_at", "error"]
    list_filter = ["group"]


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """When the processes that nobody asks anything were at work last. What is older than two minutes is gone."""

    list_display = ["name", "at"]
    ordering = ["name"]


@admin.register(StoredAnswer)
class StoredAnswerAdmin(ReadOnlyAdmin):
    """Which requests were answered under an Idempotency-Key. What was answered is nobody else's business."""

    list_display = ["id", "caller", "key", "status", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["key"]
    search_help_text = _("A whole key")
    fields = ["caller", "key", "fingerprint", "status", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body", "headers")

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(key=text)
