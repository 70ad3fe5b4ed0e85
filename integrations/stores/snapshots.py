"""Taking over everything that the other service owns: by an empty store, and after a gap that cannot be repeated.

Page by page, through Redis: the receiver asks for the page after its cursor, again and again until it comes, takes it
over, moves its cursor in the same transaction, and asks for the next. So it may be killed, and Redis flushed, at any
time. Rows come under their versions, so that what is newer in the stream stays.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from events import consuming
from events.models import FailedMessage
from events.stream import client
from integrations.stores import receiving
from integrations.stores.models import Received, Snapshot
from integrations.stores.tables import DELETED, Row, Table, ours

PAGE = 500  # rows
SECONDS = 60  # that a question or an answer stays in Redis

PageRow = tuple[str, int, int, Row | None]  # table, id, version, values

BEGINNING = ["", 0]  # the cursor: a table, and the id after which its next row is sought


def want() -> None:
    """Have everything taken over anew. Nothing of what is here counts as known."""
    Snapshot.objects.all().delete()
    Received.objects.all().delete()
    Snapshot.objects.create(token=secrets.token_hex(8), cursor=BEGINNING, asked_at=timezone.now())


def receive() -> bool:
    """Take over the page that was asked for, if it has come, and ask for the next. Returns whether one is wanted."""
    with transaction.atomic(durable=True):
        snapshot = Snapshot.objects.select_for_update().filter(finished_at=None).first()
        if snapshot is None:
            return False
        answer = client().get(_answers(to=settings.SERVICE))
        page = json.loads(str(answer)) if answer else {}
        if (page.get("token"), page.get("cursor")) == (snapshot.token, snapshot.cursor):
            _take_over([tuple(row) for row in page["rows"]], snapshot.rows)
            snapshot.rows += len(page["rows"])
            snapshot.cursor = page["next"]
            snapshot.finished_at = None if page["next"] else timezone.now()
            snapshot.save()
    if snapshot.finished_at is None:
        question = json.dumps({"token": snapshot.token, "cursor": snapshot.cursor})
        client().set(_questions(of=settings.SERVICE), question, ex=SECONDS)
    return snapshot.finished_at is None


def _take_over(rows: Sequence[PageRow], before: int) -> None:
    """Take over a page; what cannot be yet, because it refers to what comes by the stream, is set aside for later."""
    if _taken(rows):
        return
    left = [(place, row) for place, row in enumerate(rows) if not _taken([row])]
    for place, (name, pk, version, values) in left:
        FailedMessage.objects.update_or_create(
            group="store",
            position=-(before + place + 1),
            defaults={
                "message": {"version": version, "rows": [[name, pk, values]]},
                "error": "It could not be taken over yet.",
                "failed_at": timezone.now(),
                "retry_at": timezone.now() + consuming.RETRIES[0],
            },
        )


def _taken(rows: Sequence[PageRow]) -> bool:
    try:
        with transaction.atomic():
            receiving.take_over(rows)
    except consuming.TROUBLE:
        raise
    except Exception:
        return False
    return True


def serve() -> bool:
    """Answer the other service's question for a page, if there is one. Returns whether there was."""
    other = "public" if settings.SERVICE == "admin" else "admin"
    question = client().getdel(_questions(of=other))
    if question is None:
        return False
    asked = json.loads(str(question))
    rows, following = _page(*asked["cursor"])
    answer = {**asked, "rows": rows, "next": following}
    client().set(_answers(to=other), json.dumps(answer), ex=SECONDS)
    return True


def _questions(*, of: str) -> str:
    return f"{settings.KEY_PREFIX_OF[of]}:snapshot:question"


def _answers(*, to: str) -> str:
    return f"{settings.KEY_PREFIX_OF[to]}:snapshot:answer"


def _page(table_name: str, after: int) -> tuple[list[PageRow], list[Any] | None]:
    """Rows as table, id, version and values; and the cursor of the next page, None at the end."""
    names = [table.name for table in ours()]
    table = ours()[names.index(table_name)] if table_name in names else ours()[0]
    if table_name == _GONE:
        rows, last = _gone(after)
        return rows, [_GONE, last] if rows else None
    found = table.page(after, PAGE)
    if not found:
        place = names.index(table.name) + 1
        return [], [names[place], 0] if place < len(names) else [_GONE, 0]
    return [(table.name, row["id"], version, row) for row, version in found], [table.name, found[-1][0]["id"]]


_GONE = "gone"


def _gone(after: int) -> tuple[list[PageRow], int]:
    """What was deleted here, which no row tells."""
    kinds: dict[str, Table] = {str(kind): table for kind, table in DELETED.items() if table in ours()}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, kind, coalesce(member_id, (payload ->> 'record')::bigint) FROM events_event
            WHERE kind = ANY (%s) AND id > %s ORDER BY id LIMIT %s
            """,
            [list(kinds), after, PAGE],
        )
        found = cursor.fetchall()
    return [(kinds[kind].name, row, version, None) for version, kind, row in found], found[-1][0] if found else after
