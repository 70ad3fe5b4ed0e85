"""The lists of titles, at 100,000 titles: which index finds them, and how little is read."""

import pytest
from django.db import connection

from library.models import Book
from reservations.api.books import ORDERINGS
from tests.plans.deep import deep_cursor

URL = "/api/books/"
# The catalogue has 2,900 pages of 8 kB, its copies have 3,000. The numbers for a page of titles are read in 400.
FEW = 600


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "library_book_pkey"),
        ("ordering=-id", "library_book_pkey"),
        ("ordering=title", "book_by_title"),
        ("ordering=-title", "book_by_title"),
        ("ordering=author", "book_by_author"),
        ("ordering=-author", "book_by_author"),
        ("ordering=published_year", "book_by_year"),
        ("ordering=-published_year", "book_by_year"),
        ("category=Category+5&publisher=Publisher+17&ordering=title", "book_by_shelf"),
        ("category=Category+5&publisher=Publisher+17", "book_by_shelf"),
        ("category=Nothing", "book_by_shelf"),
        ("category=Category+3", "library_book_pkey"),  # one in twelve
        ("category=Category+3&ordering=title", "book_by_title"),
        ("publisher=Publisher+17", "book_by_publisher"),
        ("publisher=Publisher+17&ordering=title", "book_by_publisher"),
        ("publisher=Nobody", "book_by_publisher"),
        ("language=lat", "book_by_language"),
        ("language=lat&ordering=title", "book_by_language"),
        ("language=none", "book_by_language"),
        ("language=eng", "library_book_pkey"),  # four in five
        ("isbn=978-0-00-007770-7", "one_live_title_per_isbn"),
        ("author=Gnehcd", "book_author_part"),
        ("author=nobody", "book_author_part"),
        ("year_min=2100", "book_by_year"),
        ("year_min=1980&year_max=1980", "library_book_pkey"),  # one in a hundred
        ("available=false", "copy_of_book"),
        ("branch=Branch+9", "copy_at_branch"),  # has 50 copies
        ("branch=branch+9&available=true", "copy_at_branch"),
        ("branch=Branch+9&available=false", "copy_at_branch"),
        ("branch=Branch+3", "copy_of_book"),
        ("search=mehmml", "book_words"),
        ("search=Mifphcep+meh", "book_words"),
        ("search=mehmml&available=true&ordering=title", "book_words"),
        ("search=mehmnl", "book_title_typos"),
        ("search=gnehcdmd", "book_words"),  # then by book_author_part, or in order: many are like it
        ("search=zzzz", "book_words"),
        ("count=true&publisher=Publisher+17", "book_by_publisher"),
        ("facets=true&search=mehmml", "book_words"),
    ],
)
def test_a_list_of_titles_reads_little_and_by_an_index(plans_of, query, index):
    plans = plans_of(f"{URL}?{query}")

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= FEW, str(plans)


@pytest.mark.parametrize(
    "path",
    [
        "books/?available=true",
        "books/?available=false",
        "books/?available=true&branch=Branch+3",
        "admin/books/borrowed/?",
        "admin/books/unavailable/?",
    ],
)
@pytest.mark.parametrize("book_id", [1_001, 60_001, 99_000])
def test_what_depends_on_copies_costs_the_same_on_every_page(plans_of, path, book_id):
    cursor = deep_cursor(Book, ORDERINGS, "id", book_id)

    [listing] = [plan for plan in plans_of(f"/api/{path}&cursor={cursor}") if "LIMIT 26" in plan.sql]

    assert listing.pages <= 2_000, str(listing)  # of copies and indexes, for up to 260 titles: one in ten fits


def test_titles_with_nothing_free_are_passed_one_after_the_other(plans_of):
    """The first thousand have none: four pages for each, all of which are soon in memory."""
    plans = plans_of(f"{URL}?available=true")

    assert "copy_of_book" in plans.indexes
    assert plans.scanned == set()
    assert plans.pages <= 1_040 * 4 + 100, str(plans)


@pytest.mark.parametrize("query", ["search=and", "search=and+the&ordering=title"])
def test_a_word_of_nearly_all_titles_is_found_at_the_beginning_of_the_table(plans_of, query):
    plans = plans_of(f"{URL}?{query}")

    scanning = [plan for plan in plans if plan.scanned]
    assert scanning == plans[: len(scanning)]
    assert sum(plan.pages for plan in scanning) <= 100, str(plans)
    assert plans.pages <= FEW, str(plans)


def test_a_count_stops_when_it_is_high_enough(plans_of):
    plans = plans_of(f"{URL}?count=true")

    [counted] = [plan for plan in plans if "COUNT" in plan.sql]
    assert counted.rows("library_book") <= 10_001 + 40  # some were withdrawn


def test_facets_read_the_titles_that_they_count(plans_of):
    """Those of the whole catalogue read all of it, once a minute at most: they are kept in the cache."""
    plans = plans_of(f"{URL}?facets=true")

    assert [plan.scanned for plan in plans if plan.scanned] == [{"library_book", "library_copy"}]


@pytest.mark.parametrize("falling", ["", "-"])
@pytest.mark.parametrize(
    ("ordering", "book_id"),
    [
        ("id", 60_001),
        ("title", 60_001),
        ("author", 60_001),
        ("author", 60_003),  # in the midst of 33,000 without an author
        ("published_year", 60_001),
        ("published_year", 63_000),  # in the midst of 14,000 without a year
    ],
)
def test_a_page_in_the_midst_costs_what_the_first_one_costs(plans_of, ordering, book_id, falling):
    ordering = f"{falling}{ordering}"
    cursor = deep_cursor(Book, ORDERINGS, ordering, book_id)

    first = plans_of(f"{URL}?ordering={ordering}")[0]
    deep = plans_of(f"{URL}?ordering={ordering}&cursor={cursor}")[0]

    assert deep.indexes == first.indexes
    assert first.rows("library_book") <= 26 + 10  # some were withdrawn
    assert deep.rows("library_book") <= 26 + 10, str(deep)
    assert deep.pages <= first.pages + 30, str(deep)


def test_a_page_in_the_midst_of_a_shelf_reads_that_shelf(plans_of):
    cursor = deep_cursor(Book, ORDERINGS, "title", 817)
    query = "category=Category+1&publisher=Publisher+17&ordering=title"

    plans = plans_of(f"{URL}?{query}&cursor={cursor}")

    assert plans[0].indexes == {"book_by_shelf"}
    assert plans[0].pages <= 100


def test_lists_are_planned_for_what_they_ask(plans_of):
    """A plan that was made for the frequent would read the whole catalogue for the rare."""
    for _ in range(10):
        plans_of(f"{URL}?language=eng&ordering=title")

    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%%\"language\" = %%'")
        assert cursor.fetchall() == []
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ '^\\s*SELECT.*json_agg'")
        assert cursor.fetchone() == (1,)  # what each page asks besides is prepared as usual


@pytest.mark.parametrize("path", ["60001/", "60001/availability/", "60001/copies/", "60001/copies/?ordering=barcode"])
def test_a_title_is_read_by_its_number(plans_of, path):
    plans = plans_of(f"{URL}{path}")

    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 40, str(plans)
