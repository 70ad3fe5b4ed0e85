"""Finding titles."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.db.models.functions import Lower

from library.models import Book, Copy

FACETS = ("category", "publisher", "language")
FACET_VALUES = 20


def found(books: QuerySet[Book], text: str) -> QuerySet[Book]:
    """Titles with all these words or beginnings of words in title or author; if there are none, titles like them."""
    words = re.findall(r"\w+", text)
    if not words:
        return books.none()
    query = SearchQuery(" & ".join(f"{word}:*" for word in words), config="circdesk", search_type="raw")
    exact = books.filter(search_vector=query)
    if exact.exists():
        return exact
    return books.alias(folded=Lower("title")).filter(folded__trigram_word_similar=text.lower())


def filtered(books: QuerySet[Book], asked: dict[str, Any]) -> QuerySet[Book]:
    """Titles that meet every condition asked, as BookQuery names them."""
    for exact in ("publisher", "category", "language", "isbn"):
        if exact in asked:
            books = books.filter(**{exact: asked[exact]})
    if "author" in asked:
        books = books.alias(writers=Lower("authors")).filter(writers__contains=asked["author"].lower())
    if "year_min" in asked:
        books = books.filter(published_year__gte=asked["year_min"])
    if "year_max" in asked:
        books = books.filter(published_year__lte=asked["year_max"])
    copies = Copy.objects.filter(book=OuterRef("pk"))
    if "branch" in asked:
        copies = copies.filter(branch__name__iexact=asked["branch"])
    if "available" in asked:
        free = Exists(copies.filter(status=Copy.Status.AVAILABLE))
        books = books.filter(free if asked["available"] else ~free)
    if "branch" in asked:
        books = books.filter(Exists(copies))
    return found(books, asked["search"]) if "search" in asked else books


def facets(books: QuerySet[Book]) -> dict[str, list[dict[str, Any]]]:
    """The most frequent values among these titles, with how many titles have each."""
    counted: dict[str, list[dict[str, Any]]] = {}
    for name in FACETS:
        rows = books.exclude(**{name: ""}).order_by().values(name).annotate(n=Count("pk")).order_by("-n", name)
        counted[name] = [{"value": row[name], "count": row["n"]} for row in rows[:FACET_VALUES]]
    copies = Copy.objects.filter(book__in=books.order_by().values("pk")).exclude(status=Copy.Status.WITHDRAWN)
    branches = copies.values("branch__name").annotate(n=Count("book", distinct=True)).order_by("-n", "branch__name")
    counted["branch"] = [{"value": row["branch__name"], "count": row["n"]} for row in branches[:FACET_VALUES]]
    return counted
