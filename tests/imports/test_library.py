"""Whole libraries from directories of tables."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils import timezone

from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import return_copy
from events.models import Event
from library.models import Book, Branch, Copy, Member
from reservations.models import Reservation
from reservations.titles import withdraw_title
from tests.circulation.commands import run

pytestmark = pytest.mark.django_db

CONCERTO = Path(__file__).parents[3] / "shared" / "data" / "evergreen-concerto"

TABLES = {
    "books.csv": "id,title,author\n10,Emma,Jane Austen\n11,Dracula,Bram Stoker\n12,Persuasion,Jane Austen\n",
    "items.csv": (
        "barcode,book_id,branch,status\n"
        "E1,10,Main Library,on_loan\nE2,10,Harbour,\nE3,10,,lost\nD1,11,,available\nD2,11,,withdrawn\n"
    ),
    "people.csv": "id,card,name,expires\n1,C-1,Ada Lovelace,\n2,C-2,Grace Hopper,\n3,C-3,Eve Adams,2020-01-01\n",
    "lent.csv": "barcode,card,issue date,due date,renewals\nE1,C-1,2026-01-05 10:00,2026-02-02,1\n",
    "holds.csv": (
        "book_id,member_id,placed_at,status,priority\n"
        "10,2,2026-01-07T10:00:00.000002Z,waiting,\n"
        "10,3,2026-01-06T10:00:00Z,waiting,\n"
        "11,1,2026-01-07T10:00:00Z,suspended,\n"
    ),
}


@pytest.fixture
def folder(tmp_path):
    def write(**changed):
        directory = tmp_path / "old"
        directory.mkdir()
        for name, text in {**TABLES, **changed}.items():
            if text is not None:
                (directory / name).write_text(text)
        return directory

    return write


def test_a_library_comes_in_from_its_tables(folder):
    ran = run("import_library", folder())

    assert (ran.failure, ran.err) == (None, [])
    assert [line.rpartition("/")[2] for line in ran.out] == [
        "books.csv: 3 added, 0 changed, 0 unchanged, 0 refused.",
        "items.csv: 5 added, 0 changed, 0 unchanged, 0 refused.",
        "people.csv: 3 added, 0 changed, 0 unchanged, 0 refused.",
        "lent.csv: 1 added, 0 changed, 0 unchanged, 0 refused.",
        "holds.csv: 3 added, 0 changed, 0 unchanged, 0 refused.",
        "Titles with a line: 2. Copies given to those first in it: 1.",
    ]
    assert list(Copy.objects.order_by("barcode").values_list("barcode", "status", "branch__name")) == [
        ("D1", "available", "Main Library"),
        ("D2", "withdrawn", "Main Library"),
        ("E1", "on_loan", "Main Library"),
        ("E2", "in_transit", "Harbour"),
        ("E3", "lost", "Main Library"),
    ]
    loan = Loan.objects.get()
    assert (loan.member.card_number, loan.renewals) == ("C-1", 1)
    assert (loan.lent_at, loan.due_at) == (datetime(2026, 1, 5, 10, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC))
    # Eve came first, but her membership has ended: she keeps her place, and Grace is served.
    emma = Reservation.objects.filter(book__title="Emma").in_order()
    assert list(emma.values_list("member__first_name", "status")) == [("Eve", "waiting"), ("Grace", "waiting")]
    assert emma.get(copy__barcode="E2").branch.name == "Main Library"  # where Grace collects it
    assert Reservation.objects.get(book__title="Dracula").status == "suspended"
    assert Book.objects.get(title="Persuasion").copies.count() == 0
    assert broken() == []


def test_of_two_who_were_sent_the_same_copy_the_first_has_it_and_the_other_waits(folder):
    holds = (
        "book_id,member_id,placed_at,status,barcode\n"
        "10,2,2026-01-07T10:00:00Z,waiting,E2\n10,4,2026-01-08T10:00:00Z,waiting,E2\n"
    )
    items = "barcode,book_id,branch,status\nE2,10,Harbour,in_transit\n"
    people = f"{TABLES['people.csv']}4,C-4,Ida Pfeiffer,\n"

    ran = run(
        "import_library", folder(**{"holds.csv": holds, "items.csv": items, "people.csv": people, "lent.csv": None})
    )

    assert (ran.failure, ran.err) == (None, [])
    line = Reservation.objects.in_order().values_list("member__first_name", "status", "copy__barcode")
    assert list(line) == [("Grace", "waiting", "E2"), ("Ida", "waiting", None)]
    assert broken() == []


def test_only_a_copy_of_the_title_that_is_on_its_way_is_on_its_way_to_whoever_waits_where_they_collect_it(folder):
    holds = (
        "book_id,member_id,placed_at,status,barcode,branch\n"
        "10,2,2026-01-07T10:00:00Z,waiting,D1,Harbour\n11,1,2026-01-07T10:00:00Z,waiting,D1,Harbour\n"
        "12,1,2026-01-07T10:00:00Z,waiting,P1,\n"
    )
    items = "barcode,book_id,branch,status\nD1,11,Harbour,in_transit\nP1,12,Harbour,lost\n"

    ran = run("import_library", folder(**{"holds.csv": holds, "items.csv": items, "lent.csv": None}))

    assert (ran.failure, ran.err) == (None, [])
    line = Reservation.objects.order_by("book__title").values_list("book__title", "copy__barcode", "branch__name")
    assert list(line) == [
        ("Dracula", "D1", "Harbour"),
        ("Emma", None, "Harbour"),
        ("Persuasion", None, "Main Library"),
    ]
    assert broken() == []


def test_what_is_of_a_title_that_was_withdrawn_here_is_refused(folder):
    directory = folder()
    for name in ("items.csv", "lent.csv", "holds.csv"):
        (directory / name).rename(directory.parent / name)
    run("import_library", directory)
    withdraw_title(book_id=Book.objects.get(title="Dracula").pk, at=timezone.now())
    for name in ("items.csv", "lent.csv", "holds.csv"):
        (directory.parent / name).rename(directory / name)

    ran = run("import_library", directory)

    assert [line.rpartition("/")[2] for line in ran.err] == [
        "items.csv:5: The title was withdrawn here.",
        "items.csv:6: The title was withdrawn here.",
        "holds.csv:4: The title was withdrawn here.",
    ]
    assert set(Copy.objects.filter(barcode__regex="^[DE]").values_list("barcode", flat=True)) == {"E1", "E2", "E3"}


def test_another_run_changes_nothing(folder):
    directory = folder()
    run("import_library", directory)
    before = Event.objects.count()

    again = run("import_library", directory)

    assert again.failure is None
    assert all("0 added, 0 changed" in line for line in again.out[:-1])
    assert Event.objects.count() == before


def test_what_has_ended_since_does_not_begin_again(folder):
    directory = folder()
    run("import_library", directory)
    return_copy(barcode="E1", at=datetime(2026, 3, 1, tzinfo=UTC))

    again = run("import_library", directory)

    assert again.failure is None
    assert not Loan.objects.active().exists()
    assert broken() == []


def test_a_rehearsal_knows_what_would_be_there(folder):
    ran = run("import_library", folder(), dry_run=True)

    assert ran.failure is None
    assert ran.out[-1] == "This was a rehearsal: nothing was changed."
    assert [line.rpartition(": ")[2] for line in ran.out[:5]] == [
        "3 added, 0 changed, 0 unchanged, 0 refused.",
        "5 added, 0 changed, 0 unchanged, 0 refused.",
        "3 added, 0 changed, 0 unchanged, 0 refused.",
        "1 added, 0 changed, 0 unchanged, 0 refused.",
        "3 added, 0 changed, 0 unchanged, 0 refused.",
    ]
    assert not any(model.objects.exists() for model in (Book, Copy, Member, Loan, Reservation, Event))
    assert Branch.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("items.csv", "X1,99,,", "There is no title 99 here."),
        (
            "items.csv",
            "X1,10,,burnt",
            "status must be one of available, in_transit, missing, lost, damaged, withdrawn, not 'burnt'.",
        ),
        ("items.csv", ",10,,", "There is no barcode."),
        ("items.csv", "E1,10,,", "Barcode E1 stands in line 2 already."),
        ("lent.csv", "E9,C-1,2026-01-05,2026-02-02,", "There is no copy E9 here."),
        ("lent.csv", "D1,C-9,2026-01-05,2026-02-02,", "There is no member C-9 here."),
        ("lent.csv", "E3,C-2,2026-01-05,2026-02-02,", "Copy E3 is lost here."),
        (
            "lent.csv",
            "E2,C-1,2026-01-05,2026-02-02,",
            "Ada Lovelace (C-1) has another copy of “Emma” on loan: one at a time is possible.",
        ),
        ("lent.csv", "D1,C-2,2026-01-05,2026-01-02,", "due_at lies before lent_at."),
        (
            "lent.csv",
            "D1,C-2,soon,2026-01-02,",
            "lent_at must be written like 2026-12-31 or 2026-12-31T17:00:00Z, not 'soon'.",
        ),
        (
            "holds.csv",
            "10,1,2026-01-07T10:00:00Z,waiting,",
            "Ada Lovelace (C-1) has “Emma” on loan, and need not wait for it.",
        ),
        ("holds.csv", "99,1,2026-01-07T10:00:00Z,waiting,", "There is no title 99 here."),
        ("holds.csv", "10,9,2026-01-07T10:00:00Z,waiting,", "There is no member 9 here."),
        (
            "holds.csv",
            "10,2,2026-01-08T10:00:00Z,waiting,",
            "The reservation of title 10 for member 2 stands in line 2 already.",
        ),
        (
            "holds.csv",
            "12,1,2026-01-08T10:00:00Z,asleep,",
            "status must be one of waiting, suspended, ready, fulfilled, cancelled, expired, not 'asleep'.",
        ),
    ],
)
def test_a_row_that_will_not_do_is_refused_and_the_rest_goes_in(folder, name, line, reason):
    directory = folder(**{name: TABLES[name] + line + "\n"})

    ran = run("import_library", directory)

    number = len((TABLES[name] + line).splitlines())
    assert ran.err == [f"{directory / name}:{number}: {reason}"]
    assert ran.failure == "1 row was refused."
    assert (Copy.objects.count(), Loan.objects.count(), Reservation.objects.count()) == (5, 1, 3)
    assert broken() == []


def test_what_has_ended_elsewhere_is_left_out(folder):
    lent = "barcode,card,lent_at,due_at,returned_at\nE1,C-1,2026-01-05,2026-02-02,2026-01-09\n"
    holds = "book_id,member_id,placed_at,status\n10,2,2026-01-07T10:00:00Z,fulfilled\n"

    ran = run("import_library", folder(**{"lent.csv": lent, "holds.csv": holds}))

    assert ran.failure is None
    assert [line.rpartition(": ")[2] for line in ran.out[3:5]] == [
        "0 added, 0 changed, 0 unchanged, 0 refused, 1 left out."
    ] * 2
    assert not Loan.objects.exists()


def test_refused_rows_are_written_down_mended_and_fed_again(folder, tmp_path):
    directory = folder(**{"lent.csv": TABLES["lent.csv"] + "D1,C-9,2026-01-05,2026-02-02,\n"})
    refused = tmp_path / "again"

    run("import_library", directory, refused=refused)
    [path] = refused.iterdir()
    (directory / "lent.csv").write_text(path.read_text().replace("C-9", "C-2"))

    assert path.name == "lent.csv"
    assert run("import_library", directory).failure is None
    assert Loan.objects.get(copy__barcode="D1").member.card_number == "C-2"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (dict.fromkeys(TABLES), "{directory} holds no table of a library."),
        (
            {"books.csv": 'id,title\n1,"Emma\n'},
            "{directory}/books.csv breaks off within quotation marks, in the row of line 2.",
        ),
        ({"more.csv": ""}, "{directory}/more.csv is empty."),
        (
            {"more.csv": "isbn,publisher\n1,2\n"},
            "{directory}/more.csv is no table of a library that is known here. Its columns are isbn, publisher.",
        ),
    ],
)
def test_a_file_that_will_not_do_changes_nothing(folder, changed, problem):
    directory = folder(**changed)

    ran = run("import_library", directory)

    assert ran.failure == problem.format(directory=directory) + " Nothing was changed."
    assert (ran.out, ran.err) == ([], [])
    assert not Book.objects.exists()


def test_what_is_no_directory_is_told(tmp_path, folder):
    assert run("import_library", tmp_path / "no").failure == f"{tmp_path / 'no'} does not exist. Nothing was changed."
    path = folder() / "books.csv"
    assert run("import_library", path).failure == f"{path} is not a directory. Nothing was changed."


@pytest.mark.skipif(not CONCERTO.exists(), reason="the Evergreen library is not here")
def test_a_library_of_evergreen_comes_in_as_it_is():
    ran = run("import_library", CONCERTO)

    assert ran.failure == "7 rows were refused."
    assert (Book.objects.count(), Copy.objects.count(), Member.objects.count()) == (344, 4852, 378)
    assert Loan.objects.active().count() == 486
    assert Book.objects.filter(withdrawn_at__isnull=False).count() == 3
    assert Copy.objects.filter(status="on_loan").count() == 486
    assert Copy.objects.filter(status="withdrawn").count() == 27
    assert Reservation.objects.live().count() == 258
    # Microseconds and zones are kept, and so is the order in which people asked.
    loan = Loan.objects.get(copy__barcode="CONC4000037")
    assert loan.lent_at == datetime(2014, 5, 14, 12, 39, 13, 70326, tzinfo=UTC)
    line = list(Reservation.objects.in_order().values_list("placed_at", "pk"))
    assert line == sorted(line)
    assert "caffè-concerto" in Book.objects.get(source_id="1").title
    assert broken() == []

    again = run("import_library", CONCERTO)
    assert all("0 added, 0 changed" in line for line in again.out if line.endswith("refused."))


def test_the_tables_of_evergreen_mean_what_they_say(tmp_path):
    directory = tmp_path / "evergreen"
    directory.mkdir()
    for name, text in {
        "a.csv": "id,tcn_value,title,author,isbn,active,deleted\n"
        "1,t1,Caff&#xE8; /,A.,,1,0\n2,t2,Gone,,,0,1\n3,t3,Three,,,1,0\n",
        "b.csv": "id,record,owning_lib,label,deleted\n10,1,4,x,0\n20,2,4,x,1\n30,3,4,x,0\n",
        "c.csv": (
            "id,barcode,call_number,circ_lib,status,circulate,deleted\n"
            "100,A,10,4,1,1,0\n101,B,10,5,3,1,0\n102,C,10,5,3,1,0\n103,D,10,5,9,1,0\n104,E,10,5,0,f,0\n"
            "105,F,20,4,0,1,1\n"
            "106,G,30,4,8,1,0\n107,H,30,4,1,1,0\n108,I,10,4,99,1,0\n109,J,99,4,0,1,0\n"
        ),
        "d.csv": (
            "id,usrname,first_given_name,second_given_name,family_name,home_ou,active,barred,deleted,juvenile,"
            "expire_date\n"
            "7,c7,Ada,King,Lovelace,4,1,0,0,0,2099-01-01 03:00:00-05\n8,c8,Bo,,Peep,4,t,f,f,t,\n"
            "9,c9,Cy,,Bar,4,1,1,0,0,\n"
            "6,c6,Di,,Old,4,0,0,1,0,\n"
        ),
        "e.csv": (
            "usr,target_copy,xact_start,due_date,checkin_time\n"
            "7,100,2020-01-01 10:00:00-05,2020-02-01 23:59:59-05,\n"
            "8,101,2020-01-01 10:00:00-05,2020-02-01 23:59:59-05,\n"
            "8,102,2019-01-01 10:00:00-05,2019-02-01 23:59:59-05,2019-01-20 10:00:00-05\n"
        ),
        "f.csv": (
            "id,usr,hold_type,target,current_copy,request_time,capture_time,fulfillment_time,cancel_time,frozen,"
            "cut_in_line\n"
            "1,9,T,1,,2020-01-02 10:00:00-05,,,,0,\n"
            "2,7,C,106,106,2020-01-02 10:00:00-05,2020-01-03 10:00:00-05,,,0,\n"
            "3,8,T,3,,2020-01-01 10:00:00-05,,,,t,t\n4,7,M,5,,2020-01-02 10:00:00-05,,,,0,\n"
            "5,9,T,3,,2020-01-02 10:00:00-05,,2020-01-03 10:00:00-05,,0,\n"
        ),
    }.items():
        (directory / name).write_text(text)

    ran = run("import_library", directory)

    assert dict(Book.objects.values_list("source_id", "title")) == {"1": "Caffè", "2": "Gone", "3": "Three"}
    assert Book.objects.get(source_id="2").withdrawn_at is not None
    assert dict(Copy.objects.values_list("barcode", "status")) == {
        "A": "on_loan",
        "B": "on_loan",  # lost, but the loan goes on
        "C": "lost",
        "D": "missing",  # on order
        "F": "withdrawn",
        "G": "on_hold_shelf",
        "H": "missing",  # lent, but to nobody
        "I": "missing",  # a status of their own
    }
    ada, bo, cy, di = (Member.objects.get(card_number=card) for card in ("c7", "c8", "c9", "c6"))
    assert (ada.name, ada.expires_on.isoformat(), ada.category.name) == ("Ada King Lovelace", "2099-01-01", "standard")
    assert (bo.category.name, bo.branch.name, bo.blocked_reason) == ("juvenile", "Library 4", "")
    assert (cy.blocked_reason, di.blocked_reason) == ("Barred in Evergreen.", "Deleted in Evergreen.")
    reservations = Reservation.objects.order_by("member__card_number")
    assert list(reservations.values_list("member__card_number", "status", "priority", "copy__barcode")) == [
        ("c7", "ready", 0, "G"),
        ("c8", "suspended", -1, None),
        ("c9", "waiting", 0, None),
    ]
    assert [line.partition("/evergreen/")[2] for line in ran.err] == [
        "c.csv:11: There is no call number 99.",
        "f.csv:5: A hold of type M on 5 names no title of this library.",
    ]
    assert broken() == []
