"""Finding titles and members."""

from __future__ import annotations

from contextlib import suppress
from functools import reduce
from operator import and_
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchQuery
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Exists,
    Expression,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Left, Lower
from django.db.models.lookups import GreaterThanOrEqual

from library import isbn
from library.folding import Folded, is_left_of
from library.models import UNKNOWN_YEAR, Book, Branch, Copy, Member
from rest import replica
from rest.planning import planned_for_its_values

FACETS = ("category", "publisher", "language", "branch")
FACET_VALUES = 20
FEW = 1000  # titles that are looked up one by one, and so many are put in the order of their relevance
VERY = 0.6  # like: of 1 for the same
BEGINS = Left("title_folded", 100)  # as titles are sorted


class Beginnings(SearchQuery):
    """All words of a text, or words that begin with them.

    PostgreSQL tells the words apart, as it did in the title: it knows which marks belong to a letter in any script.
    """

    template = "replace(%(function)s(%(expressions)s)::text || ' ', ''' ', ''':* ')::tsquery"


def words_of(text: str) -> Q:
    """Whether title and author have all words of a text, or words that begin with them."""
    return Q(search_vector=_beginnings(text))


def _beginnings(text: str) -> Beginnings:
    return Beginnings(Folded(Value(text)), config="circdesk")


def found(books: QuerySet[Book], text: str, *, only_best: bool = False) -> QuerySet[Book]:
    """Titles with all these words or beginnings of words in title or author; if there are none, titles like them.

    An ISBN finds the title that has it. `only_best` leaves out all but the `FEW` that may be the most relevant: to
    put a hundred thousand in their order, each would have to be read.
    """
    if books.query.is_empty():  # another condition was such that nothing can meet it
        return books
    with suppress(ValueError):
        return books.filter(isbn=isbn.normalised(text))
    if not any(character.isalnum() for character in text):
        return books.none()
    meant = words_of(text)
    some = _first(FEW + 1, books.filter(meant))
    if not some and not _first(1, Book.objects.held().filter(meant)):
        meant = _like(text)
        some = _first(FEW + 1, books.filter(meant))
    if len(some) <= FEW:
        return books.filter(_among(some))
    books = books.filter(meant)
    return books.filter(_among(_best(books, some, text))) if only_best else books


def _like(text: str) -> Q:
    """Whether each word of a text is like one of title or author, or the whole text is very like a part of them.

    How like a word must be, the connection's settings say.
    """
    words = [Folded(Value(word)) for word in text.split() if is_left_of(word)]
    each = reduce(and_, (_is_like("title_folded", word) | _is_like("authors_folded", word) for word in words))
    whole = Folded(Value(text))
    return each | _is_like("title_folded", whole, least=VERY) | _is_like("authors_folded", whole, least=VERY)


def _is_like(field: str, text: Folded, *, least: float = 0.0) -> Q:
    """Found by the index, then measured."""
    like = Q(**{f"{field}__trigram_word_similar": text})
    likeness = Func(text, field, function="word_similarity", output_field=FloatField())
    return like & Q(GreaterThanOrEqual(likeness, least)) if least else like


