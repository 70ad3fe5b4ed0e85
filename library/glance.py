"""How states and numbers of copies look at a glance: an icon with its word, a bar with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from library.models import Copy

Status = Copy.Status

ICONS: dict[str, str] = {
    Status.AVAILABLE: "check_circle",
    Status.ON_LOAN: "person",
    Status.ON_HOLD_SHELF: "bookmark",
    Status.IN_TRANSIT: "local_shipping",
    Status.MISSING: "help",
    Status.LOST: "cancel",
    Status.DAMAGED: "build",
    Status.WITHDRAWN: "block",
    # of reservations
    "waiting": "schedule",
    "suspended": "pause_circle",
    "ready": "bookmark",
}
PARTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "available": (_("available"), (Status.AVAILABLE,)),
    "on_loan": (_("on loan"), (Status.ON_LOAN,)),
    "on_hold_shelf": (_("on the hold shelf"), (Status.ON_HOLD_SHELF,)),
    "in_transit": (_("in transit"), (Status.IN_TRANSIT,)),
    "not_here": (_("not here"), (Status.MISSING, Status.LOST, Status.DAMAGED)),
}


def badge(status: str, label: Any) -> SafeString:
    """A state as an icon and its word."""
    return format_html(
        '<span class="glance-badge glance-{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        " {}</span>",
        status, ICONS.get(status, "circle"), label,
    )  # fmt: skip


def bar(numbers: Mapping[str, int]) -> SafeString:
    """How many copies are where: parts of a bar as wide as their numbers, and the same in words below it."""
    present = [(part, numbers[part], PARTS[part][0]) for part in PARTS if numbers.get(part)]
    if not present:
        return format_html('<span class="glance-words">{}</span>', _("no copies"))
    parts = format_html_join(
        "", '<span class="glance-part glance-{}" style="flex-grow:{}"></span>', ((part, n) for part, n, _ in present)
    )
    words = format_html_join(" · ", "{} {}", ((n, label) for _, n, label in present))
    return format_html(
        '<span class="glance"><span class="glance-bar" aria-hidden="true">{}</span>'
        '<span class="glance-words">{}</span></span>',
        parts, words,
    )  # fmt: skip
