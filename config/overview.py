"""The first page of the desk: the overview, for those who may see loans."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from circulation.overview import page
from config.observability import metrics


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The page's context. Here, because what this server counted is known at the top only."""
    if request.user.has_perm("circulation.view_loan"):
        asked = request.GET.get("days", "")
        days = int(asked) if asked in map(str, page.WINDOWS) else page.USUAL
        reads = metrics.cache_reads("availability")
        context["overview"] = page.overview(at=timezone.now(), days=days, reads=reads)
    return context
