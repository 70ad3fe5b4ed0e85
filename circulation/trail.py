"""The audit trail as files: whatever a list of it shows, to its end, in little memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Any

from django.db.models import Q, QuerySet

from events.models import Event
from rest.tables import harmless

BATCH = 500  # rows in a statement
ORDER = ("-occurred_at", "-pk")
# One row for each field that changed, and one for an event in which none did.
COLUMNS = (
    "id", "occurred_at", "kind", "account", "api_key", "address", "request_id", "source", "title_id", "title",
    "barcode", "member_id", "card_number", "loan_id", "reservation_id", "record_id", "field", "old", "new", "details",
)  # fmt: skip


def walked(events: QuerySet[Any]) -> Iterator[Any]:
    """These events, newest first, a batch at a time: without a cursor of the database, which a pooler may not keep."""
    ordered = events.order_by(*ORDER)
    batch = list(ordered[:BATCH])
    while batch:
        yield from batch
        last = batch[-1]
        older = Q(occurred_at__lt=last.occurred_at) | Q(occurred_at=last.occurred_at, pk__lt=last.pk)
        # Said twice, for an index knows only the second how to begin.
        batch = list(ordered.filter(older, occurred_at__lte=last.occurred_at)[:BATCH]) if len(batch) == BATCH else []


def as_csv(events: Iterable[Any]) -> Iterator[str]:
    """With what `circulation.events_admin.NamedEvents` asks of each."""
    table = csv.writer(_Echo())
    yield table.writerow(COLUMNS)
    for event in events:
        for row in _rows(event):
            yield table.writerow([harmless(value) for value in row])


def as_json_lines(events: Iterable[Any]) -> Iterator[str]:
    for event in events:
        told = {
            "id": event.pk,
            "occurred_at": event.occurred_at.astimezone(UTC).isoformat(),
            "kind": event.kind,
            "actor_id": event.actor_id,
            "actor": event.actor_name,
            "key_id": event.key_id,
            "address": event.address,
            "request_id": event.request_id,
            "source": event.source,
            "book_id": event.book_id,
            "copy_id": event.copy_id,
            "member_id": event.member_id,
            "loan_id": event.loan_id,
            "reservation_id": event.reservation_id,
            "record_id": event.record_id,
            "payload": event.payload,
        }
        yield json.dumps(told, ensure_ascii=False) + "\n"


def details(event: Event) -> dict[str, Any]:
    """What an event says beside old and new values."""
    return {name: value for name, value in event.payload.items() if name not in ("changes", "changed")}


def written(value: Any) -> str:
    """An old or a new value, for people."""
    match value:
        case None | "":
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case list() if not any(isinstance(one, (list, dict)) for one in value):
            return ", ".join(written(one) or "-" for one in value)
    return json.dumps(value, ensure_ascii=False)


def _rows(event: Any) -> Iterator[list[Any]]:
    common = [
        event.pk, event.occurred_at.astimezone(UTC).isoformat(), event.kind, event.actor_name or event.actor_id,
        event.key_name or event.key_id, event.address, event.request_id, event.source, event.book_id, event.book_title,
        event.copy_barcode, event.member_id, event.member_card, event.loan_id, event.reservation_id, event.record_id,
    ]  # fmt: skip
    more = json.dumps(details(event), ensure_ascii=False)
    changes = event.payload.get("changes") or {name: ["", ""] for name in event.payload.get("changed", [""])}
    for field, (old, new) in changes.items():
        yield [*common, field, written(old), written(new), more]


class _Echo:
    """A file that gives back each line that is written to it."""

    def write(self, line: str) -> str:
        return line
