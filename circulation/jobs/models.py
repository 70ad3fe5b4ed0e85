"""Long work: who asked for it, how far it is, what came of it; and the files that go with it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User


class JobQuerySet(models.QuerySet["Job"]):
    def unended(self) -> JobQuerySet:
        return self.filter(state__in=Job.UNENDED)

    def under_way(self) -> JobQuerySet:
        """Those that a worker is at."""
        return self.filter(state=Job.State.RUNNING, held_until__gte=Now())

    def waiting(self) -> JobQuerySet:
        """Those that nobody is at, and that need not wait."""
        return self.unended().filter(Q(held_until=None) | Q(held_until__lt=Now()))


class Job(models.Model):
    """Something to do, or done. One worker at a time is at it, `holder` until `held_until`."""

    class Kind(models.TextChoices):
        IMPORT_BOOKS = "import_books", "Import of titles"
        IMPORT_MEMBERS = "import_members", "Import of members"
        EXPORT = "export", "Export"
        ANONYMISE = "anonymise", "Anonymising"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    UNENDED = (State.QUEUED, State.RUNNING)
    OF_ADMINS = (Kind.EXPORT, Kind.ANONYMISE)  # other people do not see these, whoever they once were

    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    options = models.JSONField(default=dict)
    asked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    caller = models.CharField(max_length=60, help_text="With which credential it was asked for.")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    done = models.PositiveIntegerField(default=0, help_text="How many rows.")
    total = models.PositiveIntegerField(default=0, help_text="Of how many rows; 0 while nobody knows.")
    result = models.JSONField(default=dict, help_text="Counts.")
    refused = models.PositiveIntegerField(default=0, help_text="How many rows were refused.")
    notes = models.JSONField(default=list, help_text="What there was to say about rows; the first hundred.")
    message = models.TextField(blank=True)
    cancel_asked_at = models.DateTimeField(null=True)
    checkpoint = models.JSONField(default=dict, help_text="From where another worker goes on.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it was begun since it last got on.")
    holder = models.CharField(max_length=100, blank=True)
    held_until = models.DateTimeField(null=True, help_text="Until then nobody else begins it.")

    objects: ClassVar = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="ended_exactly_when_over",
                condition=Q(state__in=["queued", "running"], ended_at=None)
                | Q(state__in=["done", "failed", "cancelled"], ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def is_over(self) -> bool:
        return self.state not in self.UNENDED

    @property
    def has_result(self) -> bool:
        return self.kind == self.Kind.EXPORT and self.state == self.State.DONE


class JobFile(models.Model):
    """A file of a job. It stands in the database, in chunks: a backup has it, and it goes with the job."""

    class Role(models.TextChoices):
        SOURCE = "source", "To import"
        RESULT = "result", "Exported"
        REFUSED = "refused", "Refused rows"
        REASONS = "reasons", "Why rows were refused"
        PREVIEW = "preview", "The first rows, as a rehearsal understood them"
        LINES = "lines", "Where what stands that was taken in"  # see circulation/jobs/importing.py

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="files", db_index=False)
    role = models.CharField(max_length=10, choices=Role.choices)
    number = models.PositiveSmallIntegerField(help_text="Of several, in their order.")
    name = models.CharField(max_length=255, help_text="As whoever sent it called it; never a path of ours.")
    size = models.PositiveBigIntegerField(default=0)
    chunk_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["job", "role", "number"], name="one_file_of_a_number")]

    def __str__(self) -> str:
        return self.name or str(self.get_role_display())


class JobChunk(models.Model):
    """A part of a file."""

    file = models.ForeignKey(JobFile, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="one_chunk_of_a_number")]

    def __str__(self) -> str:
        return f"{self.file_id}, {self.number}"
