"""What a mail says beside its template: names, titles, and dates as the reader writes them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import dateformat, formats, translation

from events.models import Event
from integrations.notifications.kinds import OF_LOANS, Kind
from integrations.notifications.models import Notice
from reservations.models import Reservation
from reservations.titles import OUT_OF_CIRCULATION, WITHDRAWN

_DATES = {"en": "l, j F Y", "ar": "l j F Y"}  # of others, Django's
_COMMAS = {"ar": "، "}
# Why a reservation ended, where it was not said by somebody in their own words.
REASONS = {
    "not collected": {
        "en": "It was not collected in time.",
        "ar": "لم تُستلم النسخة في الموعد المحدد.",
    },
    "no longer needed": {
        "en": "The date until which you wanted it has passed.",
        "ar": "انقضى التاريخ الذي طلبتم الكتاب حتى حلوله.",
    },
    "given back": {"en": "The copy was given back.", "ar": "أُعيدت النسخة إلى المكتبة."},
    OUT_OF_CIRCULATION: {"en": OUT_OF_CIRCULATION, "ar": "سُحب هذا العنوان من الإعارة."},
    WITHDRAWN: {"en": "The library no longer has this title.", "ar": "لم يعد هذا العنوان متوفرًا في المكتبة."},
}
SAMPLE_MOMENT = datetime(2026, 3, 16, 23, 59, 59, tzinfo=ZoneInfo("UTC"))


def day(moment: datetime, zone: str, language: str, *, alone: bool = False) -> str:
    """The day of a moment at a branch; with the time, unless that is the day's end or the day `alone` is wanted."""
    local = moment.astimezone(ZoneInfo(zone))
    base = language.partition("-")[0]
    with translation.override(language):
        written = dateformat.format(local, _DATES.get(base) or formats.get_format("DATE_FORMAT", language))
    if alone or (local.hour, local.minute) == (23, 59):
        return written
    return f"{written}{_COMMAS.get(base, ', ')}{local:%H:%M}"


def values_of(notice: Notice, language: str) -> dict[str, str]:
    """What a template of this kind may name. The notice comes with its member, and its loan or reservation."""
    member = notice.member
    values = {
        "library": settings.LIBRARY_NAME,
        "name": member.name,
        "first_name": member.first_name or member.name,
        "card_number": member.card_number,
        "branch": member.branch.name,
    }
    if notice.loan is not None:
        values |= _of_loan(notice, language)
    elif notice.reservation is not None:
        values |= _of_reservation(notice, notice.reservation, language)
    return values


def sample(kind: str, language: str) -> dict[str, str]:
    """Values as they might be, for whoever writes a template."""
    values = {
        "library": settings.LIBRARY_NAME,
        "name": "Ada Lovelace",
        "first_name": "Ada",
        "card_number": "C00000002",
        "branch": "Main Library",
    }
    if kind != Kind.REGISTRATION:
        values |= {"title": "Middlemarch", "author": "George Eliot"}
    date = day(SAMPLE_MOMENT, "UTC", language)
    match kind:
        case Kind.RESERVED:
            return values | {"place": "3"}
        case Kind.READY | Kind.EXPIRING:
            return values | {"barcode": "1-1", "shelf_until": date}
        case Kind.RETURNED:
            return values | {"barcode": "1-1", "returned_on": date}
        case Kind.CANCELLED:
            return values | {"reason": _reason("not collected", language)}
        case Kind.REGISTRATION:
            return values
    return values | {"barcode": "1-1", "due_date": date}


def _of_loan(notice: Notice, language: str) -> dict[str, str]:
    loan = notice.loan
    assert loan is not None
    branch = loan.copy.branch
    values = {
        "title": loan.book.title,
        "author": loan.book.authors,
        "barcode": loan.copy.barcode,
        "branch": branch.name,
    }
    if notice.kind == Kind.RETURNED:
        returned_at = loan.returned_at or notice.moment
        return values | {"returned_on": day(returned_at, branch.time_zone, language, alone=True)}
    assert notice.kind in OF_LOANS
    return values | {"due_date": day(loan.due_at, branch.time_zone, language)}


def _of_reservation(notice: Notice, reservation: Reservation, language: str) -> dict[str, str]:
    values = {
        "title": reservation.book.title,
        "author": reservation.book.authors,
        "branch": reservation.branch.name,
    }
    if notice.kind == Kind.RESERVED:
        placed = Reservation.objects.filter(pk=reservation.pk).with_position().get()
        return values | {"place": str(placed.position or "")}
    if notice.kind == Kind.CANCELLED:
        return values | {"reason": _reason(_why_ended(reservation), language)}
    copy = reservation.copy
    assert copy is not None  # of one that is ready, by constraint
    until = day(reservation.shelf_until or notice.moment, reservation.branch.time_zone, language)
    return values | {"barcode": copy.barcode, "shelf_until": until}


def _why_ended(reservation: Reservation) -> str:
    ends = Event.objects.filter(
        book_id=reservation.book_id,
        reservation_id=reservation.pk,
        kind__in=[Event.Kind.CANCEL, Event.Kind.EXPIRE],
    )
    told = ends.order_by("-pk").first()
    return str(told.payload.get("reason", "")) if told else ""


def _reason(reason: str, language: str) -> str:
    known = REASONS.get(reason, {})
    return known.get(language.partition("-")[0]) or known.get("en") or reason
