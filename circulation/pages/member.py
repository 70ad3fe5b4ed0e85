"""A member at a glance: what they have, what they wait for, what they had; and what the desk does about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from circulation import members, services
from circulation.models import Loan
from events.models import Event
from events.recording import is_ours
from library import glance
from library.desk_pages import attempt, for_staff_who_may, shown
from library.models import Member
from reservations import services as line
from reservations.models import Reservation
from rest.words import in_words

SHOWN = 50
REASON_LENGTH = 300


@for_staff_who_may("library.view_member")
def page(request: HttpRequest, member_id: int) -> HttpResponse:
    member = Member.objects.select_related("category", "branch").filter(pk=member_id).first()
    if member is None:
        raise Http404
    if request.method == "POST":
        return _done(request, member)
    now = timezone.now()
    loans: Any = Loan.objects.of(member).select_related("book", "copy")
    places: Any = Reservation.objects.live().of(member).with_position().select_related("book", "copy", "branch")
    return shown(
        request,
        "admin/circulation/member.html",
        member.name,
        member=member,
        has_ended=member.has_expired(timezone.localdate(now)),
        loans=[(loan, loan.is_overdue(now)) for loan in loans.active().order_by("due_at", "pk")[:SHOWN]],
        places=[
            (place, glance.badge(place.status, place.get_status_display()))
            for place in places.order_by("placed_at", "pk")[:SHOWN]
        ],
        history=list(loans.returned().order_by("-pk")[:SHOWN]),
        most=SHOWN,
        may_change=_may_change(request),
        reason_length=REASON_LENGTH,
    )


def _may_change(request: HttpRequest) -> bool:
    return is_ours(Event.Kind.CHECKOUT) and request.user.has_perm("library.change_member")


def _done(request: HttpRequest, member: Member) -> HttpResponse:
    action, _sep, number = request.POST.get("do", "").partition(":")
    reason = " ".join(request.POST.get("reason", "").split())[:REASON_LENGTH]
    do = ACTIONS.get(action)
    if do is None or not _may_change(request) or not _is_theirs(member, action, number):
        messages.error(request, _("Nothing was done."))
    elif action == "block" and not reason:
        messages.error(request, _("Say why: to block somebody needs a reason."))
    else:
        attempt(request, lambda: do(member, int(number or 0), reason))
    return HttpResponseRedirect(reverse("pages:member", args=[member.pk]))


def _is_theirs(member: Member, action: str, number: str) -> bool:
    """Whether what is to be changed belongs to the member whose page this is."""
    if action in ("block", "unblock"):
        return not number
    if not number.isdecimal() or len(number) > 18:
        return False
    rows: Any = Reservation.objects if action == "cancel" else Loan.objects
    return bool(rows.filter(pk=int(number), member=member).exists())


def _block(member: Member, number: int, reason: str) -> str:
    members.edit(member_id=member.pk, fields={"blocked_reason": reason}, at=timezone.now())
    return _("%(name)s is blocked.") % {"name": member.name}


def _unblock(member: Member, number: int, reason: str) -> str:
    members.edit(member_id=member.pk, fields={"blocked_reason": ""}, at=timezone.now())
    return _("%(name)s is not blocked any more.") % {"name": member.name}


def _renew(member: Member, number: int, reason: str) -> str:
    loan = services.renew(loan_id=number, at=timezone.now())
    told = {"barcode": loan.copy.barcode, "day": f"{loan.due_at:%Y-%m-%d}"}
    return _("Copy %(barcode)s is renewed until %(day)s.") % told


def _return(member: Member, number: int, reason: str) -> str:
    returned = services.return_copy(loan_id=number, at=timezone.now())
    return f"{_('Copy %(barcode)s returned.') % {'barcode': returned.loan.copy.barcode}} {in_words(returned.next.told)}"


def _cancel(member: Member, number: int, reason: str) -> str:
    ended = line.cancel(reservation_id=number, reason=reason, at=timezone.now())
    return _("The reservation of “%(title)s” is cancelled.") % {"title": ended.book.title}


ACTIONS: dict[str, Callable[[Member, int, str], str]] = {
    "block": _block,
    "unblock": _unblock,
    "renew": _renew,
    "return": _return,
    "cancel": _cancel,
}
