"""What goes wrong with real files: nothing lands on somebody else's record, and every mistake is told in a line."""

import json
import sys

import pytest
from django.utils import timezone

from circulation.invariants import broken
from circulation.models import Loan
from events.models import Event
from library.models import Book, Copy, Member
from library.services import add_title, enrol
from tests.circulation.commands import run, titles, told
from tests.imports.test_records import exchange, field, record, xml

pytestmark = pytest.mark.django_db


# --- Nothing lands on somebody else's record -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("titles_csv", "copies_csv", "members_csv", "loans_csv"),
    [
        (
            "circdesk_id,title,isbn\n{book},Emma,\n{other},Persuasion,\n",
            "barcode,circdesk_book_id\nEMMA,{book}\n",
            "circdesk_id,name,card_number\n{member},Ada Lovelace,K1\n",
            "barcode,card_number,lent_at,due_at\nFREE,K1,2026-01-01,2026-02-01\n",
        ),
        (
            "id,title,copies\n1,Emma,x\n",
            "barcode,book_id\nEMMA,1\n",
            "name,card\nAda Lovelace,K1\n",
            "barcode,card,lent_at,due_at\nFREE,K1,2026-01-01,2026-02-01\n",
        ),
    ],
    ids=["ids of another Circdesk", "ids of their own"],
)
def test_what_refers_to_a_refused_record_is_refused(folder, titles_csv, copies_csv, members_csv, loans_csv):
    book = add_title(at=timezone.now(), title="Ulysses", copies=1)
    Copy.objects.update(barcode="FREE")
    member = enrol(at=timezone.now(), first_name="Zoe", last_name="Other", card_number="K1")
    ids = {"book": book.pk, "member": member.pk, "other": book.pk + 1}
    directory = folder(
        titles=titles_csv.format(**ids),
        copies=copies_csv.format(**ids),
        members=members_csv.format(**ids),
        loans=loans_csv,
    )

    ran = run("import_library", directory)

    assert not Copy.objects.filter(barcode="EMMA").exists()
    assert not Loan.objects.exists()
    assert book.copies.count() == 1
    assert any("loans.csv:2: Member K1 of these files was refused." in line for line in ran.err)
    assert any("copies.csv:2: " in line for line in ran.err)
    assert broken() == []


def test_mended_rows_are_still_of_their_system(file, tmp_path):
    for number, title in enumerate(("Emma", "Ulysses")):
        refused = tmp_path / f"again{number}.csv"
        run("import_books", file(f"id,title,copies\n5,{title},x\n", f"books{number}.csv"), refused=refused)
        mended = file(refused.read_text().replace(",x,", ",1,"), "again.csv")
        assert run("import_books", mended).failure is None

    assert {book.title: book.source for book in Book.objects.all()} == {"Emma": "books0", "Ulysses": "books1"}


def test_one_person_does_not_become_another(file):
    run("import_members", file("id,name,card\n1,Ann Smith,K1\n"))
    path = file("id,name,card\n1,Peter Other,K7\n")

    assert told(run("import_members", path), path) == [
        "2: 1 of file is Ann Smith (K1) here. If these are another system's: --source NAME"
    ]
    assert Member.objects.get().name == "Ann Smith"


@pytest.mark.parametrize("row", ["1,Ann Miller,K1", "1,Ann Miller,K9", "1,Anne Smith,K9", "1,Peter Other,K1"])
def test_but_people_marry_and_lose_cards(file, row):
    run("import_members", file("id,name,card\n1,Ann Smith,K1\n"))

    assert run("import_members", file(f"id,name,card\n{row}\n")).failure is None
    assert Member.objects.get().card_number == row.rpartition(",")[2]


def test_one_title_does_not_become_another(file):
    run("import_books", file("id,title\n1,Emma\n"))
    path = file("id,title,isbn\n1,Completely Different,9780141439846\n")

    assert told(run("import_books", path), path) == [
        "2: 1 of file is “Emma” here. If these are another system's: --source NAME"
    ]


# --- What a file says is heard ---------------------------------------------------------------------------------


def test_copies_without_barcodes_stand_where_the_file_says(file):
    run("import_books", file("id,title,copies,branch\n1,A,3,East\n"))
    run("import_books", file("id,title,copies,branch\n1,A,4,West\n"))

    assert list(Copy.objects.order_by("pk").values_list("branch__name", flat=True)) == ["East"] * 3 + ["West"]


@pytest.mark.parametrize(
    ("name", "text", "failure"),
    [
        ("members", "name,branch\nAda Lovelace,Ost\n", None),
        ("branches", "name\nOst\n", "branches.csv is no table of a library that is known here. Its columns are name."),
    ],
)
def test_people_and_places_are_no_titles(folder, name, text, failure):
    ran = run("import_library", folder(books="id,title\n1,Emma\n", **{name: text}))

    assert (ran.failure is None) == (failure is None)
    assert failure is None or failure in ran.failure
    assert [title for title, _ in titles().values()] in ([], ["Emma"])


