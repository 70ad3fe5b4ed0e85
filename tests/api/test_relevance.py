"""The order of what a search finds, and what makes no difference to it."""

import unicodedata

import pytest

from library import search
from tests.api.asking import data_of, invalid_fields
from tests.factories import BookFactory, MemberFactory

pytestmark = pytest.mark.django_db


def found(api, text, **query):
    return [book["title"] for book in data_of(api.get("/api/books/", {"search": text, **query}))["results"]]


def titles(*names, **fields):
    return [BookFactory(title=name, authors=fields.get("authors", "")) for name in names]


def test_the_title_itself_comes_first_then_what_begins_with_it_then_what_has_it(api):
    titles("A Longer Story of Love and of the Sea", "Love Story", "All for Love", "Lovelace, a Life", "Love")
    BookFactory(title="Poems", authors="Ann Love")

    assert found(api, "love") == [
        "Love",
        "Love Story",
        "Lovelace, a Life",
        "All for Love",
        "A Longer Story of Love and of the Sea",
        "Poems",
    ]


def test_case_and_accents_do_not_change_the_order(api):
    titles("Lamour fou", "L’été, un amour", "ÉTÉ", "Été indien")

    assert found(api, "ete") == ["ÉTÉ", "Été indien", "L’été, un amour"]


def test_what_is_merely_like_it_comes_nearest_first(api):
    titles("Middlemen of the March", "Middlemarch", "Middlemarch for Beginners")

    assert found(api, "midlemarch")[:1] == ["Middlemarch"]


@pytest.mark.parametrize("typo", ["dracla", "draculla", "drakula", "dracual"])
def test_one_wrong_letter_in_a_word_is_forgiven(api, typo):
    titles("Dracula", "Emma")

    assert found(api, typo) == ["Dracula"]


@pytest.mark.parametrize("typo", ["lamplihgter", "the lamplighters ledgr", "umbrlla", "umbrela", "o'hara's umbrlla"])
def test_so_it_is_among_other_words(api, typo):
    titles("The Lamplighter's Ledger", "O'Hara's Umbrella", "Emma")

    assert len(found(api, typo)) == 1


def test_another_order_can_be_asked_for(api):
    titles("Love, Again", "Love", "A Love")

    assert found(api, "love") == ["Love", "Love, Again", "A Love"]
    assert found(api, "love", ordering="-relevance") == ["A Love", "Love, Again", "Love"]
    assert found(api, "love", ordering="title") == ["A Love", "Love", "Love, Again"]
    assert found(api, "love", ordering="id") == ["Love, Again", "Love", "A Love"]


def test_without_a_search_there_is_no_relevance(api):
    for query in ("ordering=relevance", "ordering=-relevance", "search=&ordering=relevance"):
        assert invalid_fields(api.get(f"/api/books/?{query}")) == {"ordering": "invalid"}


def test_pages_of_a_search_come_in_its_order(api):
    for number in range(7):
        titles(f"Love{' again' * number}")
    whole = data_of(api.get("/api/books/?search=love"))["results"]

    seen, url = [], "/api/books/?search=love&limit=3"
    while url:
        page = data_of(api.get(url))
        seen += page["results"]
        last, url = page, page["next"]

    assert seen == whole
    before = data_of(api.get(last["previous"]))
    assert before["results"] == whole[3:6]


def test_of_what_many_titles_have_the_best_are_listed(api, monkeypatch):
    """Among them what begins with it, wherever it stands in the catalogue."""
    monkeypatch.setattr(search, "FEW", 4)
    titles(*(f"The great love, part {number}" for number in range(9)), "Love", "Love and Friendship")

    listed = data_of(api.get("/api/books/?search=love&count=true"))

    assert [book["title"] for book in listed["results"][:2]] == ["Love", "Love and Friendship"]
    assert (len(listed["results"]), listed["count"]) == (4, 4)
    assert data_of(api.get("/api/books/?search=love&ordering=id&count=true"))["count"] == 11


