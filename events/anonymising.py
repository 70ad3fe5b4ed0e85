"""Taking people out of the event log. The only way to change what was recorded; what happened stays."""

from __future__ import annotations

import json

from django.db import connection
from django.db.models import F, Func, QuerySet

from events.models import Event
from events.operations import require_transaction


class _WithoutReasons(Func):
    """Reasons are free text, and may say anything about anybody."""

    template = "%(expressions)s #- '{reason}' #- '{override,reason}'"


def forget_members(events: QuerySet[Event]) -> int:
    """Make these events tell of nobody in particular. Returns how many there were."""
    return _change(events, member_id=None, payload=_WithoutReasons(F("payload")))


def forget_actors(events: QuerySet[Event]) -> int:
    """Make these events say no longer who asked for them. Returns how many there were."""
    return _change(events, actor_id=None)


def forget_answers_about(member_id: int, card_number: str) -> None:
    """Empty the answers that are kept for Idempotency-Keys and tell of this member. Their requests stay done.

    Who asks again is told so as a 404: no success without what the API's description promises of one.
    """
    require_transaction()
    told = [f'"member_id":{member_id},', f'"member_id":{member_id}}}', f'"card_number":{json.dumps(card_number)}']
    message = "This was done. What it answered was erased with its member."
    error = {"message": message, "code": "NOT_FOUND", "details": None, "status_code": 404}
    body = json.dumps({"success": False, "error": error})
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE events_storedanswer SET status = 404, body = %s, headers = '{"Content-Type": "application/json"}'
            WHERE EXISTS (SELECT FROM unnest(%s::bytea[]) AS part WHERE position(part IN body) > 0)
            """,
            [body.encode(), [part.encode() for part in told]],
        )


def _change(events: QuerySet[Event], **changes: object) -> int:
    """Lift the trigger that keeps events as they are, for this one statement."""
    require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('circdesk.anonymising', 'on', true)")
        changed = events.update(**changes)
        cursor.execute("SELECT set_config('circdesk.anonymising', '', true)")
    return changed
