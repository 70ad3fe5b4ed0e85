"""Branches, member categories and loan policies in the admin; and the pages whose changes are operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import PROTECT, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from events.admin import DeskAdmin, ModelForm, RecordedAdmin
from events.exceptions import DomainError
from events.recording import acting
from library import search
from library.branch_form import BranchForm, NameForm
from library.exceptions import Refusal
from library.models import WEEK, Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from library.services import revision
from rest.words import in_words

Page = Callable[[], HttpResponse]

ACTION_ROWS = 100
REASON_LENGTH = 300


def _is_here(service: str) -> bool:
    return settings.SERVICE in ("all", service)


# --- Pages whose changes are operations --------------------------------------------------------------------


class OperationForm(ModelForm):
    """Reads what is to be changed, and shows why an operation refused it."""

    # What the row was when the page was made, so that nobody undoes a change that they did not see.
    revision = forms.CharField(label="", required=False, widget=forms.HiddenInput)

    versioned: ClassVar[tuple[str, ...]] = ()
    refusal: ClassVar[DomainError | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["revision"] = revision(self.instance, self.versioned)
        # Left to the operation, which says what is not unique in a sentence and beside its field.
        self.instance.validate_constraints = lambda exclude=None: None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refusal is not None:
            fields = [name for name in self.refusal.details or {} if name in self.fields]
            self.add_error(fields[0] if fields else None, reasons(self.refusal))
        return cleaned


def reasons(refusal: DomainError) -> list[str]:
    """Every reason of a refusal, for people."""
    standing = refusal.reasons() if isinstance(refusal, Refusal) else (refusal,)
    return [in_words(reason.message) for reason in standing]


class OperationAdmin(DeskAdmin):
    """Pages whose every change is one operation, asked for by whoever is signed in.

    Django's log of changes is not kept: the events are the record, and they do not keep a deleted member's name.
    """

    fieldsets: ClassVar[Any] = ()
    add_fieldsets: ClassVar[Any] = ()
    add_form: ClassVar[type[OperationForm] | None] = None
    # Of two services, which one adds and edits these rows, and which carries out the actions. The other one looks.
    edited_at: ClassVar[str] = "admin"
    operated_at: ClassVar[str] = "public"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_here(self.edited_at) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_here(self.edited_at) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_here(self.edited_at) and super().has_delete_permission(request, obj)

    def create(self, request: HttpRequest, data: dict[str, Any]) -> Any:
        """Run the operation that adds a row, and return the row."""
        raise NotImplementedError

    def edit(self, request: HttpRequest, row: Any, data: dict[str, Any], expected: str | None) -> None:
        """Run the operation that changes a row."""
        raise NotImplementedError

    # Django would wrap these views in a transaction. An operation opens its own and never nests, and nothing
    # else is written here, so the views run outside of any.

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        page: Page = partial(self._changeform_view, request, object_id, form_url, extra_context)  # type: ignore[attr-defined]
        with acting(request.user.pk):
            try:
                try:
                    return page()
                except DomainError as refusal:
                    # Once more, with a form that is invalid for this reason: it keeps what was typed.
                    request.refusal = refusal  # type: ignore[attr-defined]
                    return page()
            except PermissionDenied:
                if object_id is None or not self.has_change_permission(request):
                    raise
                # This row alone may not be changed any more: it was withdrawn while its form was open.
                gone = gettext("This %(name)s was withdrawn and cannot be changed.") % {"name": self.opts.verbose_name}
                self.message_user(request, gone, messages.ERROR)
                return HttpResponseRedirect(request.get_full_path())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        page: Page = partial(self._delete_view, request, object_id, extra_context)  # type: ignore[attr-defined]
        with acting(request.user.pk):
            try:
                return page()
            except DomainError as refusal:
                self.tell(request, refusal)
                name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
                return HttpResponseRedirect(reverse(name, args=[object_id]))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        with acting(request.user.pk):
            return super().changelist_view(request, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        if obj is None and self.add_form is not None:
            kwargs["form"] = self.add_form
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"refusal": getattr(request, "refusal", None)})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        if not self.has_change_permission(request, obj):
            return self.fieldsets
        return [*self.fieldsets, (None, {"fields": ["revision"]})]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """No pencils and crosses beside a choice: nobody deletes a branch while looking at a copy."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            widget = field.widget
            widget.can_add_related = widget.can_change_related = widget.can_delete_related = False
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        data = dict(form.cleaned_data)
        expected = data.pop("revision") or None
        if change:
            self.edit(request, obj, data, expected)
        else:
            obj.pk = self.create(request, data).pk

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """Nothing: see the class."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """Nothing: see the class."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # type: ignore[override]
        """Nothing: see the class."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[Any, Any], set[Any], Any]:
        """The rows alone: whether they may go, and what goes with them, is for the operation to say."""
        rows = [str(row) for row in objs]
        return rows, {self.opts.verbose_name_plural: len(rows)}, set(), []

    # --- Actions on lists ---

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Actions need the permission to change, also where a form changes nothing."""
        codename = get_permission_codename("change", self.opts)
        return _is_here(self.operated_at) and request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def carry_out(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        run: Callable[[Any, str], str],
        *,
        question: str = "",
        reason: Literal["", "optional", "required"] = "",
    ) -> HttpResponse | None:
        """Run an operation for each of the chosen rows and tell what became of every one.

        `run` gets the row and the reason and returns what to tell. With a question, a page asks it first, and for
        the reason.
        """
        chosen = list(rows[: ACTION_ROWS + 1])
        if len(chosen) > ACTION_ROWS:
            told = gettext("Choose at most %(count)s at a time. Nothing was done.") % {"count": ACTION_ROWS}
            self.message_user(request, told, messages.ERROR)
            return None
        why = request.POST.get("reason", "").strip()
        unclear = len(why) > REASON_LENGTH or (reason == "required" and not why)
        if question and ("confirmed" not in request.POST or unclear):
            return self._ask(request, chosen, question, reason)
        for row in chosen:
            try:
                message = run(row, why)
            except DomainError as refusal:
                self.tell(request, refusal)
            else:
                self.message_user(request, message, messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, rows: list[Any], question: str, reason: str) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Are you sure?"),
            "opts": self.opts,
            "media": self.media,
            "question": question,
            "reason": reason,
            "reason_length": REASON_LENGTH,
            "rows": rows,
            "action": request.POST["action"],
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/library/confirm_action.html", context)

    def tell(self, request: HttpRequest, refusal: DomainError) -> None:
        """Show why something was refused."""
        for reason in reasons(refusal):
            self.message_user(request, reason, messages.ERROR)