def _best(books: QuerySet[Book], some: list[int], text: str) -> list[int]:
    """So many of these books: those that begin with the text, and some."""
    beginning = books.alias(_begins=BEGINS).filter(_begins__startswith=Folded(Value(text))).order_by("_begins", "pk")
    with planned_for_its_values():
        first = list(beginning.values_list("pk", flat=True)[: FEW // 2])
    return list(dict.fromkeys([*first, *some]))[:FEW]


# In SQL, because the ORM takes longer to put it together than PostgreSQL to work it out. Words in authors' names weigh
# a tenth of those in titles; a rank is divided by the logarithm of the length.
_RELEVANCE = """(
SELECT round(-1000000 * CASE
    WHEN library_book.search_vector @@ sought.words THEN
        1 + ts_rank('{0, 0, 0.1, 1}', library_book.search_vector, sought.words, 1)
        + CASE WHEN title_folded = sought.text THEN 2 WHEN starts_with(title_folded, sought.text) THEN 1 ELSE 0 END
    ELSE greatest(word_similarity(sought.text, title_folded), word_similarity(sought.text, authors_folded))
END)::int
FROM (
    SELECT circdesk_folded(%s) AS text,
           replace(plainto_tsquery('circdesk', circdesk_folded(%s))::text || ' ', ''' ', ''':* ')::tsquery AS words
) sought
)"""


def relevance(text: str) -> Expression:
    """How far a title is from what was looked for, for a few titles: a whole number, the lowest for the nearest.

    The very title comes first, then titles that begin with the text, then those with the words in the title before
    those with words in the authors' names, shorter ones first; then titles that are merely like it.
    """
    return RawSQL(_RELEVANCE, (text, text), output_field=IntegerField())  # nosec B611  # a statement of ours


def _among(book_ids: list[int]) -> Func:
    """Whether a title is one of these: one parameter, however many they are, and looked up in the index."""
    ids = Value(book_ids, ArrayField(BigIntegerField()))
    return Func(F("pk"), ids, template="(%(expressions)s))", arg_joiner=" = ANY (", output_field=BooleanField())


def _first(count: int, books: QuerySet[Book]) -> list[int]:
    """The ids of so many titles, any of them.

    MATERIALIZED has PostgreSQL plan for all of them, which is to look the words up in their index. It overestimates
    how many titles have a rare word; for a page of those it would read one title after the other until it is full.
    """
    sql, params = books.values("pk").query.sql_with_params()
    with planned_for_its_values(), replica.reading().cursor() as cursor:
        cursor.execute(f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found LIMIT {count}", params)  # nosec B608  # made by the ORM, and a number
        return [book_id for (book_id,) in cursor.fetchall()]


def filtered(books: QuerySet[Book], asked: dict[str, Any], *, only_best: bool = False) -> QuerySet[Book]:
    """Titles that meet every condition asked, as BookQuery names them. `only_best` as in `found`."""
    for exact in ("publisher", "category", "language", "isbn"):
        if exact in asked:
            books = books.filter(**{exact: asked[exact]})
    if "author" in asked:
        part = asked["author"]
        books = books.filter(authors_folded__contains=Folded(Value(part))) if is_left_of(part) else books.none()
    bounds = {"year_min": "_year__gte", "year_max": "_year__lte"}
    if years := {lookup: asked[name] for name, lookup in bounds.items() if name in asked}:
        books = books.alias(_year=Coalesce("published_year", UNKNOWN_YEAR)).filter(_year__gt=UNKNOWN_YEAR, **years)
    if asked.keys() & {"available", "branch"}:
        books = _by_their_copies(books, asked)
    return found(books, asked["search"], only_best=only_best) if asked.get("search") else books


def _by_their_copies(books: QuerySet[Book], asked: dict[str, Any]) -> QuerySet[Book]:
    """Titles that have a copy at the branch, if one is asked for, and one that can be borrowed, or none.

    A copy that was withdrawn stands nowhere.
    """
    # Of a plain column PostgreSQL goes through titles and copies side by side: from the first title on, whatever the
    # page. Of an expression it looks up the copies of one title after the other, until the page is full.
    copies = Copy.objects.filter(book=OuterRef("pk") + 0)
    if "branch" in asked:
        # Asked beforehand, so that PostgreSQL knows whether much or little stands there.
        here = list(Branch.objects.filter(name__iexact=asked["branch"]).values_list("pk", flat=True))
        copies = copies.filter(branch__in=here)
        there = Copy.objects.filter(book=OuterRef("pk"), branch__in=here)
        if not asked.get("available"):  # what is free was not withdrawn: then the index alone says what stands there
            there = there.exclude(status=Copy.Status.WITHDRAWN)
        books = books.filter(Exists(there))
    if "available" not in asked:
        return books
    free = copies.filter(status=Copy.Status.AVAILABLE)
    if asked["available"]:
        return books.filter(Exists(free), in_circulation=True)
    return books.filter(~Exists(free.filter(book__in_circulation=True)))


# In SQL, because the ORM would find the titles anew for each of the four.
_FACETS = """
WITH found AS MATERIALIZED ({titles}),
counted AS (
    SELECT 'category' AS facet, category AS value, count(*) AS titles FROM found GROUP BY category
    UNION ALL
    SELECT 'publisher', publisher, count(*) FROM found GROUP BY publisher
    UNION ALL
    SELECT 'language', language, count(*) FROM found GROUP BY language
    UNION ALL
    SELECT 'branch', branch.name, count(DISTINCT copy.book_id)
    FROM found
    JOIN library_copy copy ON copy.book_id = found.id
    JOIN library_branch branch ON branch.id = copy.branch_id
    WHERE copy.status <> 'withdrawn'
    GROUP BY branch.name
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY facet ORDER BY titles DESC, value) AS place
    FROM counted WHERE value <> ''
)
SELECT facet, value, titles FROM ranked WHERE place <= %s ORDER BY facet, place
"""


def facets(books: QuerySet[Book]) -> dict[str, list[dict[str, Any]]]:
    """The most frequent values among these titles, with how many titles have each."""
    counted: dict[str, list[dict[str, Any]]] = {name: [] for name in FACETS}
    if books.query.is_empty():
        return counted
    titles, params = books.order_by().values("id", "category", "publisher", "language").query.sql_with_params()
    with planned_for_its_values(), replica.reading().cursor() as cursor:
        cursor.execute(_FACETS.format(titles=titles), [*params, FACET_VALUES])
        for facet, value, count in cursor.fetchall():
            counted[facet].append({"value": value, "count": count})
    return counted


def members_like(members: QuerySet[Member], text: str) -> QuerySet[Member]:
    """Members with this card number or e-mail address, or with names that begin with these words."""
    words = [word for word in text.split() if is_left_of(word)]
    if not words:
        return members.none()
    members = members.alias(_email=Lower("email"))
    named = reduce(and_, map(_named, words)) | _named(text)  # a last name may be of several words
    return members.filter(Q(card_number=text) | (Q(_email=Lower(Value(text))) & ~Q(email="")) | named)


def _named(beginning: str) -> Q:
    folded = Folded(Value(beginning))
    return Q(last_name_folded__startswith=folded) | Q(first_name_folded__startswith=folded)
