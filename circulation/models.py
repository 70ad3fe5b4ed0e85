"""What was lent to whom."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from circulation.jobs.models import Job, JobChunk, JobFile
from events.models import OF_THE_DESK, Event
from library.models import Book, Copy, Member
from reservations.models import Reservation

__all__ = ["CirculationEvent", "DayFigures", "Job", "JobChunk", "JobFile", "Loan", "LoanQuerySet"]


class LoanQuerySet(models.QuerySet["Loan"]):
    def active(self) -> LoanQuerySet:
        """Loans that were neither returned nor lost."""
        return self.filter(returned_at=None)

    def returned(self) -> LoanQuerySet:
        return self.filter(returned_at__isnull=False)

    def overdue(self, at: datetime) -> LoanQuerySet:
        return self.active().filter(due_at__lt=at)

    def of(self, member: Member) -> LoanQuerySet:
        return self.filter(member=member)

    def made_of(self, reservation: Reservation) -> LoanQuerySet:
        """The loan that a reservation ended with."""
        told = Event.objects.filter(book_id=reservation.book_id, kind=Event.Kind.FULFIL, reservation_id=reservation.pk)
        return self.filter(pk__in=told.values("loan_id"))


class Loan(models.Model):
    """A copy in a member's hands, from check-out to return or loss. Written only while the book is locked."""

    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="loans", db_index=False)
    copy = models.ForeignKey(Copy, on_delete=models.PROTECT, related_name="loans", db_index=False)
    # Empty once the member was deleted, which only closed loans survive.
    member = models.ForeignKey(Member, on_delete=models.SET_NULL, null=True, related_name="loans", db_index=False)
    lent_at = models.DateTimeField()
    due_at = models.DateTimeField()
    returned_at = models.DateTimeField(null=True, blank=True, help_text="Also set when the copy was lost.")
    renewals = models.PositiveSmallIntegerField(default=0)

    objects: ClassVar = LoanQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["copy"], name="one_open_loan_per_copy", condition=Q(returned_at=None)),
            models.UniqueConstraint(
                fields=["member", "book"], name="one_open_loan_per_title_and_member", condition=Q(returned_at=None)
            ),
            models.CheckConstraint(name="due_after_lent", condition=Q(due_at__gte=F("lent_at"))),
            models.CheckConstraint(
                name="open_loan_has_member", condition=Q(returned_at__isnull=False) | Q(member__isnull=False)
            ),
        ]
        indexes = [
            # What a member has on loan is found by one_open_loan_per_title_and_member.
            # GET /api/members/{id}/history/ and /api/loans/?member=
            models.Index(fields=["member", "id"], name="loan_of_member"),
            # GET /api/loans/?book=
            models.Index(fields=["book", "id"], name="loan_of_book"),
            # The admin's search by barcode
            models.Index(fields=["copy", "id"], name="loan_of_copy"),
            # GET /api/loans/?ordering=due_at and =lent_at; the second one also for the statistics
            models.Index(fields=["due_at", "id"], name="loan_by_due_date"),
            models.Index(fields=["lent_at", "id"], name="loan_by_date"),
            # The returns of today and of each day, in the overview and the statistics
            models.Index(fields=["returned_at"], name="loan_by_return", condition=Q(returned_at__isnull=False)),
            # GET /api/loans/?status=open and =overdue in each order: open loans stand together at the end of the
            # others, which would all be passed on the way to them
            models.Index(fields=["id"], name="open_loan", condition=Q(returned_at=None)),
            models.Index(fields=["due_at", "id"], name="open_loan_by_due_date", condition=Q(returned_at=None)),
            models.Index(fields=["lent_at", "id"], name="open_loan_by_date", condition=Q(returned_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.copy} to {self.member or 'a former member'}"

    def is_overdue(self, at: datetime) -> bool:
        return self.returned_at is None and self.due_at < at


class CirculationEventManager(models.Manager["CirculationEvent"]):
    def get_queryset(self) -> models.QuerySet[CirculationEvent]:
        return super().get_queryset().filter(kind__in=CirculationEvent.KINDS)


class CirculationEvent(Event):
    """What happened at the desk: the events of copies, loans and the line, without those of the catalogue."""

    KINDS: ClassVar = OF_THE_DESK

    objects: ClassVar = CirculationEventManager()

    class Meta:
        proxy = True


class DayFigures(models.Model):
    """A day in the library's time zone: what happened on it, and how things stood when it ended.

    How they stood is empty where nobody counted within hours of its end.
    """

    day = models.DateField()
    loans = models.PositiveIntegerField()
    returns = models.PositiveIntegerField()
    open_loans = models.PositiveIntegerField(null=True)
    overdue = models.PositiveIntegerField(null=True)
    waiting = models.PositiveIntegerField(null=True)
    ready = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name = verbose_name_plural = "figures by day"
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["day"], name="one_row_per_day")]

    def __str__(self) -> str:
        return str(self.day)
