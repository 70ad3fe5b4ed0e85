"""Titles from CSV files as other systems write them, and the rows that are refused."""

import sys
from pathlib import Path

import pytest
from django.utils import timezone

from circulation.invariants import broken
from events.models import Event
from library.models import Book, Branch, Copy, Member
from library.search import found
from library.services import add_title
from tests.circulation.commands import run, titles, told

pytestmark = pytest.mark.django_db

GOODBOOKS = Path(__file__).parents[3] / "shared" / "data" / "goodbooks" / "books.csv"


def report(ran):
    return ran.out[-1].rpartition(": ")[2]


# --- Titles ----------------------------------------------------------------------------------------------------


def test_a_table_of_titles_comes_in_by_the_names_of_its_columns(file):
    path = file(
        "Book ID,Title,Author,ISBN,Publisher,Genre,Language,Year,Copies\n"
        '17,Emma,"Austen, Jane",0-14-143958-0,Penguin,novel,eng,1815.0,2\n'
        "18,Gilgamesh,,,,,,-1800,\n",
        "old system.csv",
    )

    ran = run("import_books", path)

    assert (ran.out, ran.err, ran.failure) == ([f"{path}: 2 added, 0 changed, 0 unchanged, 0 refused."], [], None)
    emma, gilgamesh = Book.objects.order_by("pk")
    assert (emma.title, emma.authors, emma.isbn) == ("Emma", "Austen, Jane", "9780141439587")
    assert (emma.publisher, emma.category, emma.language, emma.published_year) == ("Penguin", "novel", "eng", 1815)
    assert (emma.source, emma.source_id, emma.copies.count()) == ("old system", "17", 2)
    assert (gilgamesh.published_year, gilgamesh.isbn, gilgamesh.copies.count()) == (-1800, "", 1)
    assert broken() == []


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_found_out(file, separator, ending):
    lines = [["title", "author", "copies"], ["Emma", "Jane Austen", "2"], ["", "", ""], ["Dracula", "Bram Stoker", "1"]]
    text = ending.join(separator.join(line) for line in lines)

    ran = run("import_books", file(text))

    assert sorted(title for title, _ in titles().values()) == ["Dracula", "Emma"]
    assert ran.err[0].endswith(":3: There is no title.")


def test_quoted_values_hold_separators_quotation_marks_and_line_breaks(file):
    path = file('title,author\n"Emma; or, ""Woe""\nin two\r\nparts",A\n,B\n')

    ran = run("import_books", path)

    assert Book.objects.get().title == 'Emma; or, "Woe"\nin two\r\nparts'
    assert told(ran, path) == ["5: There is no title."]


def test_strange_columns_are_named(file):
    path = file("Titel;Verfasser;Jahr;Farbe\nEmma;Jane Austen;1815;red\n")

    named = run(
        "import_books", path, "--map", "title=Titel", "--map", "authors=Verfasser", "--map", "published_year=Jahr"
    )

    assert named.out[0] == f"{path}: Columns that are not used: Farbe."
    assert Book.objects.values_list("title", "authors", "published_year").get() == ("Emma", "Jane Austen", 1815)


@pytest.mark.parametrize(
    ("pair", "problem"),
    [
        ("title", "--map title: write FIELD=COLUMN. Fields: circdesk_id, title, "),
        ("titel=Titel", "--map titel=Titel: write FIELD=COLUMN. Fields: circdesk_id, title, "),
        ("title=Name", "{path} has no column “Name”. Its columns are Titel, ISBN. Nothing was changed."),
    ],
)
def test_a_column_that_is_not_there_is_told(file, pair, problem):
    path = file("Titel;ISBN\nEmma;\n")

    assert run("import_books", path, "--map", pair).failure.startswith(problem.format(path=path))
    assert titles() == {}


def test_a_table_without_titles_is_refused_as_a_whole(file):
    path = file("ISBN,Publisher\n0141439580,Penguin\n")

    assert run("import_books", path).failure == (
        f"{path} has no column for the title. Its columns are ISBN, Publisher. "
        "Name one, under “Columns” or with --map: title=COLUMN "
        "Nothing was changed."
    )


