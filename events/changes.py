"""What changed in a record: old and new values, as the event log keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Model

SECRET = "(secret)"  # in place of what nobody may read

Changes = dict[str, list[Any]]  # field: [old, new]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """The fields whose values differ, with both. `before` is empty for what is new, which had nothing anywhere."""
    return {
        name: [said(before.get(name)), said(value)]
        for name, value in after.items()
        if (before[name] != value if name in before else value not in (None, "", [], {}))
    }


def said(value: Any) -> Any:
    """A value as JSON has it. Branches and categories by name, which outlives them; people by number."""
    match value:
        case Model():
            return str(value) if getattr(value, "is_told_by_name", False) else value.pk
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date() | time():
            return value.isoformat()
        case list() | tuple() | set():
            return [said(one) for one in value]
        case None | bool() | int() | float() | dict():
            return value
    return str(value)


def hidden(value: Any) -> str:
    """Whether there is such a secret, and nothing of it."""
    return SECRET if value else ""
