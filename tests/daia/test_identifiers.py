"""Which title an identifier means: an ISBN, a barcode or an address, each as people write it."""

import random
import string

import pytest

from integrations.daia.identifiers import meaning
from tests.daia.asking import ask, documents, error_of, found
from tests.factories import BookFactory, CopyFactory

ISBN = "9780141439549"


@pytest.mark.parametrize(
    "identifier",
    [
        "9780141439549",
        "978-0-14-143954-9",
        "978 0 14 143954 9",
        "0141439548",
        "0-14-143954-8",
        "isbn:9780141439549",
        "ISBN:978-0-14-143954-9",
        "ISBN: 0141439548",
        "urn:isbn:9780141439549",
        "URN:ISBN:0-14-143954-8",
        " 9780141439549 ",
    ],
)
def test_a_title_is_found_by_its_isbn(catalogue, identifier):
    book = BookFactory(isbn=ISBN)
    BookFactory(isbn="9780141439556")

    assert found(catalogue, identifier) == [(identifier, book.pk)]


@pytest.mark.parametrize("identifier", ["A.1_b-7", "barcode:A.1_b-7", "BARCODE: A.1_b-7", " A.1_b-7"])
def test_a_title_is_found_by_the_barcode_of_a_copy(catalogue, identifier):
    copy = CopyFactory(barcode="A.1_b-7")
    CopyFactory(book=copy.book)

    [document] = documents(catalogue, identifier)

    assert document["requested"] == identifier
    assert len(document["item"]) == 2  # of the title, not of the copy


@pytest.mark.parametrize(
    "address",
    [
        "http://testserver/api/books/{}/",
        "http://testserver/api/books/{}",
        "https://testserver/api/books/{}",
        "HTTP://TestServer/api/books/{}/",
        "http://testserver/api/books/000{}/",
    ],
)
def test_a_title_is_found_by_its_address(catalogue, address):
    book = BookFactory()

    assert found(catalogue, address.format(book.pk)) == [(address.format(book.pk), book.pk)]


def test_the_address_is_that_of_the_host_that_was_asked(catalogue):
    book = BookFactory(copies=1)
    here, there = f"http://localhost:8000/api/books/{book.pk}/", f"http://testserver/api/books/{book.pk}/"

    response = ask(catalogue, there, here, HTTP_HOST="localhost:8000")

    [document] = response.json()["document"]
    assert (document["id"], document["requested"]) == (here, here)
    assert document["item"][0]["id"].startswith("http://localhost:8000/api/copies/")
    assert response.json()["institution"]["id"] == "http://localhost:8000/"


def test_addresses_can_be_followed(catalogue):
    BookFactory(title="Emma", isbn=ISBN, copies=1)

    [document] = documents(catalogue, ISBN)

    assert catalogue.get(document["id"]).json()["data"]["title"] == "Emma"
    assert catalogue.get(document["item"][0]["id"]).json()["data"]["barcode"] == document["item"][0]["label"]


@pytest.mark.parametrize(
    "identifier",
    [
        "9780141439540",  # a wrong check digit
        "isbn:B-1",  # is a barcode, but is said not to be
        "barcode:9780141439549",
        "urn:isbn:",
        "isbn:",
        "barcode:",
        "urn:issn:0000-0000",
        "http://testserver/api/books/47110815/",
        "http://testserver/api/books/999999999999999999/",
        "http://testserver/api/books/9999999999999999999/",
        "http://testserver/api/books/-1/",
        "http://testserver/api/books/{book}/availability/",
        "http://testserver/api/books/{book}//",
        "http://testserver:80/api/books/{book}/",
        "http://elsewhere/api/books/{book}/",
        "http://testserver@elsewhere/api/books/{book}/",
        "/api/books/{book}/",
        "{book}",
        "B-1\n7",
        "b-1",
    ],
)
def test_what_is_unknown_is_left_out(catalogue, identifier):
    book = BookFactory(isbn=ISBN)
    CopyFactory(barcode="B-1", book=book)

    assert found(catalogue, identifier.format(book=book.pk)) == []


def test_a_title_that_was_withdrawn_is_unknown(catalogue):
    book = BookFactory(withdrawn=True, isbn=ISBN)
    copy = CopyFactory(book=book, withdrawn=True)

    assert found(catalogue, ISBN, copy.barcode, f"http://testserver/api/books/{book.pk}/") == []


def test_a_copy_that_was_withdrawn_is_unknown_and_one_that_is_lost_is_not(catalogue):
    book = BookFactory()
    lost, withdrawn = CopyFactory(book=book, lost=True), CopyFactory(book=book, withdrawn=True)

    assert found(catalogue, withdrawn.barcode, lost.barcode) == [(lost.barcode, book.pk)]


