"""A title and its copies as DAIA writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from unicodedata import normalize

from integrations.daia.holdings import Holdings
from library.models import Copy

PRESENTATION, LOAN = "presentation", "loan"

OUT_OF_CIRCULATION = "Out of circulation"
_LIMITATION = {Copy.Status.DAMAGED: "Damaged"}
_STORAGE = {Copy.Status.ON_HOLD_SHELF: "Hold shelf", Copy.Status.IN_TRANSIT: "Between branches"}


def entity(content: str, **more: str) -> dict[str, str]:
    """Something with a name. DAIA wants text in Unicode's form C; ours is as it was typed."""
    return {**more, "content": normalize("NFC", content)}


def document(held: Holdings, requested: str, *, at: datetime, url: Callable[[str], str]) -> dict[str, Any]:
    """A document that was asked for by this identifier. `url` makes an address of a path of ours."""
    address = url(f"/api/books/{held.book.pk}/")
    about = " / ".join(filter(None, (held.book.title, held.book.authors)))
    lendable = held.lendable
    return {
        "id": address,
        "requested": requested,
        "href": address,
        "about": normalize("NFC", about),
        "item": [_item(copy, held, is_lendable=copy.pk in lendable, at=at, url=url) for copy in held.copies],
    }


def _item(copy: Copy, held: Holdings, *, is_lendable: bool, at: datetime, url: Callable[[str], str]) -> dict[str, Any]:
    address = url(f"/api/copies/{copy.barcode}/")
    item: dict[str, Any] = {
        "id": address,
        "href": address,
        "label": copy.barcode,
        "department": entity(copy.branch.name),
    }
    if copy.status in _STORAGE:
        item["storage"] = entity(_STORAGE[Copy.Status(copy.status)])
    is_open = {PRESENTATION: copy.is_available and held.book.in_circulation, LOAN: is_lendable}
    item["available"] = [{"service": service} for service in (PRESENTATION, LOAN) if is_open[service]]
    item["unavailable"] = [
        _unavailable(service, copy, held, at) for service in (PRESENTATION, LOAN) if not is_open[service]
    ]
    return item


def _unavailable(service: str, copy: Copy, held: Holdings, at: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {"service": service}
    if (expected := _expected(copy, held, at)) is not None:
        found["expected"] = expected
    if service == LOAN and held.waiting:  # one waits to borrow, not to look at it
        found["queue"] = held.waiting
    limitation = _LIMITATION.get(Copy.Status(copy.status)) if held.book.in_circulation else OUT_OF_CIRCULATION
    if limitation:
        found["limitation"] = [entity(limitation)]
    return found


def _expected(copy: Copy, held: Holdings, at: datetime) -> str | None:
    """The day on which a copy is due, at its branch. `unknown`: it will be back some time, as DAIA has it; an overdue
    one as well. None: nobody knows whether.
    """
    if not held.book.in_circulation or copy.status == Copy.Status.DAMAGED:
        return None
    if copy.due_at is None or copy.due_at < at:
        return "unknown"
    return copy.branch.today(copy.due_at).isoformat()
