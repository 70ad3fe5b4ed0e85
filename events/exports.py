"""That somebody took a list away as a file."""

from __future__ import annotations

from datetime import datetime

from events import recording
from events.models import EventKind
from events.operations import operation


@operation
def note_export(*, name: str, asked: str, actor_id: int | None, at: datetime) -> None:
    """Record which list it was, and what it was asked for."""
    with recording.acting(actor_id):
        recording.record(recording.event(EventKind.LIST_EXPORTED, name=name, asked=asked or None, at=at))