def test_several_are_answered_in_their_order_and_unknown_ones_are_left_out(catalogue):
    emma, persuasion = BookFactory(isbn=ISBN), CopyFactory().book
    barcode = persuasion.copies.get().barcode

    assert found(catalogue, barcode, "nothing", ISBN, "isbn:1") == [(barcode, persuasion.pk), (ISBN, emma.pk)]


def test_an_identifier_that_stands_twice_is_answered_once(catalogue):
    book = BookFactory(isbn=ISBN)

    assert found(catalogue, ISBN, "x", ISBN) == [(ISBN, book.pk)]


def test_a_title_under_two_identifiers_is_answered_under_each(catalogue):
    book = BookFactory(isbn=ISBN, copies=1)
    address = f"http://testserver/api/books/{book.pk}"

    first, second = documents(catalogue, "0141439548", address)

    assert (first["requested"], second["requested"]) == ("0141439548", address)
    assert first | {"requested": ""} == second | {"requested": ""}


def test_digits_that_are_an_isbn_and_a_barcode_find_both_titles(catalogue):
    by_isbn, by_barcode = BookFactory(isbn=ISBN), CopyFactory(barcode=ISBN).book
    CopyFactory(book=by_isbn)

    assert found(catalogue, ISBN) == [(ISBN, by_isbn.pk), (ISBN, by_barcode.pk)]
    assert found(catalogue, f"isbn:{ISBN}", f"barcode:{ISBN}") == [
        (f"isbn:{ISBN}", by_isbn.pk),
        (f"barcode:{ISBN}", by_barcode.pk),
    ]
    by_isbn.copies.update(barcode="other")
    by_barcode.copies.update(book=by_isbn)
    assert found(catalogue, ISBN) == [(ISBN, by_isbn.pk)]


@pytest.mark.parametrize("query", ["id={0}%7C{1}", "id={0}|{1}", "id={0}|%7C|{1}|", "id={0}&id={1}"])
def test_bars_are_bars_escaped_or_not(catalogue, query):
    first, second = BookFactory(isbn=ISBN), BookFactory(isbn="9780141439556")

    response = catalogue.generic("GET", "/daia/", QUERY_STRING="format=json&" + query.format(ISBN, second.isbn))

    assert [document["requested"] for document in response.json()["document"]] == [first.isbn, second.isbn]


def test_a_hundred_can_be_asked_for_at_once_and_no_more(catalogue):
    book = BookFactory(isbn=ISBN)
    unknown = [f"unknown-{number}" for number in range(100)]

    assert found(catalogue, ISBN, *unknown[:99]) == [(ISBN, book.pk)]
    assert found(catalogue, *[ISBN] * 200, "") == [(ISBN, book.pk)]
    told = error_of(ask(catalogue, ISBN, *unknown), 422, "invalid_request")
    assert told == "At most 100 identifiers can be asked for at once. These are 101."


@pytest.mark.parametrize(
    "query_id",
    [
        "%00",
        "9780141439549%00",
        "a%00b",
        "isbn:%00",
        "x" * 10_000,
        "9" * 10_000,
        "isbn:" + "9" * 10_000,
        "barcode:" + "x" * 10_000,
        "http://testserver/api/books/" + "9" * 10_000,
        "%7C%7C%7C",
        "|||",
        "%20",
        "%FF%FE",
        "%ED%A0%80",
        "%",
        "%%%41",
        "%25%2500",
        "%D9%A9%D9%A7%D9%A8",
        "%0D%0ASet-Cookie:a=b",
        "'; DROP TABLE library_book; --",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "{0.__class__}%s",
        "%F0%9F%98%80",
    ],
)
def test_whatever_is_sent_is_at_worst_unknown(catalogue, query_id):
    BookFactory(isbn=ISBN, copies=1)

    response = catalogue.generic("GET", "/daia", QUERY_STRING=f"format=json&id={query_id}")

    assert (response.status_code, response.json()["document"]) == (200, [])


def test_no_text_breaks_what_reads_it():
    chance = random.Random(1)
    parts = [
        "isbn:",
        "urn:",
        "barcode:",
        "http://",
        "testserver",
        "/api/books/",
        "978",
        "X",
        "-",
        " ",
        "\0",
        "\n",
        "٣",
        "Ⅷ",
    ]
    parts += [*string.printable, "‐", "²", "\ud800"]

    for _ in range(20_000):
        text = "".join(chance.choices(parts, k=chance.randint(0, 14)))
        meant = meaning(text, host="testserver")
        assert meant.isbn == "" or (len(meant.isbn) == 13 and meant.isbn.isascii() and meant.isbn.isdecimal())
        assert "\0" not in meant.barcode
