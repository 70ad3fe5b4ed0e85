"""Notices written down, each once; and dropped when they are old."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from integrations.notifications.models import Notice
from library.models import Member

KEEP = timedelta(days=90)


def keep(notices: Sequence[Notice]) -> int:
    """Save those that are not there yet. Returns how many came."""
    Notice.objects.bulk_create(notices, ignore_conflicts=True)
    return len(notices)


def look_again(notices: Sequence[Notice], *, at: datetime) -> None:
    """Have those that were dropped asked once more whether they are true: they may be again."""
    dropped = Notice.objects.filter(state=Notice.State.DROPPED, times=0)
    dropped.filter(message_id__in=[notice.message_id for notice in notices]).update(
        state=Notice.State.QUEUED, due_at=at, attempts=0, why=""
    )


def unwanted_by_readers(member_ids: Collection[int]) -> Mapping[int, Collection[str]]:
    """Which kinds those of these members do not want who have an address. The others are left out."""
    readers = Member.objects.filter(~Q(email=""), pk__in=member_ids)
    found = readers.values_list("pk", "notice_preferences__unwanted")
    return {pk: unwanted or () for pk, unwanted in found}


def forget_old(at: datetime) -> int:
    """Drop what is older than ninety days, whatever became of it. Returns how many."""
    dropped, _ = Notice.objects.filter(created_at__lt=at - KEEP).delete()
    return dropped


def forget_history(
    sender: object, *, loans: Collection[int] = (), reservations: Collection[int] = (), **kwargs: Any
) -> None:
    """The log would still say who had what: it goes with the history of these loans and reservations."""
    Notice.objects.filter(Q(loan__in=loans) | Q(loan=None, reservation__in=reservations)).delete()
