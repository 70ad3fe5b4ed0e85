"""Encodings, and text of every script."""

import unicodedata

import pytest

from circulation.imports.formats import json_rows, source
from circulation.imports.formats.rows import FileError
from circulation.imports.formats.source import Source
from library.models import Book
from library.search import found
from tests.circulation.commands import run, titles
from tests.imports.library import ODD_TITLES

pytestmark = pytest.mark.django_db

WARNING = "1: Not in UTF-8: read as Latin-1 (Windows-1252). Please look at the accents."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-with-mark"])
def test_unicode_is_read_in_any_encoding(file, encoding):
    text = 'title,author\n"Père Goriot",Балзак\n'
    content = b"\xfe\xff" + text.encode("utf-16-be") if encoding.endswith("mark") else text.encode(encoding)
    path = file(content)

    ran = run("import_books", path)

    assert (ran.failure, ran.out) == (None, [f"{path}: 1 added, 0 changed, 0 unchanged, 0 refused."])
    assert Book.objects.values_list("title", "authors").get() == ("Père Goriot", "Балзак")


def test_latin_1_is_read_with_a_warning(file):
    path = file('title\n"Père Goriot – “roman”"\n'.encode("cp1252"))

    ran = run("import_books", path)

    assert ran.out == [f"{path}:{WARNING}", f"{path}: 1 added, 0 changed, 0 unchanged, 0 refused."]
    assert Book.objects.get().title == "Père Goriot – “roman”"


def test_an_accent_after_the_first_pages_is_not_overlooked(file, monkeypatch):
    monkeypatch.setattr(source, "_CHUNK", 1000)
    text = "title\n" + "".join(f"Title {n}\n" for n in range(500)) + "Père Goriot\n"

    ran = run("import_books", file(text.encode("latin-1"), "late"))

    assert WARNING in ran.out[0]
    assert Book.objects.filter(title="Père Goriot").exists()


def test_a_letter_across_two_pieces_is_read_whole(file, monkeypatch):
    monkeypatch.setattr(source, "_CHUNK", 7)

    run("import_books", file("title\nVoyage à Ühlingen – où ça\n"))

    assert Book.objects.get().title == "Voyage à Ühlingen – où ça"


def test_titles_survive_unchanged(file):
    rows = [{"title": title, "id": number} for number, title in enumerate(ODD_TITLES)]

    assert run("import_books", file(rows)).failure is None

    assert [Book.objects.get(source_id=str(n)).title for n in range(len(ODD_TITLES))] == list(ODD_TITLES)


@pytest.mark.parametrize(
    "title", ["בְּרֵאשִׁית: ספר ראשון", "रामचरितमानस", "Vie\u0302\u0323t Nam", "Café de Flore", "First line\nsecond line"]
)
def test_titles_of_every_script_are_found(file, title):
    run("import_books", file([{"title": title}, {"title": "Something else"}]))

    for form in ("NFC", "NFD"):
        assert [book.title for book in found(Book.objects.all(), unicodedata.normalize(form, title))] == [title]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"PK\x03\x04rest", "is a zip archive or a spreadsheet. Unpack it, or save the sheet as CSV."),
        (b"\x1f\x8brest", "is compressed. Unpack it with gunzip."),
        (b"%PDF-1.7", "is a PDF document."),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not a text file."),
        ("title\nEmma".encode("utf-16")[:-1], "begins like UTF-16, but is damaged."),
        (b"\xef\xbb\xbftitle\nEmm\xe9", "begins like UTF-8, but is damaged."),
        (b"\xef\xbb\xbf", "is empty."),
        (b'title,author\n"Emma,Jane\nDracula,Bram\n', "breaks off within quotation marks, in the row of line 2."),
        (b'title,author\n"Emma" x,Jane\n', "cannot be read as a table: ',' expected after '\"' in line 2."),
    ],
)
def test_what_is_no_table_is_told_in_one_line(file, content, problem):
    path = file(content)

    ran = run("import_books", path)

    assert (ran.out, ran.err, ran.failure) == ([], [], f"{path} {problem} Nothing was changed.")
    assert titles() == {}


@pytest.mark.parametrize(
    ("beginning", "problem"),
    [
        (
            b"",
            f"is neither JSON, SQL nor MARC, and its first line, “{'a' * 40}”, names no column that is known here. "
            "Name one under “Columns”, or with --map.",
        ),
        (b"title,", "cannot be read: line 1 is longer than 1,000,000 characters."),
        (b"title\n", "cannot be read: line 2 is longer than 1,000,000 characters."),
        (b'title\n"', "cannot be read: line 2 is longer than 1,000,000 characters."),
        (b'[{"title": "', "cannot be read: an entry in line 1 is longer than 1,000,000 characters."),
        (
            b"INSERT INTO books VALUES (",
            "has a statement of more than 4,000,000 characters after line 1. Dump it with fewer rows in each INSERT.",
        ),
        (b"<collection>", "cannot be read: a record or an element is longer than 1,000,000 characters."),
    ],
)
def test_a_line_of_two_gigabytes_is_told_at_once(tmp_path, beginning, problem):
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.write(beginning)
        for _ in range(60):
            file.write(b"a" * 1_000_000)

    assert run("import_books", path).failure == f"{path} {problem} Nothing was changed."


def test_what_is_no_file_is_told(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")

    assert run("import_books", tmp_path / "pipe").failure == (
        f"{tmp_path / 'pipe'} is not a regular file. Nothing was changed."
    )
    assert run("import_books", tmp_path).failure == f"{tmp_path} is a directory. Nothing was changed."


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 16, 61])
def test_json_is_read_the_same_in_pieces_of_any_size(file, monkeypatch, chunk):
    text = (
        '[ {"a": 1234567, "b": "x\\"y\\\\", "c": [1, {"d": null}], "e": "\\ud83d\\ude00 \\u05d0"},\n'
        '  12345, true, "text, ]", -1.5e3,\n\n{"a": {}}\n , {"a": 7}]\n'
    )
    monkeypatch.setattr(json_rows, "_CHUNK", chunk)
    monkeypatch.setattr(json_rows, "_NEAR", 8)

    items = list(json_rows.rows(Source(file(text))))

    assert [(type(item).__name__, item.line) for item in items] == [
        ("Row", 1), ("Refused", 2), ("Refused", 2), ("Refused", 2), ("Refused", 2), ("Row", 4), ("Row", 5),
    ]  # fmt: skip
    assert dict(items[0].pairs) == {"a": 1234567, "b": 'x"y\\', "c": [1, (("d", None),)], "e": "😀 א"}
    assert items[6].pairs == (("a", 7),)


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_broken_json_is_told_by_its_line_in_pieces_of_any_size(file, monkeypatch, chunk):
    monkeypatch.setattr(json_rows, "_CHUNK", chunk)

    for text, problem in (
        ('[\n{"a": 1},\n{"a": tru}\n]', "is not JSON: expecting value in line 3."),
        ('[\n{"a": 1},\n{"a": "b', "breaks off in line 3: the list is not closed. Is the file complete?"),
        ('[\n{"a": 1}\n{"a": 2}]', "is not JSON: expecting ',' delimiter in line 3."),
    ):
        with pytest.raises(FileError) as told:
            list(json_rows.rows(Source(file(text))))
        assert str(told.value) == problem


def test_a_nul_far_down_makes_it_no_text(file):
    path = file("title\n" + "Emma\n" * 20_000 + "Em\0ma\n")

    assert run("import_books", path).failure == f"{path} is not a text file. Nothing was changed."