@pytest.mark.parametrize(
    ("written", "isbn"),
    [
        ("9780141439587 (pbk.)", "9780141439587"),
        ("0141439580 (pbk.) :", "9780141439587"),
        ("ISBN 0-14-143958-0", "9780141439587"),
        ('"=""9780141439587"""', "9780141439587"),
        ("0141439580 9780141439846", "9780141439587"),
        ("7.803123494E+12", ""),  # not the ISBN-10 that its digits happen to be
    ],
)
def test_isbns_are_found_in_what_is_written_around_them(file, written, isbn):
    run("import_books", file(f"title,isbn\nEmma,{written}\n"))

    assert Book.objects.get().isbn == isbn


def test_a_column_of_ids_alone_does_not_make_it_the_challenge(file):
    path = file("bookID,title,authors\n1,Emma,Jane Austen\n")

    assert run("import_books", path).failure is None
    assert Book.objects.get().source_id == "1"


def test_lists_in_json_are_joined(file):
    run(
        "import_books", file([{"title": "Emma", "authors": ["X", "Y"], "isbn": ["0141439580"], "barcodes": ["a", "b"]}])
    )

    assert Book.objects.values_list("authors", "isbn").get() == ("X; Y", "9780141439587")
    assert set(Copy.objects.values_list("barcode", flat=True)) == {"a", "b"}


@pytest.mark.parametrize("written", ["no", "None", "NULL", "-", "0.0", "N/A", r"\N", "nein", ""])
def test_what_says_that_nobody_is_blocked_blocks_nobody(file, written):
    run("import_members", file(f"name,card,blocked\nAda,K1,{written}\n"))

    assert Member.objects.get().blocked_reason == ""


def test_a_dump_of_a_database_is_read_whatever_its_table_is_called(file):
    path = file(
        "SELECT pg_catalog.set_config('search_path', '', false);\nDROP TABLE IF EXISTS public.authors;\n"
        "INSERT INTO authors (id, born) VALUES (1, 1775);\n"
        "INSERT INTO buecher (id, titel, title) VALUES (1, 'x', 'Emma');\n"
    )

    ran = run("import_books", path)

    assert (ran.failure, ran.err) == (None, [])
    assert [title for title, _ in titles().values()] == ["Emma"]
    assert f"{path}:3: Rows for table authors are not for buecher: 1 left out." in ran.out


def test_excel_says_first_what_separates_its_values(file):
    run("import_books", file('sep=;\n\n"Title";"Author, first"\nEmma;"Austen, Jane"\n'))

    assert Book.objects.get().title == "Emma"


def test_a_slip_in_a_map_is_told(file):
    path = file("Titel;Verfasser\nEmma;Austen\n")

    assert run("import_books", path, "--map", "title=Titell").failure == (
        f"{path} has no column “Titell”. Its first line is “Titel, Verfasser”. Nothing was changed."
    )
    assert run("import_books", path, "--map", "title=Titel", "--map", "id=Verfasser").failure is None


# --- One row's fault is not another's --------------------------------------------------------------------------


def test_a_key_that_was_refused_may_come_again(file):
    path = file("id,title,barcodes\n1,A,B1\n2,B,B1\n2,B,B2\n")

    ran = run("import_books", path)

    assert told(ran, path) == ["3: Barcode B1 belongs to “A” already."]
    assert {title for title, _ in titles().values()} == {"A", "B"}


def test_a_key_that_stands_twice_on_a_line_is_noticed(file):
    row = {"BookID": 1, "BookName": "A", "NumberOfCopies": 1}
    path = file([row, {**row, "BookName": "B"}])

    assert told(run("import_books", path), path) == ["1: BookID 1 stands in line 1 already."]


def test_rows_that_were_refused_keep_all_they_had(file, tmp_path):
    refused = tmp_path / "again.csv"
    path = file("title,copies,title\n,x,B\nA\nA,1,B,C\n")
    run("import_books", path, refused=refused)

    again = run("import_books", refused)

    assert refused.read_text().splitlines() == [
        "title,copies,title,source,refused_because",
        ",x,B,file,There is no title.",
        "A",
        "A,1,B,file,4 values for 3 columns.,C",
    ]
    assert again.failure == "3 rows were refused."
    assert titles() == {}


