"""What must happen without being asked: holds expire, the line is served, old answers go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from events.models import StoredAnswer
from library.models import Book, Copy
from reservations.models import Reservation
from reservations.services import expire_everywhere, settle_titles

KEEP_ANSWERS = timedelta(hours=24)


@dataclass(frozen=True)
class Swept:
    """What one sweep did."""

    expired: int
    served: int
    answers: int


def sweep(*, at: datetime) -> Swept:
    """Expire what was not collected or is no longer needed, serve lines beside free copies, drop old answers.

    Each title in a transaction of its own; safe to run twice, or on two machines at once.
    """
    expired = expire_everywhere(at=at)
    served = settle_titles(stranded(at=at), at=at)
    answers, _ = StoredAnswer.objects.filter(created_at__lt=at - KEEP_ANSWERS).delete()
    return Swept(expired=len(expired), served=len(served), answers=answers)


def stranded(*, at: datetime) -> list[int]:
    """Titles with somebody eligible waiting beside a free copy, as a change that touched no title may leave them."""
    waiting = Reservation.objects.filter(status=Reservation.Status.WAITING, copy=None)
    beside_free = Copy.objects.filter(status=Copy.Status.AVAILABLE, book__in=waiting.values("book"))
    # Those are few, so only they are asked whether somebody who waits is eligible.
    few = set(beside_free.values_list("book_id", flat=True))
    eligible = Reservation.objects.eligible(OuterRef("pk"), at, timezone.localdate(at))
    titles = Book.objects.held().filter(Exists(eligible), pk__in=few, in_circulation=True)
    return list(titles.order_by("pk").values_list("pk", flat=True))
