"""Members and loans in the admin, and what happened at the desk."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from circulation import members
from circulation.copies_admin import CopyAdmin
from circulation.events_admin import AuditTrail, CirculationEventAdmin
from circulation.jobs.admin import JobAdmin
from circulation.models import DayFigures, Loan
from events.admin import ReadOnlyAdmin, ReadOnlyInline
from library import search
from library.admin import OperationAdmin, OperationForm, concerning
from library.models import Member
from library.services import MEMBER_FIELDS, enrol, main_branch, member_category_named
from reservations.models import Reservation

__all__ = ["AuditTrail", "CirculationEventAdmin", "CopyAdmin", "JobAdmin"]  # the admin looks here only


# --- Members ---------------------------------------------------------------------------------------------------


class MemberForm(OperationForm):
    versioned = MEMBER_FIELDS

    class Meta:
        model = Member
        fields = [*MEMBER_FIELDS, "user"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.cleaned_data.get("first_name") and not self.cleaned_data.get("last_name"):
            self.add_error("last_name", gettext("A member needs a name."))
        return cleaned


class NewMemberForm(MemberForm):
    card_number = forms.CharField(
        label=_("Card number"), required=False, max_length=64, help_text=_("Empty: one is made.")
    )


class StandingFilter(admin.SimpleListFilter):
    title = _("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("may", gettext("May borrow")), ("blocked", gettext("Blocked")), ("ended", gettext("Membership ended"))]

    def queryset(self, request: HttpRequest, members: QuerySet[Any]) -> QuerySet[Any]:
        ended = Q(expires_on__lt=timezone.localdate())
        match self.value():
            case "may":
                return members.filter(~ended | Q(expires_on=None), blocked_reason="")
            case "blocked":
                return members.exclude(blocked_reason="")
            case "ended":
                return members.filter(ended)
        return members


class OpenLoanInline(ReadOnlyInline):
    model = Loan
    verbose_name_plural = _("on loan")
    fields = ["book", "copy", "lent_at", "due_at", "renewals"]
    ordering = ["due_at", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(returned_at=None).select_related("book", "copy", "member")


class LiveReservationInline(ReadOnlyInline):
    model = Reservation
    verbose_name_plural = _("reservations")
    fields = ["book", "status", "placed_at", "copy", "shelf_until", "branch"]
    ordering = ["placed_at", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).filter(status__in=Reservation.LIVE)
        return rows.select_related("book", "member", "copy", "branch")


@admin.register(Member)
class MemberAdmin(OperationAdmin):
    edited_at = "public"
    form = MemberForm
    add_form = NewMemberForm
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["card_number", "first_name", "last_name", "email"]}),
        (_("Membership"), {"fields": ["category", "branch", "expires_on", "blocked_reason"]}),
        (_("Account"), {"fields": ["user", "origin", "at_a_glance"]}),
    ]
    add_fieldsets: ClassVar[Any] = [*fieldsets[:2], (_("Account"), {"fields": ["user"]})]
    readonly_fields = ["origin", "at_a_glance"]
    autocomplete_fields = ["user"]

    list_display = ["card_number", "name", "email", "category", "branch", "expires_on", "may_borrow", "on_loan"]
    list_display_links = ["card_number", "name"]
    list_filter = [StandingFilter, "category", "branch"]
    list_select_related = ["category", "branch"]
    search_fields = ["last_name"]  # see find
    search_help_text = _("A card number, an e-mail address, or the beginning of a name")
    actions = ["block", "unblock", "delete_selected"]

    def annotations(self) -> dict[str, Any]:
        loans = Loan.objects.active().filter(member=OuterRef("pk")).order_by().values("member")
        return {"loan_count": Coalesce(Subquery(loans.annotate(n=Count("pk")).values("n")), 0)}

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return search.members_like(rows, text)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [OpenLoanInline, LiveReservationInline] if obj is not None else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        usual = {"category": member_category_named(None).pk, "branch": main_branch().pk}
        return usual | super().get_changeform_initial_data(request)

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"member_id": row.pk}

    def create(self, request: HttpRequest, data: dict[str, Any]) -> Member:
        return enrol(at=timezone.now(), **data)

    def edit(self, request: HttpRequest, row: Any, data: dict[str, Any], expected: str | None) -> None:
        members.edit(member_id=row.pk, fields=data, at=timezone.now(), expected=expected)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        members.delete(member_id=obj.pk, at=timezone.now())

    # --- Columns ---

    @admin.display(description=_("Name"), ordering="last_name")
    def name(self, member: Member) -> str:
        return member.name

    @admin.display(description=_("May borrow"), boolean=True)
    def may_borrow(self, member: Member) -> bool:
        return not member.blocked_reason and not member.has_expired(timezone.localdate())

    @admin.display(description=_("On loan"))
    def on_loan(self, member: Any) -> str:
        url = reverse("pages:member", args=[member.pk])
        told = gettext("%(count)s on loan to %(name)s") % {"count": member.loan_count, "name": member.name}
        return format_html('<a href="{}" class="underline" aria-label="{}">{}</a>', url, told, member.loan_count)

    @admin.display(description=_("At a glance"))
    def at_a_glance(self, member: Member) -> str:
        url = reverse("pages:member", args=[member.pk])
        return format_html('<a href="{}" class="underline">{}</a>', url, gettext("Loans and places"))

    @admin.display(description=_("Imported from"))
    def origin(self, member: Member) -> str:
        return f"{member.source} {member.source_id}".strip() or "-"

    # --- Actions ---

    @admin.action(description=_("Block"), permissions=["operate"])
    def block(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        def block(member: Member, reason: str) -> str:
            members.edit(member_id=member.pk, fields={"blocked_reason": reason}, at=timezone.now())
            return gettext("%(name)s is blocked.") % {"name": member.name}

        question = gettext("Block these members? They will borrow, renew and reserve nothing until they are unblocked.")
        return self.carry_out(request, chosen, block, question=question, reason="required")

    @admin.action(description=_("Unblock"), permissions=["operate"])
    def unblock(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        def unblock(member: Member, _: str) -> str:
            members.edit(member_id=member.pk, fields={"blocked_reason": ""}, at=timezone.now())
            return gettext("%(name)s is not blocked.") % {"name": member.name}

        return self.carry_out(request, chosen, unblock)

    @admin.action(description=_("Delete"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        def delete(member: Member, _: str) -> str:
            members.delete(member_id=member.pk, at=timezone.now())
            return gettext("%(member)s was deleted.") % {"member": member}

        question = gettext("Delete these members and their personal data? What they borrowed stays in the counts.")
        return self.carry_out(request, chosen, delete, question=question)


# --- What happened ------------------------------------------------------------------------------------------


class LoanFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("open", gettext("On loan")),
            ("overdue", gettext("Overdue")),
            ("returned", gettext("Returned or lost")),
        ]

    def queryset(self, request: HttpRequest, loans: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "open":
                return loans.filter(returned_at=None)
            case "overdue":
                return loans.filter(returned_at=None, due_at__lt=timezone.now())
            case "returned":
                return loans.filter(returned_at__isnull=False)
        return loans


@admin.register(DayFigures)
class DayFiguresAdmin(ReadOnlyAdmin):
    """What happened day by day, and how things stood when each ended."""

    list_display = ["day", "loans", "returns", "open_loans", "overdue", "waiting", "ready"]
    date_hierarchy = "day"


@admin.register(Loan)
class LoanAdmin(ReadOnlyAdmin):
    list_display = ["id", "book", "copy", "member", "lent_at", "due_at", "returned_at", "renewals", "overdue"]
    list_display_links = ["id", "book"]
    list_filter = [LoanFilter]
    list_select_related = ["book", "copy", "member"]
    search_fields = ["copy__barcode"]  # see find
    search_help_text = _("A barcode, a card number, the name of a member, or words of a title")
    fields = ["book", "copy", "member", "lent_at", "due_at", "returned_at", "renewals"]

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return concerning(rows, text)

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"book_id": row.book_id, "loan_id": row.pk}

    @admin.display(description=_("Overdue"), boolean=True)
    def overdue(self, loan: Loan) -> bool:
        return loan.is_overdue(timezone.now())