def test_the_best_are_chosen_among_what_the_other_filters_leave(api, monkeypatch):
    monkeypatch.setattr(search, "FEW", 4)
    titles(*(f"Love {number}" for number in range(9)))
    rare = BookFactory(title="All about love", publisher="Rare")

    assert found(api, "love", publisher="Rare") == [rare.title]


def test_an_isbn_is_found_by_a_search(api):
    book = BookFactory(title="Emma", isbn="9780141439587")
    titles("9780141439587")

    for form in ("9780141439587", "978-0-14-143958-7", "0141439580"):
        assert found(api, form) == [book.title]
    assert found(api, "9780141439594") == []


# --- What makes no difference ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("שָׁלוֹם", "שלום"),
        ("שלום", "שָׁלוֹם"),
        ("كِتَاب", "كتاب"),
        ("Žluťoučký kůň", "zlutoucky kun"),
        ("Straße", "strasse"),
        ("Œuvres", "oeuvres"),
        ("Smørrebrød", "smorrebrod"),
        ("ＦＵＬＬ　ＷＩＤＴＨ", "full width"),
        ("Der ﬁnnische Winter", "finnische"),
        ("ΔΟΚΙΜΗ", "δοκιμη"),
        ("Ёлка", "елка"),
    ],
)
def test_how_a_word_is_written_makes_no_difference(api, title, text):
    BookFactory(title=title)

    assert found(api, text) == [title]


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["Žluťoučký kůň", "Émile Zola", "한국", "Ångström"])
def test_which_way_a_character_was_typed_makes_no_difference(api, kept, asked, name):
    written = unicodedata.normalize(kept, name)
    BookFactory(title=written, authors=written)
    MemberFactory(first_name="", last_name=written)
    text = unicodedata.normalize(asked, name)

    assert found(api, text) == [written]
    assert [book["title"] for book in data_of(api.get("/api/books/", {"author": text}))["results"]] == [written]
    members = data_of(api.get("/api/members/", {"search": text}))["results"]
    assert [member["last_name"] for member in members] == [written]


def test_vowel_signs_that_make_another_word_are_not_forgotten(api):
    titles("कि", "का")

    assert found(api, "कि") == ["कि"]


def test_members_are_found_and_sorted_without_accents(api):
    for last in ("zola", "Östlund", "Ostrom", "Ångström", "Abel"):
        MemberFactory(first_name="X", last_name=last)

    ordered = data_of(api.get("/api/members/?ordering=name"))["results"]
    assert [member["last_name"] for member in ordered] == ["Abel", "Ångström", "Östlund", "Ostrom", "zola"]
    assert len(data_of(api.get("/api/members/?search=ost"))["results"]) == 2
    assert len(data_of(api.get("/api/members/?search=ANGSTROM"))["results"]) == 1


def test_titles_are_sorted_as_people_sort_them(api):
    titles("Zebra", "apple", "Émile", "Ähre", "elm")

    ordered = data_of(api.get("/api/books/?ordering=title"))["results"]

    assert [book["title"] for book in ordered] == ["Ähre", "apple", "elm", "Émile", "Zebra"]


@pytest.mark.parametrize("marks", ["\u0301", "\u0301 \u05b8", "\u064e"])
def test_marks_without_letters_are_in_nothing(api, marks):
    BookFactory(title="Été", authors="Émile Zola")
    MemberFactory(first_name="Émile", last_name="Zola")

    assert found(api, marks) == []
    assert data_of(api.get("/api/books/", {"author": marks}))["results"] == []
    assert found(api, "ete", author=marks) == []
    assert data_of(api.get("/api/members/", {"search": marks}))["results"] == []


def test_marks_without_letters_are_in_nothing_of_many(api, monkeypatch):
    monkeypatch.setattr(search, "FEW", 1)
    titles("Love", "Love again", "Love once more")

    assert found(api, "love", author="\u0301") == []
