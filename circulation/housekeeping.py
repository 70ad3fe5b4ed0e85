"""What must happen without being asked: holds expire, the line is served, what is old or out of date goes."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error, close_old_connections
from django.db.models import Exists, OuterRef
from django.utils import timezone

from events.exceptions import DomainError
from events.models import Event, StoredAnswer
from events.recording import is_ours
from events.relay import forget_old_publications
from library import cache
from library.models import Book, Copy
from reservations.models import Reservation
from reservations.services import expire_everywhere, settle_titles

logger = logging.getLogger(__name__)

KEEP_ANSWERS = timedelta(hours=24)
AFTER_FAILURE = 1.0  # seconds
SWEEP_EVERY = 60.0  # seconds


@dataclass(frozen=True)
class Swept:
    """What one sweep did."""

    expired: int
    served: int
    answers: int


def sweep(*, at: datetime) -> Swept:
    """Expire what was not collected or is no longer needed, serve lines beside free copies, drop old answers.

    Also forget a cache that came back from before. Each title in a transaction of its own; safe to run twice, or on
    two machines at once.
    """
    cache.forget_what_was_restored()
    is_desk = is_ours(Event.Kind.EXPIRE)  # of two services, the public one
    expired = expire_everywhere(at=at) if is_desk else []
    served = settle_titles(stranded(at=at), at=at) if is_desk else []
    forget_old_publications()
    answers, _ = StoredAnswer.objects.filter(created_at__lt=at - KEEP_ANSWERS).delete()
    return Swept(expired=len(expired), served=len(served), answers=answers)


def stranded(*, at: datetime) -> list[int]:
    """Titles with somebody eligible waiting beside a free copy, as a change that touched no title may leave them."""
    waiting = Reservation.objects.filter(status=Reservation.Status.WAITING, copy=None)
    lines = set(waiting.values_list("book_id", flat=True).distinct())
    free = set(Copy.objects.filter(status=Copy.Status.AVAILABLE, book__in=lines).values_list("book_id", flat=True))
    # Few titles are left by now, so only their lines are asked whether anybody in them is eligible.
    eligible = Reservation.objects.eligible(OuterRef("pk"), at, timezone.localdate(at))
    titles = Book.objects.held().filter(Exists(eligible), pk__in=free, in_circulation=True)
    return list(titles.order_by("pk").values_list("pk", flat=True))


def keep_house(stop: threading.Event) -> None:
    """Sweep every minute, until told to stop."""
    while not stop.is_set():
        pause = SWEEP_EVERY
        try:
            sweep(at=timezone.now())
        except (Error, DomainError) as error:
            # The database may restart, or a title be busy, under a process that is meant to run for months.
            logger.warning("Housekeeping waits: %s", error)
            close_old_connections()
            pause = AFTER_FAILURE
        stop.wait(pause)
