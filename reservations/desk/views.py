"""The line for a title on the desk: who waits, and staff's changes, each told with its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from events.models import Event
from events.recording import is_ours
from library import glance
from library.desk_pages import attempt, for_staff_who_may, shown
from library.models import Book, Copy
from reservations import availability, services
from reservations.models import Reservation
from reservations.moving import move_to

LINE_SHOWS = 500
COPIES_SHOWN = 50
REASON_LENGTH = 300
REASON = "line_reason"  # of the session: who moves one often moves several for the same reason
MOVES = ("up", "down", "top", "to")


@for_staff_who_may("reservations.view_reservation")
def line(request: HttpRequest, book_id: int) -> HttpResponse:
    book = Book.objects.held().filter(pk=book_id).first()
    if book is None:
        raise Http404
    if request.method == "POST":
        return _changed(request, book)
    version = services.line_version(book)  # before the line: what changes in between is told, not overlooked
    rows = list(
        Reservation.objects.live().filter(book=book).in_order().select_related("member", "copy", "branch")[:LINE_SHOWS]
    )
    numbers = availability.count([book.pk])[book.pk]
    return shown(
        request,
        "admin/reservations/line.html",
        _("Line for “%(title)s”") % {"title": book.title},
        book=book,
        version=version,
        places=[_place(row, ahead, numbers) for row, ahead in _counted(rows)],
        more=len(rows) == LINE_SHOWS,
        copies=[
            (copy, glance.badge(copy.status, copy.get_status_display()))
            for copy in Copy.objects.filter(book=book).select_related("branch").order_by("pk")[:COPIES_SHOWN]
        ],
        may_change=_may_change(request),
        reason=request.session.get(REASON, ""),
        reason_length=REASON_LENGTH,
        focus=request.GET.get("focus", ""),
        changed=request.GET.get("focus", "").partition(":")[2],
    )


def _may_change(request: HttpRequest) -> bool:
    return is_ours(Event.Kind.REORDER) and request.user.has_perm("reservations.change_reservation")


def _counted(rows: list[Reservation]) -> list[tuple[Reservation, int]]:
    """Each with how many stand before it, as `with_position` counts them."""
    counted, ahead = [], 0
    for row in rows:
        counted.append((row, ahead))
        ahead += row.status != Reservation.Status.READY
    return counted


def _place(row: Reservation, ahead: int, numbers: availability.Availability) -> dict[str, Any]:
    row.ahead = ahead  # type: ignore[attr-defined]  # what `with_position` would say
    is_sent = row.status == Reservation.Status.WAITING and row.copy_id is not None
    return {
        "row": row,
        "badge": glance.badge(row.status, _("On its way") if is_sent else row.get_status_display()),
        "wait": None if is_sent else availability.wait_at(row.position or 0, numbers, at=timezone.now()),
    }


# --- Changes -------------------------------------------------------------------------------------------------


def _changed(request: HttpRequest, book: Book) -> HttpResponse:
    """Do what the button says, and show the line as it is then."""
    here = reverse("line:line", args=[book.pk])
    action, _sep, number = request.POST.get("do", "").partition(":")
    reason = " ".join(request.POST.get("reason", "").split())[:REASON_LENGTH]
    row = Reservation.objects.filter(book=book, pk=int(number)).first() if _is_number(number) else None
    if row is None or not _may_change(request):
        messages.error(request, _("Nothing was done."))
        return HttpResponseRedirect(here)
    request.session[REASON] = reason if action in MOVES else request.session.get(REASON, "")
    if action in MOVES:
        if reason:
            _move(request, row, action, reason)
        else:
            messages.error(request, _("Say why: a move in the line needs a reason."))
    elif action in STEPS:
        attempt(request, lambda: STEPS[action](row, reason))
    # Not with a fragment: browsers would not put the focus on the button then.
    return HttpResponseRedirect(f"{here}?{urlencode({'focus': f'{action}:{row.pk}'})}")


def _move(request: HttpRequest, row: Reservation, action: str, reason: str) -> None:
    now = Reservation.objects.with_position().get(pk=row.pk).position or 0
    asked = request.POST.get(f"place-{row.pk}", "")
    place = {"up": now - 1, "down": now + 1, "top": 1}.get(action, int(asked) if _is_number(asked) else 0)
    version = request.POST.get("version", "")
    if place < 1 or not _is_number(version):
        messages.error(request, _("There is no such place in the line."))
        return

    def run() -> str:
        moved = move_to(
            reservation_id=row.pk, place=place, reason=reason, at=timezone.now(), queue_version=int(version)
        )
        return _told(moved, gettext_lazy("%(name)s is now at place %(place)s."))

    attempt(request, run)


def _told(row: Reservation, sentence: Any) -> str:
    found = Reservation.objects.with_position().select_related("member", "copy").get(pk=row.pk)
    name = found.member.name if found.member else ""
    if found.status == Reservation.Status.READY and found.copy:
        return _("Copy %(barcode)s is set aside for %(name)s.") % {"barcode": found.copy.barcode, "name": name}
    return str(sentence) % {"name": name, "place": found.position}


def _cancel(row: Reservation, reason: str) -> str:
    ended = services.cancel(reservation_id=row.pk, reason=reason, at=timezone.now())
    name = ended.member.name if ended.member else ""
    return _("The reservation of %(name)s is cancelled.") % {"name": name}


def _suspend(row: Reservation, reason: str) -> str:
    services.suspend(reservation_id=row.pk, at=timezone.now())
    return _told(row, gettext_lazy("%(name)s is suspended and keeps place %(place)s."))


def _resume(row: Reservation, reason: str) -> str:
    services.resume(reservation_id=row.pk, at=timezone.now())
    return _told(row, gettext_lazy("%(name)s waits again, at place %(place)s."))


STEPS: dict[str, Callable[[Reservation, str], str]] = {"cancel": _cancel, "suspend": _suspend, "resume": _resume}


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 18
