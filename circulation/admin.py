"""Copies, members and loans in the admin."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from circulation import copies as moves
from circulation import members
from circulation.copies import Moved
from circulation.jobs.admin import JobAdmin
from circulation.models import CirculationEvent, DayFigures, Loan
from events.admin import EventLog, ReadOnlyAdmin, ReadOnlyInline
from events.operations import Operation
from library import search
from library.admin import OperationAdmin, OperationForm, concerning, titles_like
from library.models import BARCODE, Book, Branch, Copy, Member
from library.services import COPY_FIELDS, MEMBER_FIELDS, edit_copy, enrol, main_branch, member_category_named
from reservations.models import Reservation
from reservations.titles import add_copies

__all__ = ["JobAdmin"]  # the admin looks here only

MOST_COPIES = 100


# --- Copies --------------------------------------------------------------------------------------------------


class CopyForm(OperationForm):
    versioned = COPY_FIELDS

    class Meta:
        model = Copy
        fields = COPY_FIELDS


class NewCopiesForm(OperationForm):
    count = forms.IntegerField(label="How many", min_value=1, max_value=MOST_COPIES, initial=1)
    barcodes = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 40}),
        help_text="One a line, in place of a number of copies. Empty: they are numbered.",
    )
    branch = forms.ModelChoiceField(Branch.objects.order_by("name"), initial=main_branch, empty_label=None)

    class Meta:
        model = Copy
        fields = ["book", "branch"]

    def clean_barcodes(self) -> list[str] | None:
        barcodes: list[str] = self.cleaned_data["barcodes"].split()
        for barcode in barcodes:
            if not re.fullmatch(BARCODE, barcode):
                raise forms.ValidationError(
                    f"{barcode} is not a barcode: 1 to 64 letters, digits, dots, underscores or hyphens."
                )
        if len(set(barcodes)) < len(barcodes):
            raise forms.ValidationError("A barcode stands here twice.")
        if len(barcodes) > MOST_COPIES:
            raise forms.ValidationError(f"At most {MOST_COPIES} at a time.")
        return barcodes or None


@admin.register(Copy)
class CopyAdmin(OperationAdmin):
    form = CopyForm
    add_form = NewCopiesForm
    fieldsets: ClassVar[Any] = [(None, {"fields": ["book", "barcode", "branch", "status", "holder", "due_at"]})]
    add_fieldsets: ClassVar[Any] = [(None, {"fields": ["book", "count", "barcodes", "branch"]})]
    autocomplete_fields = ["book"]
    narrowing = ("book__id__exact",)

    list_display = ["barcode", "book", "branch", "status", "holder", "due_at"]
    list_filter = ["status", "branch"]
    search_fields = ["barcode"]  # see find
    search_help_text = "A barcode, or words of title and author"
    actions = ["mark_lost", "mark_missing", "mark_found", "mark_damaged", "mark_repaired", "withdraw"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("book", "branch", "holder")

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        exact = rows.filter(barcode=text)
        if exact.exists():
            return exact
        return rows.filter(book__in=titles_like(Book.objects.all(), text).values("pk"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["book", "status", "holder", "due_at"] if obj is not None else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "book":
            kwargs["queryset"] = Book.objects.held()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        gone = obj is not None and (obj.status == Copy.Status.WITHDRAWN or obj.book.withdrawn_at is not None)
        return super().has_change_permission(request, obj) and not gone

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # copies are withdrawn: what happened to them stays

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"copy_id": row.pk}

    def create(self, request: HttpRequest, data: dict[str, Any]) -> Copy:
        barcodes = data["barcodes"]
        added = add_copies(
            book_id=data["book"].pk,
            count=len(barcodes or []) or data["count"],
            barcodes=barcodes,
            branch=data["branch"],
            at=timezone.now(),
        )
        for copy in added:
            where = f"on the hold shelf for {copy.holder.name}" if copy.holder else "on the shelf"
            self.message_user(request, f"Put the new copy {copy.barcode} {where}.")
        return added[0]

    def edit(self, request: HttpRequest, row: Any, data: dict[str, Any], expected: str | None) -> None:
        barcode = Copy.objects.values_list("barcode", flat=True).get(pk=row.pk)  # the row has the new one already
        edit_copy(barcode=barcode, fields=data, at=timezone.now(), expected=expected)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:library_book_change", args=[obj.book_id]))

    # --- Actions ---

    @admin.action(description="Mark lost", permissions=["operate"])
    def mark_lost(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        question = "Mark these copies as lost? Their open loans end; who had one set aside waits again."
        return self._take_out(request, copies, moves.mark_lost, question)

    @admin.action(description="Mark missing", permissions=["operate"])
    def mark_missing(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self._take_out(request, copies, moves.mark_missing, "Mark these copies as missing?")

    @admin.action(description="Mark found", permissions=["operate"])
    def mark_found(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self.carry_out(request, copies, lambda copy, _: _bring_back(copy, moves.mark_found))

    @admin.action(description="Mark damaged", permissions=["operate"])
    def mark_damaged(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self._take_out(request, copies, moves.mark_damaged, "Mark these copies as damaged?")

    @admin.action(description="Mark repaired", permissions=["operate"])
    def mark_repaired(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self.carry_out(request, copies, lambda copy, _: _bring_back(copy, moves.repair))

    @admin.action(description="Withdraw for good", permissions=["operate"])
    def withdraw(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self._take_out(request, copies, moves.withdraw, "Withdraw these copies for good?")

    def _take_out(
        self, request: HttpRequest, copies: QuerySet[Any], operation: Operation[..., Moved], question: str
    ) -> HttpResponse | None:
        def take_out(copy: Copy, reason: str) -> str:
            moved = operation(barcode=copy.barcode, reason=reason, at=timezone.now())
            return f"Copy {copy.barcode} is now {moved.copy.get_status_display().lower()}."

        return self.carry_out(request, copies, take_out, question=question, reason="optional")


def _bring_back(copy: Copy, operation: Operation[..., Moved]) -> str:
    moved = operation(barcode=copy.barcode, at=timezone.now())
    if moved.next and moved.next.reservation and moved.next.reservation.member:
        return f"Put copy {copy.barcode} on the hold shelf for {moved.next.reservation.member.name}."
    return f"Copy {copy.barcode} is now {moved.copy.get_status_display().lower()}. Put it on the shelf."


# --- Members ---------------------------------------------------------------------------------------------------


class MemberForm(OperationForm):
    versioned = MEMBER_FIELDS

    class Meta:
        model = Member
        fields = [*MEMBER_FIELDS, "user"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.cleaned_data.get("first_name") and not self.cleaned_data.get("last_name"):
            self.add_error("last_name", "A member needs a name.")
        return cleaned


class NewMemberForm(MemberForm):
    card_number = forms.CharField(required=False, max_length=64, help_text="Empty: one is made.")


class StandingFilter(admin.SimpleListFilter):
    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("may", "May borrow"), ("blocked", "Blocked"), ("ended", "Membership ended")]

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
    verbose_name_plural = "on loan"
    fields = ["book", "copy", "lent_at", "due_at", "renewals"]
    ordering = ["due_at", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(returned_at=None).select_related("book", "copy", "member")


class LiveReservationInline(ReadOnlyInline):
    model = Reservation
    verbose_name_plural = "reservations"
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
        ("Membership", {"fields": ["category", "branch", "expires_on", "blocked_reason"]}),
        ("Account", {"fields": ["user", "origin"]}),
    ]
    add_fieldsets: ClassVar[Any] = [*fieldsets[:2], ("Account", {"fields": ["user"]})]
    readonly_fields = ["origin"]
    autocomplete_fields = ["user"]

    list_display = ["card_number", "name", "email", "category", "branch", "expires_on", "may_borrow", "on_loan"]
    list_display_links = ["card_number", "name"]
    list_filter = [StandingFilter, "category", "branch"]
    list_select_related = ["category", "branch"]
    search_fields = ["last_name"]  # see find
    search_help_text = "A card number, an e-mail address, or the beginning of a name"
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

    @admin.display(description="Name", ordering="last_name")
    def name(self, member: Member) -> str:
        return member.name

    @admin.display(description="May borrow", boolean=True)
    def may_borrow(self, member: Member) -> bool:
        return not member.blocked_reason and not member.has_expired(timezone.localdate())

    @admin.display(description="On loan")
    def on_loan(self, member: Any) -> int:
        count: int = member.loan_count
        return count

    @admin.display(description="Imported from")
    def origin(self, member: Member) -> str:
        return f"{member.source} {member.source_id}".strip() or "-"

    # --- Actions ---

    @admin.action(description="Block", permissions=["operate"])
    def block(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        def block(member: Member, reason: str) -> str:
            members.edit(member_id=member.pk, fields={"blocked_reason": reason}, at=timezone.now())
            return f"{member.name} is blocked."

        question = "Block these members? They will borrow, renew and reserve nothing until they are unblocked."
        return self.carry_out(request, chosen, block, question=question, reason="required")

    @admin.action(description="Unblock", permissions=["operate"])
    def unblock(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        def unblock(member: Member, _: str) -> str:
            members.edit(member_id=member.pk, fields={"blocked_reason": ""}, at=timezone.now())
            return f"{member.name} is not blocked."

        return self.carry_out(request, chosen, unblock)

    @admin.action(description="Delete", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        def delete(member: Member, _: str) -> str:
            members.delete(member_id=member.pk, at=timezone.now())
            return f"{member} was deleted."

        question = "Delete these members and their personal data? What they borrowed stays in the counts."
        return self.carry_out(request, chosen, delete, question=question)


# --- What happened ------------------------------------------------------------------------------------------


class LoanFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "On loan"), ("overdue", "Overdue"), ("returned", "Returned or lost")]

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
    search_help_text = "A barcode, a card number, the name of a member, or words of a title"
    fields = ["book", "copy", "member", "lent_at", "due_at", "returned_at", "renewals"]

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return concerning(rows, text)

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"book_id": row.book_id, "loan_id": row.pk}

    @admin.display(description="Overdue", boolean=True)
    def overdue(self, loan: Loan) -> bool:
        return loan.is_overdue(timezone.now())


@admin.register(CirculationEvent)
class CirculationEventAdmin(EventLog):
    """What happened at the desk, in names instead of numbers."""

    def annotations(self) -> dict[str, Any]:
        return super().annotations() | {
            "book_title": Subquery(Book.objects.filter(pk=OuterRef("book_id")).values("title")),
            "copy_barcode": Subquery(Copy.objects.filter(pk=OuterRef("copy_id")).values("barcode")),
            "member_card": Subquery(Member.objects.filter(pk=OuterRef("member_id")).values("card_number")),
        }

    @admin.display(description="Title")
    def title(self, event: Any) -> str:
        return self._narrowing(event, "book_id", event.book_title)

    @admin.display(description="Copy")
    def copy(self, event: Any) -> str:
        return self._narrowing(event, "copy_id", event.copy_barcode)

    @admin.display(description="Member")
    def member(self, event: Any) -> str:
        return self._narrowing(event, "member_id", event.member_card)
