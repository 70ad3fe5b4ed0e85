"""Many titles or members at once, under ids that somebody else gave them: for imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection, models

from events.models import Event
from events.operations import operation, require_transaction
from events.recording import event, record
from library.models import Book, Branch, Copy, Member
from library.services import default_barcode, default_card_number


@operation
def keep_ids_free(model: type[models.Model], *, up_to: int) -> None:
    """From now on PostgreSQL numbers new rows above `up_to`, so that it gives nobody an id that a file brings.

    Raises Busy while somebody else's transaction has just taken a number.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [model._meta.db_table])
        sequence = cursor.fetchone()[0]
        # Changes nothing, but makes nextval() wait: reading the number and setting it are two steps, and whoever
        # took one in between would see it given out twice.
        cursor.execute(f"ALTER SEQUENCE {sequence} CACHE 1")
        cursor.execute(f"SELECT setval(%s, %s) FROM {sequence} WHERE last_value <= %s", [sequence, up_to, up_to])


def create_titles(copies: Mapping[Book, int], *, branch: Branch, at: datetime) -> None:
    """New titles, each with so many available copies. Every title has its id already.

    Raises IntegrityError or Duplicate for an id, barcode or source record that is taken.
    """
    require_transaction()
    Book.objects.bulk_create(copies)
    items = Copy.objects.bulk_create(
        Copy(book=book, barcode=default_barcode(book.pk, number), branch=branch)
        for book, count in copies.items()
        for number in range(1, count + 1)
    )
    record(
        *(
            event(Event.Kind.BOOK_ADDED, at=at, book_id=book.pk, title=book.title, copies=count)
            for book, count in copies.items()
        ),
        *(
            event(Event.Kind.COPY_ADDED, at=at, book_id=copy.book_id, copy_id=copy.pk, barcode=copy.barcode)
            for copy in items
        ),
    )


def create_members(members: Sequence[Member], *, at: datetime) -> None:
    """New members. Every one has their id already; without a card number they get the usual one.

    Raises IntegrityError or Duplicate for an id, card number, e-mail address or source record that is taken.
    """
    require_transaction()
    for member in members:
        member.card_number = member.card_number or default_card_number(member.pk)
    Member.objects.bulk_create(members)
    record(*(event(Event.Kind.MEMBER_ENROLLED, at=at, member_id=member.pk) for member in members))
