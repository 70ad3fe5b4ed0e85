"""What the overview's template is given."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from circulation.overview import charts, figures

WINDOWS = {7: 7, 30: 30, 90: 91, 365: 364}  # as they are asked for, and how many days are shown: whole weeks
USUAL = 30


def overview(*, at: datetime, days: int, reads: dict[str, int]) -> dict[str, Any]:
    """Today's tiles, and the charts of so many days. `reads` are what the cache of availability was asked."""
    found = figures.charts(at, WINDOWS[days])
    now = figures.today(at)
    # What happened since the charts were counted shows in them as well, where it costs nothing.
    found["days"][-1] |= {"loans": now["loans"], "returns": now["returns"]}
    drawn = charts.by_day(found["days"])
    wanted = charts.wanted(found["wanted"])
    for title in wanted:
        title["url"] = reverse("admin:library_book_change", args=[title["book_id"]])
    return {
        "tiles": _tiles(now, figures.week_ago(at), at),
        "is_empty": not any(now.values()) and not any(span.loans or span.returns for span in drawn["spans"]),
        "windows": [{"days": one, "is_shown": one == days, "label": _window(one)} for one in WINDOWS],
        "window": _window(days),
        "counted_at": timezone.localtime(datetime.fromisoformat(found["at"])),
        "days": drawn,
        "wanted": wanted,
        "lines": charts.lengths(found["lines"]),
        "line_count": sum(found["lines"]),
        "late": charts.lateness(found["late"]),
        "late_count": sum(found["late"]),
        "turnover": charts.turnover(found["turnover"]),
        "cache": charts.share(reads),
    }


def _window(days: int) -> str:
    if (shown := WINDOWS[days]) > charts.BY_WEEK:
        return ngettext("%(n)s week", "%(n)s weeks", shown // 7) % {"n": shown // 7}
    return ngettext("%(n)s day", "%(n)s days", days) % {"n": days}


def _tiles(now: dict[str, int], before: dict[str, Any] | None, at: datetime) -> list[dict[str, Any]]:
    loans = reverse("admin:circulation_loan_changelist")
    reservations = reverse("admin:reservations_reservation_changelist")
    events = reverse("admin:circulation_circulationevent_changelist")
    began = figures.midnight(timezone.localdate(at)).isoformat()
    day = date_format(timezone.localdate(at) - timedelta(days=7), "l")
    listed = (
        ("loans", _("Lent today"), _of(events, kind="checkout", occurred_at__gte=began)),
        ("returns", _("Returned today"), _of(events, kind="return", occurred_at__gte=began)),
        ("open_loans", _("On loan"), _of(loans, state="open")),
        ("overdue", _("Overdue"), _of(loans, state="overdue")),
        ("ready", _("To collect"), _of(reservations, status__exact="ready")),
        ("waiting", _("Waiting"), _of(reservations, status__exact="waiting")),
    )
    return [
        {"name": name, "label": label, "count": now[name], "url": url, "before": _before(before, name, day)}
        for name, label, url in listed
    ]


def _before(before: dict[str, Any] | None, name: str, day: str) -> str:
    count = before and before[name]
    return "" if count is None else _("%(count)s last %(day)s") % {"count": f"{count:,}", "day": day}


def _of(url: str, **narrowed: str) -> str:
    return f"{url}?{urlencode(narrowed)}"