def test_refused_rows_of_a_library_are_fed_again(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    directory = folder(
        titles="id,title\n1,Emma\n",
        copies="barcode,book_id\nE1,1\n",
        members="id,name,card\n1,Ada Lovelace,K1\n",
        loans="barcode,member_id,lent_at,due_at\nE1,7,2026-01-01,2026-02-01\n",
    )
    again = tmp_path / "again"
    ran = run("import_library", directory, refused=again)
    assert ran.out[-1] == (
        f"1 of 1 refused rows are in {again}/loans.csv. "
        f"Mend them, then: python manage.py import_library {again} --source old"
    )

    (again / "loans.csv").write_text((again / "loans.csv").read_text().replace("E1,7,", "E1,1,"))

    assert run("import_library", again, source="old").failure is None
    assert Loan.objects.get().member.card_number == "K1"


def test_without_refusals_no_directory_is_left(folder, tmp_path):
    run("import_library", folder(titles="id,title\n1,Emma\n"), refused=tmp_path / "again")

    assert not (tmp_path / "again").exists()


# --- Mistakes are told in a line -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"title": "A", "isbn": "\\ud800"}]', r"\ud800 is not an ISBN"),
        ('[{"title": "A", "x\\ud800": 1}]', r"Columns that are not used: x\ud800."),
        ('[{"title": "\\u001b[2J", "copies": "many"}]', "copies must be a whole number"),
        ('[{"title": "A", "barcodes": "' + "x" * 5000 + '"}]', "is not a barcode"),
        ('[{"title": "A", "x": ' + "[" * 600 + "]" * 600 + "}]", "is nested too deeply"),
        ("INSERT INTO books (title) VALUES (" + "(" * 300 + "'x'" + ")" * 300 + ");", "nested too deeply"),
        ('<?xml version="1.0" encoding="nonsense"?><collection/>', "is XML in an encoding that is not known here"),
    ],
)
def test_a_strange_file_is_told_in_a_line(file, text, said):
    ran = run("import_books", file(text))

    lines = [*ran.out, *ran.err, *(ran.failure or "").splitlines()]
    assert any(said in line for line in lines), lines
    assert all(line.isprintable() and len(line) < 1200 for line in lines)


@pytest.mark.parametrize("items", ['"abc"', "5", '[["B1"]]', "[[1, 2, 3]]"])
def test_what_a_record_says_of_itself_is_not_taken_for_its_copies(file, items):
    ours = field("887", "  ", ("a", f'{{"title": "Emma", "items": {items}}}'), ("2", "circdesk"))

    assert run("import_books", file(exchange(record("1", "x", ours)))).failure is None
    assert Copy.objects.count() == 1


def test_a_record_without_end_is_not_kept_in_memory(file):
    huge = xml(record("1", "Emma")).replace(
        "</record>", "<datafield tag='500' ind1=' ' ind2=' '/>" * 80_000 + "</record>"
    )

    assert "a record or an element is longer than 1,000,000 characters" in run("import_books", file(huge)).failure


@pytest.mark.parametrize("source", ["import", "x" * 61, "a\0b", " "])
def test_a_source_that_will_not_do_is_told(file, source):
    ran = run("import_books", file("title\nEmma\n"), source=source)

    assert ran.failure.startswith(("--source", "--source:"))
    assert titles() == {}


def test_a_reason_with_a_nul_is_refused(tmp_path):
    directory = tmp_path / "old"
    directory.mkdir()
    (directory / "titles.json").write_text(json.dumps([{"id": 1, "title": "Emma"}]))
    rows = [{"barcode": "A", "book_id": 1, "status": "lost", "reason": "a\0b"}]
    (directory / "copies.json").write_text(json.dumps(rows))

    ran = run("import_library", directory)

    assert ran.err == [f"{directory}/copies.json:1: reason contains a NUL character."]


def test_a_block_that_another_circdesk_wrote_is_taken_word_for_word(file):
    run("import_members", file("circdesk_id,name,card_number,blocked_reason\n5,Ada Lovelace,K1,no\n6,Bo Peep,K2,1\n"))

    assert list(Member.objects.order_by("pk").values_list("pk", "blocked_reason")) == [(5, "no"), (6, "1")]


def test_copies_of_a_title_that_was_refused_do_not_go_to_the_one_that_has_its_id(folder):
    run("import_library", folder(titles="id,title\n1,Emma\n"))
    other = folder(
        "next", titles="id,title,isbn\n1,Completely Different,9780141439846\n", copies="barcode,book_id\nX,1\n"
    )

    ran = run("import_library", other, source="old")

    assert ran.err[-1] == f"{other}/copies.csv:2: Title 1 of these files was refused."
    assert not Copy.objects.filter(barcode="X").exists()


def test_copies_of_a_title_that_is_not_in_the_export_go_nowhere(folder):
    book = add_title(at=timezone.now(), title="Ulysses", copies=0)
    directory = folder(
        titles=f"circdesk_id,title\n{book.pk + 1},Emma\n", copies=f"barcode,circdesk_book_id\nX,{book.pk}\n"
    )

    ran = run("import_library", directory)

    assert ran.err == [f"{directory}/copies.csv:2: There is no title {book.pk} here."]
    assert not Copy.objects.filter(barcode="X").exists()


def test_more_loans_than_are_allowed_come_in_as_they_were_made(folder):
    numbers = range(1, 8)
    directory = folder(
        titles="id,title\n" + "".join(f"{n},Title {n}\n" for n in numbers),
        copies="barcode,book_id\n" + "".join(f"B{n},{n}\n" for n in numbers),
        members="id,name,card\n1,Ada Lovelace,K1\n",
        loans="barcode,card,lent_at,due_at\n" + "".join(f"B{n},K1,2026-01-0{n},2026-02-01\n" for n in numbers),
    )

    assert run("import_library", directory).failure is None

    assert Loan.objects.count() == 7
    assert broken() == []
    facts = [(event.payload["open"], event.payload["limit"]) for event in Event.objects.filter(kind="checkout")]
    assert sorted(facts) == [(n, 5) for n in range(7)]
