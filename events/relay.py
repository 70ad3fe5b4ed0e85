"""The relay: tells whoever must hear of committed events, until they have heard.

Every event leaves a pending row in its own transaction. The relay hands the rows that it can see, in order of id,
to its handlers and deletes them only when all have succeeded; so a crash anywhere repeats work and loses none.
"""

from collections.abc import Callable, Sequence

from django.db import connection, transaction

from events.models import Event, PendingEvent

# Each returns whether it succeeded. They run inside the relay's transaction and must bear repetition.
handlers: list[Callable[[Sequence[Event]], bool]] = []

BATCH = 500
_TURN = 0x63697263  # the advisory lock that one relay holds while another stands by


def relay_pending() -> int:
    """Publish one batch. Returns how many events: none when another relay has the turn or a handler failed."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_TURN])
            if not cursor.fetchone()[0]:
                return 0
        ids = list(PendingEvent.objects.order_by("event_id").values_list("event_id", flat=True)[:BATCH])
        if not ids:
            return 0
        events = list(Event.objects.filter(pk__in=ids).order_by("pk"))
        heard = [handler(events) for handler in handlers]
        if not all(heard):
            return 0
        PendingEvent.objects.filter(pk__in=ids).delete()
        return len(ids)
