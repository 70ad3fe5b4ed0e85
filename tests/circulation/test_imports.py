"""Importing titles and members from JSON and SQL files."""

import sys
import threading
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from circulation import copies, members, progress
from circulation.imports.formats import sql_rows
from circulation.imports.titles import Titles
from circulation.invariants import broken
from circulation.services import check_out
from events.models import Event
from library.models import Book, Copy, Member
from library.services import add_title, enrol
from reservations.titles import withdraw_title
from tests.circulation.commands import run, titles, told
from tests.factories import MemberFactory
from tests.sessions import waiting_at_most

pytestmark = pytest.mark.django_db

PROVEN_CLUB = Path(__file__).parents[3] / "shared" / "data" / "proven-club"
EMMA = {"BookID": 1000, "BookName": "Emma", "NumberOfCopies": 2}
ADA = {"MemberID": 2000, "MemberName": "Ada King Lovelace"}


# --- What comes in ---------------------------------------------------------------------------------------------


def test_titles_come_in_under_their_ids_with_their_copies(file):
    path = file([EMMA, {"BookID": 1001, "BookName": "Persuasion", "NumberOfCopies": 1}])

    ran = run("import_books", path)

    assert (ran.out, ran.err, ran.failure) == ([f"{path}: 2 added, 0 changed, 0 unchanged, 0 refused."], [], None)
    assert titles() == {1000: ("Emma", 2), 1001: ("Persuasion", 1)}
    assert list(Copy.objects.order_by("pk").values_list("barcode", flat=True)) == ["1000-1", "1000-2", "1001-1"]
    assert list(Event.objects.order_by("pk").values_list("kind", "book_id")) == [
        ("book.added", 1000),
        ("book.added", 1001),
        ("copy.added", 1000),
        ("copy.added", 1000),
        ("copy.added", 1001),
    ]
    assert broken() == []


def test_members_come_in_under_their_ids(file):
    path = file([ADA, {"MemberID": 2001, "MemberName": "Cher"}])

    ran = run("import_members", path)

    assert (ran.out, ran.failure) == ([f"{path}: 2 added, 0 changed, 0 unchanged, 0 refused."], None)
    ada, cher = Member.objects.order_by("pk")
    assert (ada.pk, ada.first_name, ada.last_name, ada.card_number) == (2000, "Ada King", "Lovelace", "C00002000")
    assert (ada.category.name, ada.branch.name) == ("standard", "Main Library")
    assert (cher.pk, cher.name) == (2001, "Cher")
    assert broken() == []


def test_sql_is_read_however_it_is_written(file):
    path = file(
        """
        -- titles; of 1813
        /* INSERT INTO books (BookID, BookName, NumberOfCopies) VALUES (1, 'not this', 1); */
        INSERT INTO books (BookID, BookName, NumberOfCopies) VALUES (1000, 'Emma', 2);
        insert into "Library"."BOOKS" ("numberofcopies", BOOKNAME, "BookID") values
            (1, 'It''s; (here)', 1001), -- (9, 'nor this', 9)
            ('3', N'Café
au lait', '1002');
        """
    )

    assert run("import_books", path).failure is None
    assert titles() == {1000: ("Emma", 2), 1001: ("It's; (here)", 1), 1002: ("Café\nau lait", 3)}


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO `books` (`BookID`, `BookName`, `NumberOfCopies`) VALUES (1000,'O\\'Hara',2),(1001,'b',1);",
        "INSERT [dbo].[Books] ([BookID], [BookName], [NumberOfCopies]) VALUES (1000, N'O''Hara', 2), (1001, N'b', 1);",
        "CREATE TABLE public.books (bookid int, bookname text NOT NULL, numberofcopies int, PRIMARY KEY (bookid));"
        "INSERT INTO public.books VALUES (1000, 'O''Hara', 2), (1001, 'b', 1) ON CONFLICT DO NOTHING;",
    ],
    ids=["mysql", "sql server", "columns of the table"],
)
def test_sql_of_several_databases_is_read(file, text):
    assert run("import_books", file(text)).failure is None
    assert titles() == {1000: ("O'Hara", 2), 1001: ("b", 1)}


