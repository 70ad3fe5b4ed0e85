"""Looking many records up by what need not be known of each, such as an ISBN.

The unique indexes over these leave out what is empty. PostgreSQL only uses one if the query says in so many words that
what is empty is not meant; and a '' that is sent as a value might be anything, once the statement is prepared.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower

from library.models import Book, Member

_EMPTY = RawSQL("''", ())


def imported_from(sources: Iterable[str], source_ids: Iterable[str]) -> Q:
    """Titles, or members, that came from one of these systems under one of these ids."""
    return Q(source__in=set(sources), source_id__in=set(source_ids) - {""}) & ~Q(source_id=_EMPTY)


def titles_with_isbn(isbns: Iterable[str]) -> QuerySet[Book]:
    """Titles that the library still has."""
    return Book.objects.held().filter(~Q(isbn=_EMPTY), isbn__in=set(isbns) - {""})


def members_with_email(addresses: Iterable[str]) -> QuerySet[Member]:
    """Members with one of these e-mail addresses, in any case of their letters."""
    wanted = {address.lower() for address in addresses}
    return Member.objects.alias(_email=Lower("email")).filter(~Q(email=_EMPTY), _email__in=wanted)