# --- Searching ---------------------------------------------------------------------------------------------


def titles_like(books: QuerySet[Book], text: str) -> QuerySet[Book]:
    """Titles as the catalogue finds them, and withdrawn ones."""
    words = books.filter(search.words_of(text))
    return words if words.exists() else search.found(books, text)


def concerning(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Rows about the copy with this barcode; else about members or titles that are found by this text."""
    if copy := Copy.objects.filter(barcode=text).first():
        return rows.filter(copy=copy)
    return rows.filter(
        Q(member__in=search.members_like(Member.objects.all(), text).values("pk"))
        | Q(book__in=Book.objects.filter(search.words_of(text)).values("pk"))
    )


# --- What has no operations ----------------------------------------------------------------------------------


class NamedAdmin(RecordedAdmin):
    """Rows that others refer to. The one that the service asks for by name keeps it, and stays."""

    form = NameForm
    search_fields = ["name"]
    ordering = ["name"]
    needed: ClassVar[str]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name"] if obj is not None and obj.name == self.needed else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_alone = settings.SERVICE == "all"  # the other one of two services may refer to it at this moment
        return is_alone and super().has_delete_permission(request, obj) and (obj is None or obj.name != self.needed)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What is in use stays. Counted, where Django would list every copy of a branch."""
        used = [users for relation in self.opts.related_objects if (users := _users(relation, objs))]
        return ([], {}, set(), used) if used else super().get_deleted_objects(objs, request)


def _users(relation: Any, rows: Any) -> str:
    if relation.on_delete is not PROTECT:
        return ""
    model: type[Model] = relation.related_model
    count = model._base_manager.filter(**{f"{relation.field.name}__in": rows}).count()
    return f"{count} {model._meta.verbose_name_plural}" if count else ""


@admin.register(Branch)
class BranchAdmin(NamedAdmin):
    needed = Branch.MAIN
    form = BranchForm
    list_display = ["name", "time_zone", "opening"]
    fieldsets = [
        (None, {"fields": ["name", "time_zone"]}),
        (
            _("When it closes"),
            {"fields": WEEK, "description": _("Loans are due when the branch closes, on a day on which it opens.")},
        ),
        (_("Closed days"), {"fields": ["closed_on"]}),
    ]

    @admin.display(description=_("Opens on"))
    def opening(self, branch: Branch) -> str:
        days = [name[:3].title() for name, closing in zip(WEEK, branch.closing_times, strict=True) if closing]
        return gettext("every day") if len(days) == len(WEEK) else ", ".join(days)


@admin.register(MemberCategory)
class MemberCategoryAdmin(NamedAdmin):
    needed = MemberCategory.STANDARD
    list_display = ["name"]


@admin.register(LoanPolicy)
class LoanPolicyAdmin(RecordedAdmin):
    TERMS: ClassVar[Any] = [
        "loan_days",
        "max_loans",
        "max_renewals",
        "max_reservations",
        "shelf_days",
        "lend_while_overdue",
    ]

    list_display = ["__str__", *TERMS]
    list_filter = ["member_category"]
    list_select_related = ["member_category"]
    ordering = ["member_category__name", "book_category"]
    fieldsets = [
        (
            _("For whom and what"),
            {
                "fields": ["member_category", "book_category"],
                "description": _("Of the policies that fit a member and a title, the most specific decides."),
            },
        ),
        (_("Terms"), {"fields": TERMS}),
    ]