@pytest.mark.parametrize(
    ("written", "isbn", "note"),
    [
        ("9780141439587", "9780141439587", False),
        ("978-0-14-143958-7", "9780141439587", False),
        ("0141439580", "9780141439587", False),
        ("141439580", "9780141439587", False),  # a spreadsheet took the zero
        ("9780141439587 :", "9780141439587", False),
        ("1; 0141439580", "9780141439587", False),
        ("9.78014143959e+12", "", False),  # and here the digits
        ("0141439581", "", True),
        ("none", "", True),
    ],
)
def test_isbns_are_put_right_or_left_out(file, written, isbn, note):
    path = file(f"title,isbn\nEmma,{written}\n")

    ran = run("import_books", path)

    assert Book.objects.get().isbn == isbn
    assert [line for line in ran.out if "is not an ISBN" in line] == (
        [f"{path}:2: {written} is not an ISBN: its length or check digit is wrong. Left out."] if note else []
    )


@pytest.mark.parametrize(
    ("written", "year"), [("c1999", 1999), ("1999-05-01", 1999), ("[18]99?", None), ("-44", -44), ("2008.0", 2008)]
)
def test_years_are_found_in_what_is_written(file, written, year):
    path = file(f"title,year\nEmma,{written}\n")

    ran = run("import_books", path)

    assert Book.objects.get().published_year == year
    assert (f"{path}:2: {written!r} is not a year: left out." in ran.out) == (year is None)


def test_what_is_too_long_is_refused_or_cut_with_a_note(file):
    path = file(f"title,publisher\n{'x' * 501},\nEmma,{'p' * 121}\n")

    ran = run("import_books", path)

    assert told(ran, path) == ["2: title has 501 characters: at most 500 are possible."]
    assert ran.out[0] == f"{path}:3: publisher has 121 characters: the end is cut off after 120."
    assert Book.objects.get().publisher == "p" * 119 + "…"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Emma,x,", "copies must be a whole number, not 'x'."),
        ("Emma,-1,", "copies must be at least 0, not -1."),
        ("Emma,1001,", "copies is too large: at most 1000 is possible."),
        ("Emma,1,é", "'é' is not a barcode: at most 64 letters, digits, dots, hyphens and underscores."),
        ("Emma", "1 value for 3 columns."),
        ("Emma,1,a,b", "4 values for 3 columns."),
    ],
)
def test_a_bad_row_is_refused_and_the_rest_goes_in(file, row, reason):
    path = file(f"title,copies,barcode\n{row}\nDracula,2,\n")

    ran = run("import_books", path)

    assert told(ran, path) == [f"2: {reason}"]
    assert [title for title, _ in titles().values()] == ["Dracula"]
    assert ran.failure == "1 row was refused."


def test_copies_come_with_their_barcodes_and_branches(file):
    Branch.objects.create(name="Harbour Branch")
    path = file("title,barcodes,branch\nEmma,A1; A2 A3,harbour branch\nDracula,B1,Up the Hill\n")

    assert run("import_books", path).failure is None

    assert list(Copy.objects.order_by("pk").values_list("barcode", "branch__name")) == [
        ("A1", "Harbour Branch"), ("A2", "Harbour Branch"), ("A3", "Harbour Branch"), ("B1", "Up the Hill"),
    ]  # fmt: skip


def test_a_barcode_of_another_title_is_refused(file):
    run("import_books", file("title,barcode\nEmma,A1\n"))
    path = file("title,barcode\nDracula,A1\n", "more")

    assert told(run("import_books", path), path) == ["2: Barcode A1 belongs to “Emma” already."]
    assert titles().keys() == {Book.objects.get().pk}