def test_what_looks_like_the_end_of_a_statement_may_stand_in_a_text(file, monkeypatch):
    monkeypatch.setattr(sql_rows, "_PIECE", 10)
    path = file("INSERT INTO books (BookID, BookName, NumberOfCopies) VALUES (1000, 'a;\nb;\n', 1);\n" * 2)

    ran = run("import_books", path)

    assert titles() == {1000: ("a;\nb;\n", 1)}
    assert told(ran, path) == ["4: BookID 1000 stands in line 1 already."]


def test_a_byte_order_mark_and_windows_line_ends_are_no_trouble(file):
    path = file(b'\xef\xbb\xbf[\r\n{"bookid": "1000",\r\n"BOOKNAME": "Emma", "NumberOfCopies": 2},\r\n7]\r\n')

    ran = run("import_books", path)

    assert titles() == {1000: ("Emma", 2)}
    assert told(ran, path) == ["4: This is not an object {...}."]


@pytest.mark.skipif(not PROVEN_CLUB.exists(), reason="the data of the Proven Club is not here")
@pytest.mark.parametrize("ending", ["json", "sql"])
def test_the_proven_club_comes_in(ending):
    books, people = PROVEN_CLUB / f"books.{ending}", PROVEN_CLUB / f"members.{ending}"

    assert run("import_books", books).out == [f"{books}: 20 added, 0 changed, 0 unchanged, 0 refused."]
    assert run("import_members", people).out == [f"{people}: 20 added, 0 changed, 0 unchanged, 0 refused."]
    assert sum(copies for _, copies in titles().values()) == 64
    assert Member.objects.get(pk=2019).name == "Member 20"


def test_new_titles_and_members_are_numbered_above_the_imported_ones(file):
    run("import_books", file([EMMA]))
    run("import_members", file([ADA]))

    assert add_title(at=timezone.now(), title="Dracula").pk > 1000
    assert enrol(at=timezone.now(), first_name="Bram").pk > 2000


def test_an_import_of_low_ids_does_not_turn_the_numbering_back(file):
    run("import_books", file([EMMA]))
    run("import_books", file([{**EMMA, "BookID": 5}]))

    assert add_title(at=timezone.now(), title="Dracula").pk > 1000


def test_many_rows_take_few_statements(file, django_assert_max_num_queries):
    rows = [{"BookID": 5000 + n, "BookName": f"Title {n}", "NumberOfCopies": 1} for n in range(1200)]
    path = file(rows)

    with django_assert_max_num_queries(60):
        ran = run("import_books", path)

    assert ran.out == [f"{path}: 1200 added, 0 changed, 0 unchanged, 0 refused."]
    assert (Book.objects.count(), Copy.objects.count(), Event.objects.count()) == (1200, 1200, 2400)


# --- Another run -----------------------------------------------------------------------------------------------


def test_another_run_changes_nothing(file):
    path, people = file([EMMA], "books.json"), file([ADA], "members.json")
    run("import_books", path)
    run("import_members", people)
    before = Event.objects.count()

    again = run("import_books", path)

    assert again.out == [f"{path}: 0 added, 0 changed, 1 unchanged, 0 refused."]
    assert run("import_members", people).out == [f"{people}: 0 added, 0 changed, 1 unchanged, 0 refused."]
    assert Event.objects.count() == before


def test_another_name_in_the_file_becomes_the_name(file):
    run("import_books", file([EMMA]))
    run("import_members", file([ADA]))

    books = run("import_books", file([{**EMMA, "BookName": "Emma Woodhouse"}]))
    people = run("import_members", file([{**ADA, "MemberName": "Ada Byron"}]))

    assert [line.partition(": ")[2] for line in books.out + people.out] == [
        "0 added, 1 changed, 0 unchanged, 0 refused."
    ] * 2
    assert titles() == {1000: ("Emma Woodhouse", 2)}
    assert Member.objects.get(pk=2000).name == "Ada Byron"
    assert set(Event.objects.values_list("kind", flat=True)) >= {"book.edited", "member.edited"}


def test_more_copies_are_added_and_go_to_the_line_first(file):
    run("import_books", file([{**EMMA, "NumberOfCopies": 1}]))
    reader, waiting = MemberFactory(), MemberFactory()
    check_out(member_id=reader.pk, book_id=1000, at=timezone.now())
    check_out(member_id=waiting.pk, book_id=1000, at=timezone.now())

    ran = run("import_books", file([{**EMMA, "NumberOfCopies": 3}]))

    assert ran.out[-1].endswith(": 0 added, 1 changed, 0 unchanged, 0 refused.")
    assert dict(Copy.objects.values_list("barcode", "status")) == {
        "1000-1": "on_loan",
        "1000-2": "on_hold_shelf",
        "1000-3": "available",
    }


