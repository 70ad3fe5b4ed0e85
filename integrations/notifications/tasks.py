"""What workers are asked to do. No fact is lost with a task: what is due stands in rows, swept every minute."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from events.waking import wake
from integrations.notifications.clock import queue_due_notices
from integrations.notifications.keeping import forget_old
from integrations.notifications.sending import send_due


@shared_task
def send_notices() -> int:
    """Send what is due. Returns how many mails the server took."""
    done = send_due(timezone.now())
    if done.is_more:
        wake(send_notices)
    return done.sent


@shared_task
def queue_notices() -> int:
    """Queue what is due soon, overdue, or waits on the hold shelf for its last day. Returns how many."""
    queued = queue_due_notices(timezone.now())
    if queued:
        wake(send_notices)
    return queued


@shared_task
def forget_notices() -> int:
    """Drop what is old. Returns how many."""
    return forget_old(timezone.now())
