"""What is overdue, who has it, when they were told last; and notices for many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from circulation.models import Loan
from events.models import Event
from events.recording import is_ours
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice
from integrations.notifications.reminding import MOST, Outcome, Reminded, remind
from library.desk_pages import attempt, for_staff_who_may, shown
from library.models import Branch, MemberCategory

PAGE = 100
PAGES = 100  # further than anybody turns
NAMED = 10  # members in a message
LATE = (1, 7, 14, 30, 90)  # days, to choose from

TOLD: dict[Outcome, tuple[Any, Any]] = {
    Outcome.QUEUED: (messages.success, gettext_lazy("Will be written to: %(who)s.")),
    Outcome.ON_ITS_WAY: (messages.info, gettext_lazy("A notice is on its way already: %(who)s.")),
    Outcome.SENT_TODAY: (messages.info, gettext_lazy("Told within the last day: %(who)s.")),
    Outcome.NO_ADDRESS: (messages.warning, gettext_lazy("No e-mail address: %(who)s.")),
    Outcome.UNWANTED: (messages.warning, gettext_lazy("Do not want such mails: %(who)s.")),
    Outcome.NOT_OVERDUE: (messages.info, gettext_lazy("Not overdue any more: %(who)s.")),
    Outcome.NO_MAIL: (messages.error, gettext_lazy("No mail server is set, so nothing was sent: %(who)s.")),
}


@dataclass(frozen=True)
class Asked:
    """Which loans are meant: the query of the page."""

    branch: int | None
    category: int | None
    days: int

    @classmethod
    def of(cls, query: Any) -> Asked:
        return cls(_number(query, "branch"), _number(query, "category"), _number(query, "days") or 0)

    def loans(self, at: datetime) -> QuerySet[Loan]:
        """In the order of their due dates: the latest first to be seen, by the index of open loans."""
        loans: QuerySet[Loan] = Loan.objects.overdue(at - timedelta(days=min(self.days, 36_500)))
        if self.branch is not None:
            loans = loans.filter(copy__branch=self.branch)
        if self.category is not None:
            loans = loans.filter(member__category=self.category)
        return loans.order_by("due_at", "pk")


def _number(query: Any, name: str) -> int | None:
    text = query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else None


@for_staff_who_may("circulation.view_loan")
def overdue(request: HttpRequest) -> HttpResponse:
    asked, now = Asked.of(request.GET), timezone.now()
    if request.method == "POST":
        _remind(request, asked, now)
        return HttpResponseRedirect(request.get_full_path())
    page = min(_number(request.GET, "page") or 1, PAGES)
    wanted = asked.loans(now).select_related("member", "book", "copy__branch")
    rows = list(wanted[(page - 1) * PAGE : page * PAGE + 1])
    loans, is_more = rows[:PAGE], len(rows) > PAGE
    last = _last_notices(loans)
    query = request.GET.copy()
    query.pop("page", None)
    return shown(
        request,
        "admin/notifications/overdue.html",
        _("Overdue"),
        rows=[(loan, max((now - loan.due_at).days, 0), last.get(loan.pk)) for loan in loans],
        asked=asked,
        branches=list(Branch.objects.order_by("name")),
        categories=list(MemberCategory.objects.order_by("name")),
        late=LATE,
        page=page,
        is_more=is_more,
        query=query.urlencode(),
        may_remind=_may_remind(request),
        most=MOST,
    )


def _last_notices(loans: Sequence[Loan]) -> dict[int, Notice]:
    rows = Notice.objects.filter(loan__in=[loan.pk for loan in loans], kind=Kind.OVERDUE).order_by("pk")
    return {row.loan_id: row for row in rows if row.loan_id is not None}


def _may_remind(request: HttpRequest) -> bool:
    return is_ours(Event.Kind.CHECKOUT) and request.user.has_perm("circulation.change_loan")


def _remind(request: HttpRequest, asked: Asked, now: datetime) -> None:
    if not _may_remind(request):
        messages.error(request, _("Nothing was done."))
        return
    if request.POST.get("do") == "all":
        chosen = list(asked.loans(now).values_list("pk", flat=True)[: MOST + 1])
    else:
        chosen = [int(text) for text in request.POST.getlist("loan") if text.isdecimal() and len(text) < 19]
    if not chosen:
        messages.error(request, _("Choose whom to write to first."))
    elif len(chosen) > MOST:
        messages.error(
            request,
            _("At most %(most)s at a time. Narrow the list, and nothing was sent so far.") % {"most": MOST},
        )
    else:
        done: list[Reminded] = []
        if attempt(request, lambda: _reminded(chosen, now, done)):
            _tell(request, done)


def _reminded(chosen: list[int], now: datetime, done: list[Reminded]) -> str:
    done += remind(loan_ids=chosen, at=now)
    return _("%(count)s loans were looked at.") % {"count": len(done)}


def _tell(request: HttpRequest, done: Sequence[Reminded]) -> None:
    """What became of each, in a sentence for each kind of outcome."""
    for outcome, (say, sentence) in TOLD.items():
        found = [each.loan for each in done if each.outcome is outcome]
        if not found:
            continue
        who = [f"{loan.member.name if loan.member else '–'} ({loan.copy.barcode})" for loan in found[:NAMED]]
        if len(found) > NAMED:
            who.append(_("and %(count)s more") % {"count": len(found) - NAMED})
        say(request, sentence % {"who": ", ".join(who)})
