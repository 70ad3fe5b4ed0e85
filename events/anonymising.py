"""Taking people out of the event log. The only way to change what was recorded; what happened stays."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import F, Func, QuerySet

from events.models import Event
from events.operations import require_transaction

FROM_NOWHERE: dict[str, Any] = {"address": None, "request_id": None}  # the latter leads to the former, in logs


class _WithoutWords(Func):
    """Reasons are free text, and may say anything about anybody; old and new values are their names and addresses."""

    template = "%(expressions)s #- '{reason}' #- '{override,reason}' #- '{changes}'"


def forget_members(events: QuerySet[Event]) -> int:
    """Make these events tell of nobody in particular. Returns how many there were."""
    return _change(events, member_id=None, payload=_WithoutWords(F("payload")), **FROM_NOWHERE)


def forget_actors(events: QuerySet[Event]) -> int:
    """Make these events say no longer who asked for them, nor from where. Returns how many there were."""
    return _change(events, actor_id=None, **FROM_NOWHERE)


def forget_particulars(events: QuerySet[Event]) -> int:
    """Make these events say no longer what it was before and after, nor from where. Returns how many there were.

    The names of the fields that changed stay.
    """
    return _change(events, payload=_WithoutWords(F("payload")), **FROM_NOWHERE)


def of_accounts(account_ids: Iterable[int]) -> QuerySet[Event]:
    """What was changed of these accounts."""
    return Event.objects.filter(
        record_id__in=account_ids, kind__in=(Event.Kind.ACCOUNT_SAVED, Event.Kind.ACCOUNT_DELETED)
    )


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
