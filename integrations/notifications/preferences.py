"""In which language a member is written to, and about what not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from events.operations import operation
from integrations.notifications.models import Preferences
from library import locks
from library.exceptions import MemberNotFound
from library.models import Member


def preferences_of(member_id: int) -> Preferences:
    """Those of a member, or the usual ones, not saved. Raises MemberNotFound."""
    found = Preferences.objects.filter(member=member_id).first()
    if found is None:
        if not Member.objects.filter(pk=member_id).exists():
            raise MemberNotFound(member_id)
        found = Preferences(member_id=member_id)
    return found


@operation
def set_preferences(*, member_id: int, fields: Mapping[str, Any]) -> Preferences:
    """Change `language`, None for the library's own, or what is `unwanted`, or both. Raises MemberNotFound."""
    locks.lock_member(member_id)
    found = preferences_of(member_id)
    if "language" in fields:
        found.language = fields["language"] or ""
    if "unwanted" in fields:
        found.unwanted = sorted(set(fields["unwanted"]))
    found.save()
    return found
