"""What must happen without being asked: holds expire, the line is served, who had what long ago is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from circulation.anonymising import anonymise_history
from events.models import Event
from events.recording import is_ours
from library import cache
from library.models import Book, Copy
from reservations.models import Reservation
from reservations.services import expire_everywhere, settle_titles


@dataclass(frozen=True)
class Swept:
    """What one sweep did."""

    expired: int
    served: int


def sweep(*, at: datetime) -> Swept:
    """Expire what was not collected or is no longer needed, and serve lines beside free copies.

    Also forget a cache that came back from before. Each title in a transaction of its own; safe to run twice, or on
    two machines at once.
    """
    cache.forget_what_was_restored()
    is_desk = is_ours(Event.Kind.EXPIRE)  # of two services, the public one
    expired = expire_everywhere(at=at) if is_desk else []
    served = settle_titles(stranded(at=at), at=at) if is_desk else []
    return Swept(expired=len(expired), served=len(served))


def stranded(*, at: datetime) -> list[int]:
    """Titles with somebody eligible waiting beside a free copy, as a change that touched no title may leave them."""
    waiting = Reservation.objects.filter(status=Reservation.Status.WAITING, copy=None)
    lines = set(waiting.values_list("book_id", flat=True).distinct())
    free = set(Copy.objects.filter(status=Copy.Status.AVAILABLE, book__in=lines).values_list("book_id", flat=True))
    # Few titles are left by now, so only their lines are asked whether anybody in them is eligible.
    eligible = Reservation.objects.eligible(OuterRef("pk"), at, timezone.localdate(at))
    titles = Book.objects.held().filter(Exists(eligible), pk__in=free, in_circulation=True)
    return list(titles.order_by("pk").values_list("pk", flat=True))


def forget_history(*, at: datetime) -> None:
    """Forget who had what longer ago than HISTORY_DAYS. Without that setting, nothing."""
    if settings.HISTORY_DAYS and is_ours(Event.Kind.CHECKOUT):
        anonymise_history(before=at - timedelta(days=settings.HISTORY_DAYS))
