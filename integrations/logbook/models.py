"""Warnings and errors of all processes, for those who have no access to their output."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models


class EntryQuerySet(models.QuerySet["Entry"]):
    def forgettable(self, at: datetime) -> EntryQuerySet:
        """Those that are older than `LOG_DAYS`."""
        return self.filter(at__lte=at - timedelta(days=settings.LOG_DAYS))


class Entry(models.Model):
    """What a process wrote to its log, without secrets and people. Written by config/observability/keeping.py alone."""

    class Level(models.IntegerChoices):
        WARNING = 30
        ERROR = 40
        CRITICAL = 50

    at = models.DateTimeField("When")
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    logger = models.CharField(max_length=100, help_text="Which part of the program says so.")
    message = models.TextField()
    request_id = models.CharField("Request", max_length=64, blank=True, help_text="As in X-Request-ID of the answer.")
    route = models.CharField(max_length=200, blank=True)
    trace = models.TextField(blank=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["at"], name="entry_at"),  # forgetting, and “the past 7 days”
            # The list, newest first, of one level or of one part of the program.
            models.Index(fields=["level", "id"], name="entry_level"),
            models.Index(fields=["logger", "id"], name="entry_logger"),
            models.Index(fields=["request_id"], name="entry_request", condition=~models.Q(request_id="")),
        ]

    def __str__(self) -> str:
        return self.message.partition("\n")[0][:100]
