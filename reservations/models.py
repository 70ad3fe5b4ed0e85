"""The line for a title."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import ClassVar

from django.db import models
from django.db.models import Case, Count, F, Func, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThan

from library.exceptions import InvalidTransition
from library.models import Book, Branch, Copy, Member
from reservations.exceptions import ReservationClosed

_LIVE = Q(status__in=["waiting", "suspended", "ready"])


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def live(self) -> ReservationQuerySet:
        """Those still in the line: waiting, suspended or ready."""
        return self.filter(status__in=Reservation.LIVE)

    def of(self, member: Member) -> ReservationQuerySet:
        return self.filter(member=member)

    def in_order(self) -> ReservationQuerySet:
        """The line's order: staff's priority, then first come, first served."""
        return self.order_by("priority", "placed_at", "id")

    def eligible(
        self, book: Book | OuterRef, at: datetime, today: date, *, sent: Copy | None = None
    ) -> ReservationQuerySet:
        """Whoever could be given a copy of a title now. The rest are passed over and keep their places.

        With `sent`, whoever that copy was sent to their branch for, if they still could be given it.
        """
        return self.filter(
            Q(needed_by=None) | Q(needed_by__gte=at),
            Q(member__expires_on=None) | Q(member__expires_on__gte=today),
            book=book,
            status=Reservation.Status.WAITING,
            copy=sent,
            member__blocked_reason="",
        )

    def lapsed(self, at: datetime) -> ReservationQuerySet:
        """Those not collected in time, and those waiting past the moment until which they were of use."""
        return self.filter(
            Q(status=Reservation.Status.READY, shelf_until__lt=at)
            | Q(status__in=[Reservation.Status.WAITING, Reservation.Status.SUSPENDED], needed_by__lt=at)
        )

    def with_position(self) -> ReservationQuerySet:
        """Adds `ahead`: how many stand before each of those who wait in the line of its title."""
        before = (
            Reservation.objects.filter(
                LessThan(_place(F), _place(OuterRef)),
                book=OuterRef("book"),
                status__in=[Reservation.Status.WAITING, Reservation.Status.SUSPENDED],
            )
            .order_by()
            .values("book")
            .annotate(n=Count("pk"))
        )
        # Whoever has no place in it is not counted for: it would be the whole line of a title for each.
        return self.annotate(
            ahead=Case(
                When(status__in=["waiting", "suspended"], then=Coalesce(Subquery(before.values("n")), 0)), default=0
            )
        )


def _place(field: Callable[[str], F]) -> Func:
    """A place in the line as one value, so that the index is read as far as the place, not to the end of the line."""
    return Func(*map(field, ("priority", "placed_at", "pk")), function="ROW", output_field=models.Field())


class Reservation(models.Model):
    """A member's place in the line for a title. Written only while the book is locked.

    The order is `(priority, placed_at, id)`; a position is computed, never stored. While a copy is on its way to the
    branch where it is to be collected, `copy` names it and the reservation still waits.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SUSPENDED = "suspended", "Suspended"
        READY = "ready", "Ready for pick-up"
        FULFILLED = "fulfilled", "Fulfilled"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired"

    # What may become of a reservation. `ready` falls back to `waiting` when its copy fails, and keeps its place; what
    # was fulfilled is live again only when that check-out is undone (`revive`).
    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        "waiting": {"suspended", "ready", "fulfilled", "cancelled", "expired"},
        "suspended": {"waiting", "fulfilled", "cancelled", "expired"},
        "ready": {"waiting", "fulfilled", "cancelled", "expired"},
        "fulfilled": set(),
        "cancelled": set(),
        "expired": set(),
    }
    LIVE: ClassVar = (Status.WAITING, Status.SUSPENDED, Status.READY)
    CLOSED: ClassVar = (Status.FULFILLED, Status.CANCELLED, Status.EXPIRED)

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="reservations", db_index=False)
    # Empty once the member was deleted, which only closed reservations survive.
    member = models.ForeignKey(
        Member, on_delete=models.SET_NULL, null=True, related_name="reservations", db_index=False
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    placed_at = models.DateTimeField()
    priority = models.SmallIntegerField(default=0, help_text="Lower goes first. Staff change it, with a reason.")
    copy = models.ForeignKey(
        Copy, on_delete=models.PROTECT, null=True, blank=True, related_name="reservations", db_index=False
    )
    shelf_until = models.DateTimeField(null=True, blank=True, help_text="Until when the copy stays set aside.")
    to_pull = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Its copy was given while it stood on a shelf, and nobody has fetched it from there yet.",
    )
    needed_by = models.DateTimeField(null=True, blank=True, help_text="Of no use to the member after this moment.")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="reservations", db_index=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = ReservationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["book", "member"],
                name="one_live_reservation_per_member",
                condition=_LIVE,
            ),
            models.UniqueConstraint(
                fields=["copy"],
                name="one_live_reservation_per_copy",
                condition=Q(status__in=["waiting", "ready"], copy__isnull=False),
            ),
            models.CheckConstraint(
                name="ready_has_copy_and_date",
                condition=~Q(status="ready") | Q(copy__isnull=False, shelf_until__isnull=False),
            ),
            models.CheckConstraint(
                name="closed_reservation_has_date",
                condition=Q(status__in=["waiting", "suspended", "ready"], closed_at=None, member__isnull=False)
                | Q(status__in=["fulfilled", "cancelled", "expired"], closed_at__isnull=False),
            ),
        ]
        indexes = [
            # The line of a title in order: who is next, how many wait; GET /api/reservations/?book=
            models.Index(fields=["book", "status", "priority", "placed_at", "id"], name="reservation_line"),
            # The line of those who wait and those who are suspended together: positions, the queue page
            models.Index(fields=["book", "priority", "placed_at", "id", "status"], name="live_line", condition=_LIVE),
            # A member's reservations: the limit, GET /api/members/{id}/reservations/
            models.Index(fields=["member", "status", "id"], name="reservation_of_member"),
            # GET /api/reservations/?ordering=placed_at; and with ?status=
            models.Index(fields=["placed_at", "id"], name="reservation_by_date"),
            models.Index(fields=["status", "id"], name="reservation_by_status"),
            # GET /api/reservations/?status=live in each order: live ones stand together at the end of the others,
            # which would all be passed on the way to them
            models.Index(fields=["id"], name="live_reservation", condition=_LIVE),
            models.Index(fields=["placed_at", "id"], name="live_reservation_by_date", condition=_LIVE),
            # The sweep of what was not collected or is no longer needed.
            models.Index(fields=["shelf_until"], name="reservation_on_shelf", condition=Q(status="ready")),
            models.Index(
                fields=["needed_by"],
                name="reservation_needed_by",
                condition=Q(status__in=["waiting", "suspended"], needed_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.book} for {self.member or 'a former member'}"

    def move(self, to: Reservation.Status, *, at: datetime, copy: Copy | None = None) -> None:
        """Change the state under the book's lock: to any but READY, which is written with its copy (writing.py).

        Raises ReservationClosed when it has ended, InvalidTransition for a step that is not in the table.
        """
        self.become(to, at=at, copy=copy)
        self.save(update_fields=["status", "copy", "shelf_until", "to_pull", "closed_at"])

    def become(
        self,
        to: Reservation.Status,
        *,
        at: datetime,
        copy: Copy | None = None,
        shelf_until: datetime | None = None,
        to_pull: bool = False,
    ) -> None:
        """The same to any state, and without saving it, for who writes more at once."""
        if not self.is_live:
            raise ReservationClosed(
                f"This reservation was already {self.get_status_display().lower()}.", status=self.status
            )
        if to not in self.TRANSITIONS[self.status]:
            raise InvalidTransition(
                f"This reservation is {self.get_status_display().lower()} and cannot become {to.label.lower()}.",
                status=self.status,
            )
        self.status, self.copy, self.shelf_until, self.to_pull = to, copy, shelf_until, to_pull
        self.closed_at = at if to in self.CLOSED else None

    def revive(self, to: Reservation.Status, *, copy: Copy | None = None, shelf_until: datetime | None = None) -> None:
        """Live again at its old place: the check-out that fulfilled it was undone. Under the book's lock."""
        if self.status != self.Status.FULFILLED:
            raise ReservationClosed(
                f"This reservation was already {self.get_status_display().lower()}.", status=self.status
            )
        self.status, self.copy, self.shelf_until, self.closed_at = to, copy, shelf_until, None
        self.save(update_fields=["status", "copy", "shelf_until", "closed_at"])

    @property
    def position(self) -> int | None:
        """1 for the head of those who wait, 0 once a copy is set aside, None when it has ended.

        Needs a row of `with_position`.
        """
        if self.status == self.Status.READY:
            return 0
        ahead: int = self.ahead  # type: ignore[attr-defined]  # annotated
        return ahead + 1 if self.is_live else None

    @property
    def is_live(self) -> bool:
        return self.status in self.LIVE
