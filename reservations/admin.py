"""Titles and their lines in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import connection
from django.db.models import Count, JSONField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from events.admin import ReadOnly, ReadOnlyInline
from library import cache, glance, isbn, search
from library.admin import OperationAdmin, OperationForm, concerning, titles_like
from library.models import Book, Branch, Copy
from library.services import BOOK_FIELDS, add_title, main_branch
from reservations import services as line
from reservations import titles
from reservations.models import Reservation
from rest.words import in_words

FILTER_VALUES = 50
# One look into the index for each that there is. To count them would read every title.
_VALUES = """
WITH RECURSIVE found (value, place) AS (
    (SELECT {column}, 1 FROM library_book WHERE {column} > '' AND withdrawn_at IS NULL ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM library_book
            WHERE {column} > found.value AND withdrawn_at IS NULL ORDER BY {column} LIMIT 1), place + 1
    FROM found WHERE found.value IS NOT NULL AND place < %s
)
SELECT value FROM found WHERE value IS NOT NULL
"""
NOT_HERE = (Copy.Status.LOST, Copy.Status.MISSING, Copy.Status.WITHDRAWN)


# --- Titles ------------------------------------------------------------------------------------------------


class BookForm(OperationForm):
    isbn = forms.CharField(
        label=_("ISBN"), required=False, max_length=32, help_text=_("ISBN-10 or ISBN-13, with or without hyphens.")
    )
    published_year = forms.IntegerField(
        label=_("Published year"),
        required=False,
        min_value=-9999,
        max_value=9999,
        help_text=_("Negative for years BC."),
    )

    versioned = BOOK_FIELDS

    class Meta:
        model = Book
        fields = BOOK_FIELDS

    def clean_isbn(self) -> str:
        text: str = self.cleaned_data["isbn"]
        try:
            return isbn.normalised(text) if text else ""
        except ValueError as error:
            raise forms.ValidationError(in_words(str(error))) from error


class NewBookForm(BookForm):
    copies = forms.IntegerField(label=_("Copies"), min_value=0, max_value=100, initial=1)
    branch = forms.ModelChoiceField(
        Branch.objects.order_by("name"),
        label=_("Branch"),
        initial=main_branch,
        empty_label=None,
        help_text=_("Where the copies stand."),
    )


class HeldFilter(admin.SimpleListFilter):
    """Withdrawn titles are shown to those who ask for them."""

    title = _("circulation")
    parameter_name = "circulation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("in", gettext("In circulation")),
            ("out", gettext("Out of circulation")),
            ("withdrawn", gettext("Withdrawn")),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        held, *others = super().choices(changelist)
        yield {**held, "display": gettext("In the library")}
        yield from others

    def queryset(self, request: HttpRequest, books: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "withdrawn":
                return books.filter(withdrawn_at__isnull=False)
            case "in" | "out" as state:
                return books.filter(withdrawn_at=None, in_circulation=state == "in")
        return books.filter(withdrawn_at=None)


class ValueFilter(admin.SimpleListFilter):
    """The first values of a column, read again when the catalogue has changed."""

    parameter_name: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = cache.read("book_list", cache.CATALOGUE, self._first, name=f"admin-{self.parameter_name}")
        return [(value, value) for value in found]

    def queryset(self, request: HttpRequest, books: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return books if value is None else books.filter(**{self.parameter_name: value})

    def _first(self) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(_VALUES.format(column=connection.ops.quote_name(self.parameter_name)), [FILTER_VALUES])
            return [value for (value,) in cursor.fetchall()]


class CategoryFilter(ValueFilter):
    title = _("category")
    parameter_name = "category"


class LanguageFilter(ValueFilter):
    title = _("language")
    parameter_name = "language"


class CopyInline(ReadOnlyInline):
    model = Copy
    fields = ["branch", "state", "holder", "due_at"]
    readonly_fields = ["state"]
    ordering = ["pk"]

    @admin.display(description=_("State"))
    def state(self, copy: Copy) -> str:
        return glance.badge(copy.status, copy.get_status_display())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("branch", "holder")


class LineInline(ReadOnlyInline):
    model = Reservation
    verbose_name_plural = _("line")
    fields = ["position", "member", "status", "placed_at", "needed_by", "copy", "shelf_until", "branch"]
    readonly_fields = ["position"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = Reservation.objects.live().in_order().with_position()
        return rows.select_related("book", "member", "copy", "branch")

    @admin.display(description=_("Place"))
    def position(self, reservation: Reservation) -> int | None:
        return reservation.position


def _here(book: Any) -> int:
    """How many copies the library has of a title, of a row with `copies_at`."""
    count: int = book.copies_at.get("here", 0)
    return count


@admin.register(Book)
class BookAdmin(OperationAdmin):
    class Media:
        css: ClassVar[Any] = {"all": ["library/desk.css"]}

    operated_at = "admin"
    form = BookForm
    add_form = NewBookForm
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["title", "authors", "isbn", "publisher", "published_year", "category", "language"]}),
        (_("In the library"), {"fields": ["numbers", "in_circulation", "withdrawn_at", "origin"]}),
    ]
    add_fieldsets: ClassVar[Any] = [
        fieldsets[0],
        (_("In the library"), {"fields": ["copies", "branch", "in_circulation"]}),
    ]
    readonly_fields = ["numbers", "withdrawn_at", "origin"]
    inlines = [CopyInline, LineInline]

    list_display = ["title", "writers", "category", "publisher", "copies", "whereabouts", "in_circulation"]
    list_filter = [HeldFilter, CategoryFilter, LanguageFilter]
    search_fields = ["title", "authors", "isbn"]  # see find
    search_help_text = _("Words of title and author, an ISBN, or a number")
    actions = ["take_out_of_circulation", "put_back_in_circulation", "withdraw"]

    def annotations(self) -> dict[str, Any]:
        copies = Copy.objects.filter(book=OuterRef("pk")).order_by().values("book")
        numbers = {name: Count("pk", filter=Q(status__in=states)) for name, (_label, states) in glance.PARTS.items()}
        here = Count("pk", filter=~Q(status__in=NOT_HERE))
        counted = copies.annotate(numbers=JSONObject(here=here, **numbers)).values("numbers")
        return {"copies_at": Coalesce(Subquery(counted), Value({}, JSONField()))}

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        try:
            return rows.filter(isbn=isbn.normalised(text))
        except ValueError:
            pass
        if text.isdecimal() and len(text) <= 18:
            return rows.filter(Q(pk=int(text)) | search.words_of(text))
        return titles_like(rows, text)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return [CopyInline, LineInline] if obj is not None else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.withdrawn_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # titles are withdrawn: what happened to them stays

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"book_id": row.pk}

    def create(self, request: HttpRequest, data: dict[str, Any]) -> Book:
        return add_title(at=timezone.now(), **data)

    def edit(self, request: HttpRequest, row: Any, data: dict[str, Any], expected: str | None) -> None:
        titles.edit_title(book_id=row.pk, fields=data, at=timezone.now(), expected=expected)

    # --- Columns ---

    @admin.display(description=_("Authors"), ordering="authors")
    def writers(self, book: Book) -> str:
        return Truncator(book.authors).chars(80)

    @admin.display(description=_("Copies"))
    def copies(self, book: Any) -> int:
        return _here(book)

    @admin.display(description=_("Where they are"))
    def whereabouts(self, book: Any) -> str:
        return glance.bar(book.copies_at)

    @admin.display(description=_("Copies"))
    def numbers(self, book: Any) -> str:
        copies = reverse("admin:library_copy_changelist")
        more = reverse("admin:library_copy_add")
        links = [
            (f"{copies}?book__id__exact={book.pk}", gettext("All copies")),
            (f"{more}?book={book.pk}", gettext("Add copies")),
            (reverse("line:line", args=[book.pk]), gettext("The line")),
            (f"{reverse('admin:events_event_changelist')}?book_id={book.pk}", gettext("What happened")),
        ]
        shown = gettext("%(here)s in the library, %(available)s available") % {
            "here": _here(book),
            "available": book.copies_at.get("available", 0),
        }
        linked = format_html_join(" · ", '<a href="{}" class="glance-link">{}</a>', links)
        return format_html("{}<br>{}<br>{}", shown, glance.bar(book.copies_at), linked)

    @admin.display(description=_("Imported from"))
    def origin(self, book: Book) -> str:
        return f"{book.source} {book.source_id}".strip() or "-"

    # --- Actions ---

    @admin.action(description=_("Take out of circulation"), permissions=["operate"])
    def take_out_of_circulation(self, request: HttpRequest, books: QuerySet[Any]) -> HttpResponse | None:
        def take_out(book: Book, _: str) -> str:
            titles.edit_title(book_id=book.pk, fields={"in_circulation": False}, at=timezone.now())
            return gettext("“%(title)s” is out of circulation.") % {"title": book.title}

        question = gettext(
            "Take these titles out of circulation? Their reservations will be cancelled; open loans stand."
        )
        return self.carry_out(request, books, take_out, question=question)

    @admin.action(description=_("Put back in circulation"), permissions=["operate"])
    def put_back_in_circulation(self, request: HttpRequest, books: QuerySet[Any]) -> HttpResponse | None:
        def put_back(book: Book, _: str) -> str:
            titles.edit_title(book_id=book.pk, fields={"in_circulation": True}, at=timezone.now())
            return gettext("“%(title)s” is in circulation.") % {"title": book.title}

        return self.carry_out(request, books, put_back)

    @admin.action(description=_("Withdraw for good"), permissions=["operate"])
    def withdraw(self, request: HttpRequest, books: QuerySet[Any]) -> HttpResponse | None:
        def withdraw(book: Book, _: str) -> str:
            titles.withdraw_title(book_id=book.pk, at=timezone.now())
            return gettext("“%(title)s” was withdrawn.") % {"title": book.title}

        question = gettext("Withdraw these titles and all their copies for good? Their reservations will be cancelled.")
        return self.carry_out(request, books, withdraw, question=question)


# --- Reservations --------------------------------------------------------------------------------------------


@admin.register(Reservation)
class ReservationAdmin(ReadOnly, OperationAdmin):
    list_display = ["id", "book", "member", "status", "placed_at", "priority", "copy", "shelf_until", "branch", "line"]
    list_display_links = ["id", "book"]
    list_filter = ["status", "branch"]
    list_select_related = ["book", "member", "copy", "branch"]
    search_fields = ["book__title"]  # see find
    search_help_text = _("A barcode, a card number, the name of a member, or words of a title")
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["book", "member", "status", "position", "priority", "placed_at", "needed_by"]}),
        (_("Pick-up"), {"fields": ["branch", "copy", "shelf_until", "closed_at"]}),
    ]
    readonly_fields = ["position"]
    actions = ["cancel", "suspend", "resume"]

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return concerning(rows, text)

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"book_id": row.book_id, "reservation_id": row.pk}

    @admin.display(description=_("Line"))
    def line(self, reservation: Reservation) -> str:
        return format_html('<a href="{}">{}</a>', reverse("line:line", args=[reservation.book_id]), gettext("The line"))

    @admin.display(description=_("Place"))
    def position(self, reservation: Reservation) -> int | None:
        return Reservation.objects.with_position().get(pk=reservation.pk).position

    @admin.action(description=_("Cancel"), permissions=["operate"])
    def cancel(self, request: HttpRequest, reservations: QuerySet[Any]) -> HttpResponse | None:
        def cancel(reservation: Reservation, reason: str) -> str:
            line.cancel(reservation_id=reservation.pk, reason=reason, at=timezone.now())
            return gettext("%(reservation)s: cancelled.") % {"reservation": reservation}

        question = gettext("Cancel these reservations? What was set aside goes to the next in line.")
        return self.carry_out(request, reservations, cancel, question=question, reason="optional")

    @admin.action(description=_("Suspend"), permissions=["operate"])
    def suspend(self, request: HttpRequest, reservations: QuerySet[Any]) -> HttpResponse | None:
        def suspend(reservation: Reservation, _: str) -> str:
            line.suspend(reservation_id=reservation.pk, at=timezone.now())
            return gettext("%(reservation)s: suspended.") % {"reservation": reservation}

        return self.carry_out(request, reservations, suspend)

    @admin.action(description=_("Resume"), permissions=["operate"])
    def resume(self, request: HttpRequest, reservations: QuerySet[Any]) -> HttpResponse | None:
        def resume(reservation: Reservation, _: str) -> str:
            now = line.resume(reservation_id=reservation.pk, at=timezone.now())
            return f"{reservation}: {now.get_status_display().lower()}."

        return self.carry_out(request, reservations, resume)
