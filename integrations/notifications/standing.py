"""Whether what a notice says is still true, and still wanted, at the moment of sending it."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from circulation.models import Loan
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice
from reservations.models import Reservation

STALE = timedelta(days=3)  # after which nobody needs to be told any more what they did
RECEIPTS = (Kind.REGISTRATION, Kind.RESERVED, Kind.RETURNED, Kind.RENEWED, Kind.CANCELLED)
Status = Reservation.Status


def why_not(notice: Notice, at: datetime) -> str:
    """Why a notice is not sent, as a sentence; nothing when it is.

    It comes with its member and their preferences, and its loan or reservation, as they are now.
    """
    if not settings.MAIL_IS_SET_UP:
        return "No mail server is set (EMAIL_URL)."
    if not notice.member.email:
        return "The member has no e-mail address."
    preferences = getattr(notice.member, "notice_preferences", None)
    if preferences is not None and notice.kind in preferences.unwanted:
        return "The member does not want mails of this kind."
    if notice.kind in RECEIPTS and not notice.times and notice.created_at < at - STALE:
        return f"It could not be sent for {STALE.days} days, and says nothing that must be known."
    if notice.loan is not None:
        return _of_loan(notice, notice.loan, at)
    if notice.reservation is not None:
        return _of_reservation(notice, notice.reservation, at)
    return ""


def _of_loan(notice: Notice, loan: Loan, at: datetime) -> str:
    if loan.member_id != notice.member_id:
        return "The loan does not say any more whose it was."
    if notice.kind == Kind.RETURNED:
        return ""  # which stays true
    zone = loan.copy.branch.time_zone
    if loan.returned_at is not None:
        return f"Returned on {_day(loan.returned_at, zone)}."
    if loan.due_at != notice.moment:
        return f"The due date is now {_day(loan.due_at, zone)}."
    if notice.kind == Kind.DUE_SOON and loan.due_at < at:
        return "It is overdue already."
    if notice.kind == Kind.OVERDUE and loan.due_at >= at:
        return "It is not overdue."
    return ""


def _of_reservation(notice: Notice, reservation: Reservation, at: datetime) -> str:
    if reservation.member_id != notice.member_id:
        return "The reservation does not say any more whose it was."
    status = Status(reservation.status)
    if notice.kind == Kind.CANCELLED:
        return ""  # which stays true
    if reservation.closed_at is not None:
        return f"{status.label} on {_day(reservation.closed_at, reservation.branch.time_zone)}."
    if notice.kind == Kind.RESERVED:
        return "A copy was set aside meanwhile." if status == Status.READY else ""
    if status != Status.READY or reservation.shelf_until is None or reservation.copy is None:
        return "The copy is no longer set aside."
    if reservation.shelf_until != notice.moment:
        return f"It is now set aside until {_day(reservation.shelf_until, reservation.branch.time_zone)}."
    if reservation.shelf_until < at:
        return "The pick-up time is over."
    return ""


def _day(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d}"