def test_copies_are_never_taken_away(file):
    run("import_books", file([EMMA]))
    path = file([{**EMMA, "NumberOfCopies": 1}])

    ran = run("import_books", path)

    assert ran.out == [
        f"{path}:1: “Emma” has 2 copies here: kept.",
        f"{path}: 0 added, 0 changed, 1 unchanged, 0 refused.",
    ]
    assert titles() == {1000: ("Emma", 2)}


def test_a_copy_that_the_library_withdrew_is_not_brought_back(file):
    path = file([EMMA])
    run("import_books", path)
    copies.withdraw(barcode="1000-1", at=timezone.now())

    assert run("import_books", path).out == [f"{path}: 0 added, 0 changed, 1 unchanged, 0 refused."]
    assert Copy.objects.filter(status="available").count() == 1


def test_a_title_that_the_library_withdrew_stays_withdrawn(file):
    path = file([EMMA])
    run("import_books", path)
    at = timezone.now()
    withdraw_title(book_id=1000, at=at)

    ran = run("import_books", path)

    assert ran.out == [
        f"{path}:1: “Emma” was withdrawn on {at:%Y-%m-%d} and stays so.",
        f"{path}: 0 added, 0 changed, 1 unchanged, 0 refused.",
    ]


def test_a_deleted_member_is_not_enrolled_again(file):
    path = file([ADA])
    run("import_members", path)
    members.delete(member_id=2000, at=timezone.now())

    ran = run("import_members", path)

    assert told(ran, path) == ["1: MemberID 2000 belonged to a member who was deleted. Give this person another id."]
    assert not Member.objects.exists()


# --- Meanwhile -------------------------------------------------------------------------------------------------


def test_progress_is_shown_on_a_terminal_when_it_takes_long(file, monkeypatch):
    class Terminal(StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(progress, "SILENT_FOR", 0)
    monkeypatch.setattr(progress, "EVERY", 0)
    monkeypatch.setattr(sys, "stderr", terminal)
    path = file([{**EMMA, "BookID": 1000 + n} for n in range(3)])

    call_command("import_books", path, stdout=StringIO(), no_color=True)

    shown = terminal.getvalue()
    assert f"Reading {path.name}:" in shown
    assert f"Importing {path.name}: 100%" in shown
    assert "3/3" in shown
    assert "rows/s" in shown


def test_progress_is_silent_elsewhere(file, capfd):
    run("import_books", file([EMMA]))

    assert capfd.readouterr().err == ""


@pytest.mark.django_db(transaction=True)
def test_ids_are_not_set_while_somebody_is_given_one(file):
    path = file([EMMA])
    other = connection.copy()
    with waiting_at_most("50ms"), other.cursor() as others:
        others.execute("BEGIN")
        others.execute("SELECT nextval(pg_get_serial_sequence('library_book', 'id'))")
        ran = run("import_books", path)
        others.execute("ROLLBACK")
    other.close()

    assert ran.failure == (
        "The desk is busy with this title or member. Please try again. "
        "What went in before stays; run the import again to go on."
    )
    assert run("import_books", path).failure is None


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_lost_connection_is_told_in_a_line(file, monkeypatch, error):
    def lost(*_):
        raise error("server closed the connection unexpectedly\n\tThis probably means the server terminated\n")

    monkeypatch.setattr(Titles, "known", lost)

    assert run("import_books", file([EMMA])).failure == (
        "PostgreSQL: server closed the connection unexpectedly. "
        "What went in before stays; run the import again to go on."
    )


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_a_time_add_everything_once(file):
    path = file([{"BookID": 5000 + n, "BookName": f"Title {n}", "NumberOfCopies": 2} for n in range(600)])
    start, results = threading.Barrier(2), []

    def work():
        start.wait()
        try:
            results.append(run("import_books", path))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [result.failure for result in results] == [None, None]
    assert (Book.objects.count(), Copy.objects.count()) == (600, 1200)
    assert broken() == []
