"""Who was written to about what, in which words, and who wants what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from circulation.models import Loan
from events.models import Event
from events.recorded import Recorded
from integrations.notifications.kinds import OF_LOANS, OF_RESERVATIONS, Kind
from library.models import Member
from reservations.models import Reservation


class Notice(models.Model):
    """A mail to a member, and how far it got: the log of deliveries. What it says is written when it is sent.

    While it is queued, the next attempt is at `due_at`, and one sender at a time is at work for it, `holder` until
    `held_until`. The log goes with its member, and keeps no text.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Dropped"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="notices", db_index=False)
    loan = models.ForeignKey(Loan, on_delete=models.CASCADE, null=True, related_name="notices", db_index=False)
    reservation = models.ForeignKey(
        Reservation, on_delete=models.CASCADE, null=True, related_name="notices", db_index=False
    )
    moment = models.DateTimeField(help_text="The due date or the end of the pick-up time; else when it happened.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    why = models.CharField(max_length=300, blank=True, help_text="Why it failed or was dropped.")
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField("next attempt", null=True)
    times = models.PositiveSmallIntegerField(default=0, help_text="How often staff had it sent again.")
    message_id = models.CharField("Message-ID", max_length=320)
    address = models.CharField(max_length=254, blank=True, help_text="Where the last attempt went.")
    subject = models.CharField(max_length=300, blank=True)
    language = models.CharField(max_length=10, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    holder = models.CharField(max_length=100, blank=True)
    held_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                # In this order for those who look for the notices of a loan, a reservation or a member.
                fields=["loan", "reservation", "member", "kind", "moment"],
                name="one_notice_per_matter",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(fields=["message_id"], name="one_notice_per_message_id"),
            models.CheckConstraint(
                name="next_attempt_exactly_while_queued",
                condition=Q(state="queued", due_at__isnull=False) | (~Q(state="queued") & Q(due_at=None)),
            ),
            models.CheckConstraint(
                name="matter_fits_kind",
                condition=Q(kind__in=OF_LOANS, loan__isnull=False, reservation=None)
                | Q(kind__in=OF_RESERVATIONS, loan=None, reservation__isnull=False)
                | Q(kind=Kind.REGISTRATION, loan=None, reservation=None),
            ),
        ]
        indexes = [
            # What is to be sent next
            models.Index(fields=["due_at", "id"], name="notice_due", condition=Q(state="queued")),
            # What goes with its member; the log of a member
            models.Index(fields=["member", "id"], name="notice_of_member"),
            # What is old
            models.Index(fields=["created_at"], name="notice_by_age"),
            # What was told already of due dates in a time
            models.Index(fields=["kind", "moment"], name="notice_by_moment"),
            # The filters and the search of the log
            models.Index(fields=["state", "id"], name="notice_by_state"),
            models.Index(fields=["address"], name="notice_by_address"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.member}"

    def named(self) -> str:
        """Its Message-ID: the same for the same matter at every attempt, another one when staff send it again."""
        matter = self.loan_id or self.reservation_id or self.member_id
        moment = f"{self.moment.timestamp():.6f}".replace(".", "-")
        host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(" >")
        return f"<{self.kind}.{matter}.{moment}.{self.times}@{host}>"


def new_notice(
    kind: Kind,
    member_id: int,
    *,
    moment: datetime,
    at: datetime,
    loan_id: int | None = None,
    reservation_id: int | None = None,
) -> Notice:
    """A notice that is due at once, not yet saved."""
    made = Notice(
        kind=kind,
        member_id=member_id,
        loan_id=loan_id,
        reservation_id=reservation_id,
        moment=moment,
        created_at=at,
        due_at=at,
    )
    made.message_id = made.named()
    return made


class NoticeTemplate(Recorded):
    """The library's own words for a kind of mail, in place of those that come with the service."""

    SAVED, DELETED = Event.Kind.TEMPLATE_SAVED, Event.Kind.TEMPLATE_DELETED

    kind = models.CharField(max_length=20, choices=Kind.choices)
    language = models.CharField(max_length=10, default=settings.LANGUAGE_CODE)
    subject = models.CharField(max_length=300)
    text = models.TextField(help_text="For readers that show no HTML.")
    html = models.TextField("HTML", help_text="The inside of the page: what would stand in its body.")

    class Meta:
        ordering = ["kind", "language"]
        constraints = [models.UniqueConstraint(fields=["kind", "language"], name="one_template_per_kind_and_language")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.language}"


class Preferences(Recorded):
    """In which language a member is written to, and about what not. Without a row: the library's, and everything."""

    SAVED, DELETED = Event.Kind.PREFERENCES_SAVED, Event.Kind.PREFERENCES_DELETED
    UNTOLD = ("member",)

    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="notice_preferences")
    language = models.CharField(max_length=10, blank=True, help_text="Empty: the library's own.")
    unwanted = ArrayField(
        models.CharField(max_length=20, choices=Kind.choices), default=list, blank=True, help_text="Empty: everything."
    )

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"{self.member}"

    def about(self) -> dict[str, Any]:
        return {"member_id": self.member_id}
