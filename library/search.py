"""Finding titles and members."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Lower

from library.models import UNKNOWN_YEAR, Book, Branch, Copy, Member
from rest.planning import planned_for_its_values

FACETS = ("category", "publisher", "language")
FACET_VALUES = 20
FEW = 200  # titles that are looked up one by one


class Beginnings(SearchQuery):
    """All words of a text, or words that begin with them.

    PostgreSQL tells the words apart, as it did in the title: it knows which marks belong to a letter in any script.
    """

    template = "replace(%(function)s(%(expressions)s)::text || ' ', ''' ', ''':* ')::tsquery"


def found(books: QuerySet[Book], text: str) -> QuerySet[Book]:
    """Titles with all these words or beginnings of words in title or author; if there are none, titles like them."""
    if not any(character.isalnum() for character in text):
        return books.none()
    words = Q(search_vector=Beginnings(text, config="circdesk"))
    known = _first(FEW + 1, Book.objects.held().filter(words))
    if len(known) > FEW:
        return books.filter(words)
    if known:
        return books.filter(pk__in=known)
    similar = books.alias(_title=Lower("title"), _authors=Lower("authors"))
    return similar.filter(Q(_title__trigram_word_similar=text) | Q(_authors__trigram_word_similar=text))


def _first(count: int, books: QuerySet[Book]) -> list[int]:
    """The ids of so many titles, any of them.

    MATERIALIZED has PostgreSQL plan for all of them, which is to look the words up in their index. It overestimates
    how many titles have a rare word; for a page of those it would read one title after the other until it is full.
    """
    sql, params = books.values("pk").query.sql_with_params()
    with planned_for_its_values(), connection.cursor() as cursor:
        cursor.execute(f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found LIMIT {count}", params)
        return [book_id for (book_id,) in cursor.fetchall()]


def filtered(books: QuerySet[Book], asked: dict[str, Any]) -> QuerySet[Book]:
    """Titles that meet every condition asked, as BookQuery names them."""
    for exact in ("publisher", "category", "language", "isbn"):
        if exact in asked:
            books = books.filter(**{exact: asked[exact]})
    if "author" in asked:
        books = books.alias(_authors=Lower("authors")).filter(_authors__contains=Lower(Value(asked["author"])))
    bounds = {"year_min": "_year__gte", "year_max": "_year__lte"}
    if years := {lookup: asked[name] for name, lookup in bounds.items() if name in asked}:
        books = books.alias(_year=Coalesce("published_year", UNKNOWN_YEAR)).filter(_year__gt=UNKNOWN_YEAR, **years)
    copies = Copy.objects.filter(book=OuterRef("pk"))
    if "branch" in asked:
        # Asked beforehand, so that PostgreSQL knows whether much or little stands there.
        branches = Branch.objects.filter(name__iexact=asked["branch"]).values_list("pk", flat=True)
        copies = copies.filter(branch__in=list(branches))
    if "available" in asked:
        free = Exists(copies.filter(status=Copy.Status.AVAILABLE))
        books = books.filter(free if asked["available"] else ~free)
    if "branch" in asked:
        books = books.filter(Exists(copies))
    return found(books, asked["search"]) if asked.get("search") else books


def facets(books: QuerySet[Book]) -> dict[str, list[dict[str, Any]]]:
    """The most frequent values among these titles, with how many titles have each."""
    counted: dict[str, list[dict[str, Any]]] = {}
    copies = Copy.objects.filter(book__in=books.order_by().values("pk")).exclude(status=Copy.Status.WITHDRAWN)
    branches = copies.values("branch__name").annotate(n=Count("book", distinct=True)).order_by("-n", "branch__name")
    with planned_for_its_values():
        for name in FACETS:
            rows = books.exclude(**{name: ""}).order_by().values(name).annotate(n=Count("pk")).order_by("-n", name)
            counted[name] = [{"value": row[name], "count": row["n"]} for row in rows[:FACET_VALUES]]
        counted["branch"] = [{"value": row["branch__name"], "count": row["n"]} for row in branches[:FACET_VALUES]]
    return counted


def members_like(members: QuerySet[Member], text: str) -> QuerySet[Member]:
    """Members with this card number or e-mail address, or with names that begin with these words."""
    words = text.split()
    if not words:
        return members.none()
    members = members.alias(_email=Lower("email"), _first=Lower("first_name"), _last=Lower("last_name"))
    named = reduce(and_, map(_named, words)) | _named(text)  # a last name may be of several words
    return members.filter(Q(card_number=text) | (Q(_email=Lower(Value(text))) & ~Q(email="")) | named)


def _named(beginning: str) -> Q:
    lower = Lower(Value(beginning))
    return Q(_last__startswith=lower) | Q(_first__startswith=lower)
