"""Copies in the admin: added to a title, relabelled, and what happens to them."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from circulation import copies as moves
from circulation.copies import Moved
from events.operations import Operation
from library.admin import OperationAdmin, OperationForm, titles_like
from library.models import BARCODE, Book, Branch, Copy
from library.services import COPY_FIELDS, edit_copy, main_branch
from reservations.titles import add_copies
from rest.words import in_words

MOST_COPIES = 100


class CopyForm(OperationForm):
    versioned = COPY_FIELDS

    class Meta:
        model = Copy
        fields = COPY_FIELDS


class NewCopiesForm(OperationForm):
    count = forms.IntegerField(label=_("How many"), min_value=1, max_value=MOST_COPIES, initial=1)
    barcodes = forms.CharField(
        label=_("Barcodes"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 40}),
        help_text=_("One a line, in place of a number of copies. Empty: they are numbered."),
    )
    branch = forms.ModelChoiceField(
        Branch.objects.order_by("name"), label=_("Branch"), initial=main_branch, empty_label=None
    )

    class Meta:
        model = Copy
        fields = ["book", "branch"]

    def clean_barcodes(self) -> list[str] | None:
        barcodes: list[str] = self.cleaned_data["barcodes"].split()
        for barcode in barcodes:
            if not re.fullmatch(BARCODE, barcode):
                raise forms.ValidationError(
                    gettext("%(barcode)s is not a barcode: 1 to 64 letters, digits, dots, underscores or hyphens.")
                    % {"barcode": barcode}
                )
        if len(set(barcodes)) < len(barcodes):
            raise forms.ValidationError(gettext("A barcode stands here twice."))
        if len(barcodes) > MOST_COPIES:
            raise forms.ValidationError(gettext("At most %(count)s at a time.") % {"count": MOST_COPIES})
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
    search_help_text = _("A barcode, or words of title and author")
    actions = ["receive", "mark_lost", "mark_missing", "mark_found", "mark_damaged", "mark_repaired", "withdraw"]

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
            told = gettext("Put the new copy %(barcode)s on the shelf.")
            if copy.holder:
                told = gettext("Put the new copy %(barcode)s on the hold shelf for %(name)s.")
            holder = copy.holder.name if copy.holder else ""
            self.message_user(request, told % {"barcode": copy.barcode, "name": holder})
        return added[0]

    def edit(self, request: HttpRequest, row: Any, data: dict[str, Any], expected: str | None) -> None:
        barcode = Copy.objects.values_list("barcode", flat=True).get(pk=row.pk)  # the row has the new one already
        edit_copy(barcode=barcode, fields=data, at=timezone.now(), expected=expected)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:library_book_change", args=[obj.book_id]))

    # --- Actions ---

    @admin.action(description=_("Receive where they were sent to"), permissions=["operate"])
    def receive(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self.carry_out(request, copies, lambda copy, _: _bring_back(copy, moves.receive))

    @admin.action(description=_("Mark lost"), permissions=["operate"])
    def mark_lost(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        question = gettext("Mark these copies as lost? Their open loans end; who had one set aside waits again.")
        return self._take_out(request, copies, moves.mark_lost, question)

    @admin.action(description=_("Mark missing"), permissions=["operate"])
    def mark_missing(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self._take_out(request, copies, moves.mark_missing, gettext("Mark these copies as missing?"))

    @admin.action(description=_("Mark found"), permissions=["operate"])
    def mark_found(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self.carry_out(request, copies, lambda copy, _: _bring_back(copy, moves.mark_found))

    @admin.action(description=_("Mark damaged"), permissions=["operate"])
    def mark_damaged(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self._take_out(request, copies, moves.mark_damaged, gettext("Mark these copies as damaged?"))

    @admin.action(description=_("Mark repaired"), permissions=["operate"])
    def mark_repaired(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self.carry_out(request, copies, lambda copy, _: _bring_back(copy, moves.repair))

    @admin.action(description=_("Withdraw for good"), permissions=["operate"])
    def withdraw(self, request: HttpRequest, copies: QuerySet[Any]) -> HttpResponse | None:
        return self._take_out(request, copies, moves.withdraw, gettext("Withdraw these copies for good?"))

    def _take_out(
        self, request: HttpRequest, copies: QuerySet[Any], operation: Operation[..., Moved], question: str
    ) -> HttpResponse | None:
        def take_out(copy: Copy, reason: str) -> str:
            return in_words(operation(barcode=copy.barcode, reason=reason, at=timezone.now()).told)

        return self.carry_out(request, copies, take_out, question=question, reason="optional")


def _bring_back(copy: Copy, operation: Operation[..., Moved]) -> str:
    return operation(barcode=copy.barcode, at=timezone.now()).told
