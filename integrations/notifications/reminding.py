"""Overdue notices that staff ask for, for many loans at once: rows that workers send, at most one a day of a loan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.conf import settings
from django.db import transaction

from circulation.models import Loan
from events.models import Event
from events.operations import operation
from events.recording import require_ours
from events.waking import wake
from integrations.notifications.keeping import keep, unwanted_by_readers
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice, new_notice
from integrations.notifications.tasks import send_notices

MOST = 500
A_DAY = timedelta(days=1)


class Outcome(Enum):
    QUEUED = "queued"
    ON_ITS_WAY = "on its way"
    SENT_TODAY = "sent today"
    NO_ADDRESS = "no address"
    UNWANTED = "unwanted"
    NOT_OVERDUE = "not overdue"
    NO_MAIL = "no mail"


@dataclass(frozen=True)
class Reminded:
    """What became of one loan."""

    loan: Loan
    outcome: Outcome


@operation
def remind(*, loan_ids: Sequence[int], at: datetime) -> list[Reminded]:
    """Queue an overdue notice for each of these loans, `MOST` at most, that is overdue and whose member may be told.

    Of a due date that was told before, the same notice is sent again. Nobody is told of a loan twice within a day.
    """
    require_ours(Event.Kind.CHECKOUT)
    chosen = Loan.objects.filter(pk__in=loan_ids).select_related("member", "book", "copy").order_by("pk")
    # Locked, so that of two who ask at once the second finds what the first one queued.
    loans = list(chosen.select_for_update(no_key=True, of=("self",))[:MOST])
    told = _told_before(loans)
    unwanted = unwanted_by_readers({loan.member_id for loan in loans if loan.member_id is not None})
    made: list[Notice] = []
    outcomes: list[Reminded] = []
    for loan in loans:
        notice = told.get(loan.pk)
        wants_none = loan.member_id is not None and Kind.OVERDUE in unwanted.get(loan.member_id, ())
        outcome = _refused(loan, notice, wants_none=wants_none, at=at)
        if outcome is None:
            outcome = Outcome.QUEUED
            if notice is None:
                assert loan.member_id is not None  # an open loan has its member, by constraint
                made.append(new_notice(Kind.OVERDUE, loan.member_id, moment=loan.due_at, at=at, loan_id=loan.pk))
            else:
                _again(notice, at=at)
        outcomes.append(Reminded(loan, outcome))
    keep(made)
    if any(each.outcome is Outcome.QUEUED for each in outcomes):
        transaction.on_commit(lambda: wake(send_notices))
    return outcomes


def _told_before(loans: Sequence[Loan]) -> dict[int, Notice]:
    """The notices of these loans' present due dates, locked."""
    due = {loan.pk: loan.due_at for loan in loans}
    rows = Notice.objects.filter(loan__in=due, kind=Kind.OVERDUE).order_by("pk").select_for_update(no_key=True)
    return {row.loan_id: row for row in rows if row.loan_id is not None and row.moment == due[row.loan_id]}


def _refused(loan: Loan, notice: Notice | None, *, wants_none: bool, at: datetime) -> Outcome | None:
    """Why nothing is sent of a loan."""
    if not loan.is_overdue(at) or loan.member is None:
        return Outcome.NOT_OVERDUE
    if not settings.MAIL_IS_SET_UP:
        return Outcome.NO_MAIL
    if not loan.member.email:
        return Outcome.NO_ADDRESS
    if wants_none:
        return Outcome.UNWANTED
    if notice is not None and notice.state == Notice.State.QUEUED:
        return Outcome.ON_ITS_WAY
    if notice is not None and notice.sent_at is not None and notice.sent_at > at - A_DAY:
        return Outcome.SENT_TODAY
    return None


def _again(notice: Notice, *, at: datetime) -> None:
    """The same matter once more, as a mail of its own."""
    notice.times += 1
    notice.message_id = notice.named()
    notice.state, notice.due_at, notice.attempts, notice.why = Notice.State.QUEUED, at, 0, ""
    notice.holder, notice.held_until, notice.sent_at = "", None, None
    notice.save()
