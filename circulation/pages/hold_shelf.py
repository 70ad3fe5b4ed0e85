"""The hold shelf: what to pull, what waits to be collected, what was not, and what is on its way."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from circulation import copies
from circulation.pages import standing
from events.models import Event
from events.recording import is_ours
from library.desk_pages import attempt, for_staff_who_may, shown
from library.models import Branch, Copy
from library.services import main_branch
from reservations import services
from reservations.models import Reservation

Do = Callable[[int, Branch], str]


@for_staff_who_may("reservations.view_reservation")
def page(request: HttpRequest) -> HttpResponse:
    branches = list(Branch.objects.order_by("name"))
    asked = request.POST.get("branch") or request.GET.get("branch", "")
    branch = next((each for each in branches if str(each.pk) == asked), None) or main_branch()
    if request.method == "POST":
        return _done(request, branch)
    now = timezone.now()
    return shown(
        request,
        "admin/circulation/hold_shelf.html",
        _("Hold shelf"),
        branches=branches,
        branch=branch,
        to_pull=standing.to_pull(branch),
        waiting=standing.waiting(branch, now),
        lapsed=standing.lapsed(branch, now),
        ended=standing.ended(branch, now),
        on_the_way=standing.on_the_way(branch, now),
        may_change=_may_change(request),
        most=standing.SHOWN,
        now=now,
    )


def _may_change(request: HttpRequest) -> bool:
    return is_ours(Event.Kind.HOLD) and request.user.has_perm("reservations.change_reservation")


def _done(request: HttpRequest, branch: Branch) -> HttpResponse:
    action, _sep, number = request.POST.get("do", "").partition(":")
    do = ACTIONS.get(action)
    if do is None or not number.isdecimal() or len(number) > 18 or not _may_change(request):
        messages.error(request, _("Nothing was done."))
    else:
        attempt(request, lambda: do(int(number), branch))
    return HttpResponseRedirect(f"{reverse('pages:hold_shelf')}?{urlencode({'branch': branch.pk})}")


def _pulled(number: int, branch: Branch) -> str:
    row = services.mark_pulled(reservation_id=number, at=timezone.now())
    told = {"barcode": row.copy.barcode if row.copy else "", "name": row.member.name if row.member else ""}
    if row.status == Reservation.Status.READY:
        return _("Copy %(barcode)s is pulled. Put it on the hold shelf for %(name)s.") % told
    return _("Copy %(barcode)s is pulled. Send it to %(branch)s for %(name)s.") % {**told, "branch": row.branch.name}


def _not_there(number: int, branch: Branch) -> str:
    barcode = _barcode(number)
    return copies.mark_missing(barcode=barcode, reason=_("Not on the shelf"), at=timezone.now()).told


def _expire(number: int, branch: Branch) -> str:
    book_id = Reservation.objects.filter(pk=number).values_list("book_id", flat=True).first() or 0
    ended = services.expire(book_id=book_id, at=timezone.now())
    if not ended:
        return _("Nothing had lapsed any more.")
    return _("Ended, and the next in line served: %(count)s.") % {"count": len(ended)}


def _cancel(number: int, branch: Branch) -> str:
    row = services.cancel(reservation_id=number, reason=_("Cancelled at the hold shelf"), at=timezone.now())
    return _("The reservation of %(name)s is cancelled.") % {"name": row.member.name if row.member else ""}


def _receive(number: int, branch: Branch) -> str:
    barcode = Copy.objects.filter(pk=number).values_list("barcode", flat=True).first() or ""
    return copies.receive(barcode=barcode, branch=branch, at=timezone.now()).told


def _barcode(reservation_id: int) -> str:
    found = Reservation.objects.filter(pk=reservation_id, copy__isnull=False)
    return found.values_list("copy__barcode", flat=True).first() or ""


ACTIONS: dict[str, Do] = {
    "pulled": _pulled,
    "missing": _not_there,
    "expire": _expire,
    "cancel": _cancel,
    "receive": _receive,
}