def test_new_barcodes_of_a_known_title_are_added(file):
    run("import_books", file("id,title,barcodes\n1,Emma,A1\n"))

    again = run("import_books", file("id,title,barcodes\n1,Emma,A1 A2\n"))

    assert report(again) == "0 added, 1 changed, 0 unchanged, 0 refused."
    assert set(Copy.objects.values_list("barcode", flat=True)) == {"A1", "A2"}


# --- The same again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "id,title,isbn\n1,Emma,0141439580\n2,Dracula,\n",
        "title,isbn\nEmma,0141439580\nDracula,9780141439846\n",
        "title,author\nEmma,Austen\nDracula,Stoker\n",
    ],
    ids=["by id", "by isbn", "by what is said of them"],
)
def test_another_run_changes_nothing(file, text):
    path = file(text)
    run("import_books", path)
    before = (titles(), Event.objects.count())

    again = run("import_books", path)

    assert (again.failure, report(again)) == (None, "0 added, 0 changed, 2 unchanged, 0 refused.")
    assert (titles(), Event.objects.count()) == before


def test_what_differs_in_the_file_is_changed_and_copies_are_added(file):
    run("import_books", file("id,title,copies\n1,Ema,1\n"))

    again = run("import_books", file("id,title,author,copies\n1,Emma,Jane Austen,3\n"))

    assert report(again) == "0 added, 1 changed, 0 unchanged, 0 refused."
    assert Book.objects.values_list("title", "authors").get() == ("Emma", "Jane Austen")
    assert Copy.objects.count() == 3


def test_a_title_of_somebody_else_with_the_isbn_gets_only_what_it_lacks(file):
    book = add_title(at=timezone.now(), title="EMMA", isbn="9780141439587", copies=1)
    path = file("id,title,author,isbn\n1,Emma: a novel,Jane Austen,0141439580\n")

    ran = run("import_books", path)

    assert ran.out[0] == f"{path}:2: “EMMA” has this ISBN already: it gets only what it lacks."
    assert titles() == {book.pk: ("EMMA", 1)}
    assert Book.objects.get().authors == "Jane Austen"


def test_two_records_of_one_system_with_one_isbn_stay_two_titles(file):
    path = file("id,title,isbn\n1,Emma,0141439580\n2,Emma II,0141439580\n")

    first, again = run("import_books", path), run("import_books", path)

    for ran in (first, again):
        assert ran.failure is None
        assert ran.out[0] == f"{path}:3: ISBN 9780141439587 stands at “Emma” already: left out here."
    assert report(again) == "0 added, 0 changed, 2 unchanged, 0 refused."
    assert list(Book.objects.order_by("pk").values_list("title", "isbn")) == [
        ("Emma", "9780141439587"), ("Emma II", ""),
    ]  # fmt: skip


def test_another_file_with_the_same_name_does_not_overwrite(file):
    run("import_books", file("id,title,isbn\n1,Emma,0141439580\n", "books.csv"))
    other = file("id,title,isbn\n1,Dracula,9780141439846\n", "books.csv")

    ran = run("import_books", other)

    assert told(ran, other) == ["2: 1 of books is “Emma” here. If these are another system's: --source NAME"]
    assert run("import_books", other, source="second").failure is None
    assert {book.title: book.source for book in Book.objects.all()} == {"Emma": "books", "Dracula": "second"}


def test_one_id_twice_in_a_file_is_refused(file):
    path = file("id,title\n1,Emma\n1,Dracula\n")

    assert told(run("import_books", path), path) == ["3: “Dracula” (1) stands in line 2 already."]


def test_a_rehearsal_tells_what_would_happen_and_changes_nothing(file):
    run("import_books", file("id,title\n1,Ema\n"))
    before = (titles(), Event.objects.count(), Branch.objects.count())
    path = file("id,title,copies,branch\n1,Emma,1,\n2,Dracula,1,New Branch\n3,,1,\n")

    ran = run("import_books", path, dry_run=True)

    assert ran.out[-2:] == [
        f"{path}: 1 added, 1 changed, 0 unchanged, 1 refused.",
        "This was a rehearsal: nothing was changed.",
    ]
    assert (titles(), Event.objects.count(), Branch.objects.count()) == before


