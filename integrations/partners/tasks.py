"""What workers are asked to do. No fact is lost with a task: what is due stands in rows, swept every minute."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from events.waking import wake
from integrations.partners.reserving import BATCH, KEPT, follow_due, forget_ended


@shared_task
def follow_reservations() -> int:
    """Ask partners about what is not confirmed, and what became of the rest. Returns how many."""
    asked = follow_due(timezone.now())
    if asked == BATCH:
        wake(follow_reservations)
    return asked


@shared_task
def forget_reservations() -> int:
    """Drop what ended long ago. Returns how many."""
    kept = min(KEPT, timedelta(days=settings.HISTORY_DAYS or KEPT.days))
    return forget_ended(timezone.now() - kept)
