"""How long what is only of use for a while is kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from events.models import StoredAnswer

KEEP_ANSWERS = timedelta(hours=24)


def forget_old_answers(*, at: datetime) -> int:
    """Drop answers given under an Idempotency-Key a day ago. Returns how many."""
    dropped, _ = StoredAnswer.objects.filter(created_at__lt=at - KEEP_ANSWERS).delete()
    return dropped
