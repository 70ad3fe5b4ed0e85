"""What the library owns, who may borrow it, and on what terms."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Left, Lower

from events.models import Event
from library.exceptions import InvalidTransition
from library.folding import Folded
from library.recorded import Recorded

BARCODE = r"[A-Za-z0-9._-]{1,64}"
FOLDED = models.TextField(db_collation="C")  # so that an index serves both its order and its beginnings


def validate_time_zone(name: str) -> None:
    """Refuse names that the IANA time zone database does not know."""
    if name not in available_timezones():
        raise ValidationError(f"{name} is not a time zone. Write it like Europe/Berlin.")


WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def open_every_day() -> list[time | None]:
    """The closing times of a branch that never closes early, Monday to Sunday."""
    return [time(23, 59, 59)] * 7


class Branch(Recorded):
    """A place where copies stand. Its time zone, opening days and closing times decide when something is due there."""

    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    closing_times = ArrayField(
        models.TimeField(null=True, blank=True),
        size=7,
        default=open_every_day,
        help_text="From Monday to Sunday, in its time zone. Empty: closed on that day.",
    )
    closed_on = ArrayField(models.DateField(), default=list, blank=True, help_text="Holidays and other closed days.")

    is_told_by_name = True
    MAIN: ClassVar[str] = "Main Library"
    LONGEST_CLOSURE: ClassVar[int] = 366  # days looked ahead for one on which it opens
    SAVED, DELETED = Event.Kind.BRANCH_SAVED, Event.Kind.BRANCH_DELETED

    class Meta:
        verbose_name_plural = "branches"
        constraints = [models.UniqueConstraint(Lower("name"), name="one_branch_per_name")]

    def __str__(self) -> str:
        return self.name

    def today(self, at: datetime) -> date:
        """The calendar day of a moment, here."""
        return at.astimezone(ZoneInfo(self.time_zone)).date()

    def clean(self) -> None:
        if not any(self.closing_times):
            raise ValidationError("A branch opens on at least one day of the week.")

    def closes(self, day: date) -> datetime | None:
        """When it closes on a day, or None if it does not open."""
        closing = self.closing_times[day.weekday()]
        if closing is None or day in self.closed_on:
            return None
        return datetime.combine(day, closing, ZoneInfo(self.time_zone))

    def closing_after(self, at: datetime, *, days: int) -> datetime:
        """When it next closes, no sooner than this many days after a moment: so nothing is due on a closed day.

        A branch that is closed for longer than a year is taken to be open.
        """
        day = self.today(at) + timedelta(days=days)
        for ahead in range(self.LONGEST_CLOSURE):
            closing = self.closes(day + timedelta(days=ahead))
            if closing is not None and closing > at:
                return closing
        return datetime.combine(day, time(23, 59, 59), ZoneInfo(self.time_zone))


class BookQuerySet(models.QuerySet["Book"]):
    def held(self) -> BookQuerySet:
        """Titles that the library still has."""
        return self.filter(withdrawn_at=None)


class BookManager(models.Manager["Book"]):
    """Leaves out what is only searched and sorted by."""

    def get_queryset(self) -> BookQuerySet:
        return BookQuerySet(self.model, using=self._db).defer(*_generated(self.model))

    def held(self) -> BookQuerySet:
        """Titles that the library still has."""
        return self.get_queryset().held()


def _generated(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.generated]


def written_columns(model: type[models.Model]) -> list[str]:
    """The columns that are written; the others PostgreSQL makes of them."""
    return [field.attname for field in model._meta.concrete_fields if not field.generated]


# In place of a year that is not known, in orderings: before every other, and outside of every range.
UNKNOWN_YEAR = -(2**15)


class Book(models.Model):
    """A title. What stands on the shelf are its copies."""

    # The lengths keep the composite index below PostgreSQL's 2,704 bytes a row, whatever the script.
    title = models.CharField(max_length=500)
    authors = models.CharField(max_length=1000, blank=True)
    isbn = models.CharField("ISBN", max_length=13, blank=True, help_text="ISBN-13, digits only.")
    publisher = models.CharField(max_length=120, blank=True)
    category = models.CharField(max_length=50, blank=True)
    language = models.CharField(max_length=35, blank=True, help_text="A BCP 47 or MARC code, such as en or ger.")
    published_year = models.SmallIntegerField(null=True, blank=True, help_text="Negative for years BC.")
    source = models.CharField(max_length=60, blank=True, help_text="The system this record was imported from.")
    source_id = models.CharField(max_length=120, blank=True)
    in_circulation = models.BooleanField(default=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    removal_asked_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="The admin's service removed it while copies were lent; the last return completes that.",
    )
    search_vector = models.GeneratedField(
        expression=SearchVector(Folded("title"), weight="A", config="circdesk")
        + SearchVector(Folded("authors"), weight="B", config="circdesk"),
        output_field=SearchVectorField(),
        db_persist=True,
    )
    title_folded = models.GeneratedField(expression=Folded("title"), output_field=FOLDED, db_persist=True)
    authors_folded = models.GeneratedField(expression=Folded("authors"), output_field=FOLDED, db_persist=True)

    objects: ClassVar[BookManager] = BookManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["isbn"],
                name="one_live_title_per_isbn",
                condition=~Q(isbn="") & Q(withdrawn_at=None),
            ),
            models.UniqueConstraint(
                fields=["source", "source_id"], name="one_title_per_source", condition=~Q(source_id="")
            ),
        ]
        indexes = [
            # GET /api/books/?category=&publisher=&ordering=title
            models.Index(F("category"), F("publisher"), Left("title_folded", 100), name="book_by_shelf"),
            # GET /api/books/?publisher= and ?language=
            models.Index(fields=["publisher", "id"], name="book_by_publisher"),
            models.Index(fields=["language", "id"], name="book_by_language"),
            # GET /api/books/?ordering=title, =author and =published_year; the last one also for year_min and year_max
            models.Index(Left("title_folded", 100), F("id"), name="book_by_title"),
            models.Index(Left("authors_folded", 100), F("id"), name="book_by_author"),
            models.Index(Coalesce("published_year", UNKNOWN_YEAR), F("id"), name="book_by_year"),
            # GET /api/books/?search=: words and prefixes; then typos
            GinIndex(fields=["search_vector"], name="book_words"),
            GinIndex(fields=["title_folded"], opclasses=["gin_trgm_ops"], name="book_title_typos"),
            # GET /api/books/?author=
            GinIndex(fields=["authors_folded"], opclasses=["gin_trgm_ops"], name="book_author_part"),
        ]

    def __str__(self) -> str:
        return self.title


class Copy(models.Model):
    """One item with a barcode. Where it is, who has it and until when stand here, so nobody need ask the loans.

    Written only while its book is locked. `book` never changes.
    """

    class Status(models.TextChoices):
        AVAILABLE = "available", "Available"
        ON_LOAN = "on_loan", "On loan"
        ON_HOLD_SHELF = "on_hold_shelf", "On the hold shelf"
        IN_TRANSIT = "in_transit", "In transit"
        MISSING = "missing", "Missing"
        LOST = "lost", "Lost"
        DAMAGED = "damaged", "Damaged"
        WITHDRAWN = "withdrawn", "Withdrawn"

    # What may become of a copy. `withdrawn` is the end.
    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        "available": {"on_loan", "on_hold_shelf", "in_transit", "missing", "lost", "damaged", "withdrawn"},
        "on_loan": {"available", "in_transit", "lost"},
        "on_hold_shelf": {"available", "on_loan", "missing", "lost", "damaged", "withdrawn"},
        "in_transit": {"available", "on_hold_shelf", "missing", "lost", "damaged", "withdrawn"},
        "missing": {"available", "lost", "damaged", "withdrawn"},
        "lost": {"available", "damaged", "withdrawn"},
        "damaged": {"available", "missing", "lost", "withdrawn"},
        "withdrawn": set(),
    }

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="copies", db_index=False)
    barcode = models.CharField(max_length=64, validators=[RegexValidator(rf"\A{BARCODE}\Z")])
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="copies", db_index=False)
    # In no index, so that a copy that moves is updated in its place (HOT).
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.AVAILABLE)
    holder = models.ForeignKey(
        "Member",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="holdings",
        db_index=False,
        help_text="The borrower, or whom it is set aside for.",
    )
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "copies"
        constraints = [
            models.UniqueConstraint(fields=["barcode"], name="one_copy_per_barcode"),
            models.CheckConstraint(
                name="holder_while_lent_or_set_aside",
                condition=Q(status__in=["on_loan", "on_hold_shelf"], holder__isnull=False)
                | ~Q(status__in=["on_loan", "on_hold_shelf"]) & Q(holder=None),
            ),
            models.CheckConstraint(
                name="due_date_while_lent",
                condition=Q(status="on_loan", due_at__isnull=False) | ~Q(status="on_loan") & Q(due_at=None),
            ),
        ]
        indexes = [
            # Every count and choice of a title's copies, per branch or not.
            models.Index(fields=["book", "branch"], name="copy_of_book"),
            # GET /api/books/?branch=, for a branch that has little
            models.Index(fields=["branch", "book"], name="copy_at_branch"),
        ]

    def __str__(self) -> str:
        return self.barcode

    def move(self, to: Copy.Status, *, holder: Member | None = None, due_at: datetime | None = None) -> None:
        """Change the state under the book's lock, and with it who has the copy and until when.

        Raises InvalidTransition for a step that is not in the table.
        """
        self.become(to, holder=holder, due_at=due_at)
        self.save(update_fields=["status", "holder", "due_at"])

    def become(self, to: Copy.Status, *, holder: Member | None = None, due_at: datetime | None = None) -> None:
        """The same without saving it, for who writes more at once."""
        if to not in self.TRANSITIONS[self.status]:
            raise InvalidTransition(
                f"Copy {self.barcode} is {self.get_status_display().lower()} and cannot become {to.label.lower()}.",
                status=self.status,
            )
        self.status, self.holder, self.due_at = to, holder, due_at

    @property
    def is_available(self) -> bool:
        return self.status == self.Status.AVAILABLE


class MemberCategory(Recorded):
    """A kind of member, such as adult, child or student."""

    name = models.CharField(max_length=60)

    STANDARD: ClassVar[str] = "standard"
    is_told_by_name = True
    SAVED, DELETED = Event.Kind.CATEGORY_SAVED, Event.Kind.CATEGORY_DELETED

    class Meta:
        verbose_name_plural = "member categories"
        constraints = [models.UniqueConstraint(Lower("name"), name="one_category_per_name")]

    def __str__(self) -> str:
        return self.name

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """With its policies. Raises StaysWhereTwo."""
        with transaction.atomic():
            for policy in self.loanpolicy_set.all():
                policy.delete()
            return super().delete(*args, **kwargs)


class MemberManager(models.Manager["Member"]):
    """Leaves out what is only searched and sorted by."""

    def get_queryset(self) -> models.QuerySet[Member]:
        return super().get_queryset().defer(*_generated(self.model))


class Member(models.Model):
    """A person who may borrow."""

    card_number = models.CharField(max_length=64)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    email = models.EmailField("e-mail", blank=True)
    category = models.ForeignKey(MemberCategory, on_delete=models.PROTECT, related_name="members", db_index=False)
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="members", db_index=False)
    expires_on = models.DateField(null=True, blank=True, help_text="The last day of membership. Empty: no end.")
    blocked_reason = models.CharField(
        max_length=300, blank=True, help_text="Why this member may not borrow. Empty: may."
    )
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    source = models.CharField(max_length=60, blank=True, help_text="The system this record was imported from.")
    source_id = models.CharField(max_length=120, blank=True)
    first_name_folded = models.GeneratedField(
        expression=Left(Folded("first_name"), 100), output_field=FOLDED, db_persist=True
    )
    last_name_folded = models.GeneratedField(
        expression=Left(Folded("last_name"), 100), output_field=FOLDED, db_persist=True
    )

    objects: ClassVar[MemberManager] = MemberManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["card_number"], name="one_member_per_card"),
            models.UniqueConstraint(Lower("email"), name="one_member_per_email", condition=~Q(email="")),
            models.UniqueConstraint(
                fields=["source", "source_id"], name="one_member_per_source", condition=~Q(source_id="")
            ),
        ]
        indexes = [
            # GET /api/members/?ordering=name, and ?search=: the beginning of a name
            models.Index(fields=["last_name_folded", "id"], name="member_by_name"),
            models.Index(fields=["first_name_folded"], name="member_by_first_name"),
            # The filters of the admin, and whether a category or a branch may be removed
            models.Index(fields=["category", "id"], name="member_of_category"),
            models.Index(fields=["branch", "id"], name="member_of_branch"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.card_number})"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def has_expired(self, today: date) -> bool:
        """Whether membership ended before this day."""
        return self.expires_on is not None and self.expires_on < today


class LoanPolicy(Recorded):
    """The terms for a kind of member and a kind of title. The most specific policy that fits decides."""

    member_category = models.ForeignKey(
        MemberCategory,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        help_text="Empty: every member.",
    )
    book_category = models.CharField(max_length=50, blank=True, help_text="Empty: every title.")
    loan_days = models.PositiveSmallIntegerField(default=28, validators=[MinValueValidator(1), MaxValueValidator(3650)])
    max_loans = models.PositiveSmallIntegerField(default=5)
    max_renewals = models.PositiveSmallIntegerField(default=2)
    max_reservations = models.PositiveSmallIntegerField(default=5)
    shelf_days = models.PositiveSmallIntegerField(default=7, validators=[MaxValueValidator(365)])
    lend_while_overdue = models.BooleanField(default=False)

    is_referred_to = False
    SAVED, DELETED = Event.Kind.POLICY_SAVED, Event.Kind.POLICY_DELETED

    class Meta:
        verbose_name_plural = "loan policies"
        constraints = [
            models.UniqueConstraint(
                fields=["member_category", "book_category"], name="one_policy_per_pair", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_category or 'every member'}, {self.book_category or 'every title'}"
