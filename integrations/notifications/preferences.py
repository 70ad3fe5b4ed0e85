"""In which language a member is written to, and about what not."""

from __future__ import annotations

from collections.abc import Collection

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
def set_preferences(
    *, member_id: int, language: str | None = None, unwanted: Collection[str] | None = None
) -> Preferences:
    """Change what is given. Raises MemberNotFound."""
    locks.lock_member(member_id)
    found = preferences_of(member_id)
    if language is not None:
        found.language = language
    if unwanted is not None:
        found.unwanted = sorted(set(unwanted))
    found.save()
    return found