def test_the_challenge_comes_as_a_table_too(file):
    run("import_books", file("BookID,BookName,NumberOfCopies\n1000,Emma,2\n"))
    run("import_members", file("MemberID,MemberName\n2000,Ada Lovelace\n"))

    assert titles() == {1000: ("Emma", 2)}
    assert Member.objects.get(pk=2000).name == "Ada Lovelace"


@pytest.mark.skipif(not GOODBOOKS.exists(), reason="the goodbooks table is not here")
def test_goodbooks_comes_in_as_it_is():
    ran = run("import_books", GOODBOOKS)

    assert (ran.failure, report(ran)) == (None, "10000 added, 0 changed, 0 unchanged, 0 refused.")
    hunger_games = Book.objects.get(source="books", source_id="1")
    assert (hunger_games.isbn, hunger_games.published_year) == ("9780439023481", 2008)
    assert Book.objects.exclude(isbn="").count() == 9277
    assert [line for line in ran.out if "is not an ISBN" in line]
    assert [book.title for book in found(Book.objects.all(), "catching fire hunger")]


# --- Refused rows ----------------------------------------------------------------------------------------------


def test_refused_rows_are_written_down_mended_and_fed_again(file, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    path, refused = file("id,title,copies\n1,Emma,2\n2,,1\n3,Dracula,many\n"), tmp_path / "again.csv"

    ran = run("import_books", path, refused=refused, source="old")

    assert ran.out[-1] == (
        f"2 of 2 refused rows are in {refused}. Mend them, then: python manage.py import_books {refused} --source old"
    )
    assert refused.read_text().splitlines() == [
        "id,title,copies,source,refused_because",
        "2,,1,old,There is no title.",
        "3,Dracula,many,old,\"copies must be a whole number, not 'many'.\"",
    ]
    refused.write_text(refused.read_text().replace("2,,1", "2,Persuasion,1").replace("many,", "4,"))
    again = run("import_books", refused)  # the rows say where they are from
    assert (again.failure, report(again)) == (None, "2 added, 0 changed, 0 unchanged, 0 refused.")
    assert sorted(titles().values()) == [("Dracula", 4), ("Emma", 2), ("Persuasion", 1)]


def test_the_command_for_mended_rows_names_the_python_of_here(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))

    ran = run("import_books", file('title\n""\n'), refused=Path("again.csv"))

    assert ran.out[-1].endswith("Mend them, then: .venv/bin/python manage.py import_books again.csv --source file")


def test_refused_objects_are_written_down_mended_and_fed_again(file, tmp_path):
    refused = tmp_path / "again.json"
    path = file('[{"BookID": 1, "BookName": "", "NumberOfCopies": 1}, {"BookID": 2}]')

    run("import_books", path, refused=refused)
    refused.write_text(
        refused.read_text()
        .replace('"BookName": ""', '"BookName": "Emma"')
        .replace('"BookID": 2', '"BookID": 2, "BookName": "Dracula", "NumberOfCopies": 1')
    )

    assert run("import_books", refused).failure is None
    assert titles() == {1: ("Emma", 1), 2: ("Dracula", 1)}


def test_without_a_refusal_there_is_no_file(file, tmp_path):
    run("import_books", file("title\nEmma\n"), refused=tmp_path / "again.csv")

    assert not (tmp_path / "again.csv").exists()


def test_a_place_for_refused_rows_that_will_not_do_is_told_at_once(file, tmp_path):
    path = file("title\nEmma\n")

    assert run("import_books", path, refused=path).failure == f"--refused: {path} is there already. Name a new file."
    assert run("import_books", path, refused=tmp_path).failure.endswith("is there already. Name a new file.")
    assert run("import_books", path, path, refused=tmp_path / "x").failure == "--refused is for one file at a time."
    missing = tmp_path / "no" / "x.csv"
    assert run("import_books", path, refused=missing).failure == (
        f"--refused: {missing} cannot be written: No such file or directory."
    )
    assert titles() == {}
