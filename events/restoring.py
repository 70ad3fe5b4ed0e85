"""After a backup was restored: nobody may take what comes now for what came after the backup and is lost.

Positions and versions that were given since the backup would be given again, to other events. Whoever follows the
stream from elsewhere would pass these over as known. So both go on far beyond; what was still to be told is told under
its new position, and what followers of other databases do about positions that are not kept, they do now.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import F

from events import consuming, relay
from events.models import Consumer, Event, Publication, Relay

BEYOND = 100_000_000  # more than any library did between a backup and its restoring


def go_on_beyond() -> None:
    """Call it before anything else runs on the restored database. Another call does no harm.

    Raises RedisError, with PostgreSQL as it is, when the streams cannot be removed: they tell of what is lost.
    """
    own = [group.name for group in consuming.groups if group.stream in {outlet.stream for outlet in relay.outlets}]
    with transaction.atomic(durable=True):
        Relay.objects.bulk_create([Relay(pk=1)], ignore_conflicts=True)
        Relay.objects.select_for_update().get()
        for outlet in relay.outlets:
            outlet.stream.remove()
        Publication.objects.update(position=F("position") + BEYOND)
        Relay.objects.update(numbered=F("numbered") + BEYOND, published=F("published") + BEYOND)
        Consumer.objects.filter(group__in=own).update(position=F("position") + BEYOND, held_until=None)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [Event._meta.db_table])
            (sequence,) = cursor.fetchone()
            cursor.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, BEYOND])
