"""Rows and files that an import refuses, and why."""

import pytest
from django.utils import timezone

from events.operations import operation
from library.models import Copy, Member
from library.services import add_title, create_copies, enrol, main_branch
from tests.circulation.commands import run, titles, told

pytestmark = pytest.mark.django_db

EMMA = {"BookID": 1000, "BookName": "Emma", "NumberOfCopies": 2}
ONLY_ROWS = "Only INSERT INTO table (columns) VALUES (...), (...) is read, with nothing after it."
NO_FORMAT = (
    "is neither JSON, SQL nor MARC, and its first line, “{}”, names no column that is known here. "
    "Name one under “Columns”, or with --map."
)
INTO = "INSERT INTO books (BookID, BookName, NumberOfCopies)"


# --- Rows that are refused -------------------------------------------------------------------------------------


def test_ids_of_others_are_refused_and_the_rest_goes_in(file):
    add_title(at=timezone.now(), id=1000, title="Emma", copies=1)
    enrol(at=timezone.now(), member_id=2000, first_name="Grace", last_name="Hopper")
    books = file([EMMA, {**EMMA, "BookID": 1001}], "books.json")
    people = file([{"MemberID": 2000, "MemberName": "Ada"}], "members.json")

    ran = run("import_books", books)

    assert told(ran, books) == ["1: BookID 1000 already belongs to “Emma”, which no import made."]
    assert (ran.out, ran.failure) == ([f"{books}: 1 added, 0 changed, 0 unchanged, 1 refused."], "1 row was refused.")
    assert titles() == {1000: ("Emma", 1), 1001: ("Emma", 2)}
    assert told(run("import_members", people), people) == [
        "1: MemberID 2000 already belongs to Grace Hopper, whom no import enrolled."
    ]


def test_a_row_that_the_database_refuses_does_not_hold_up_its_batch(file):
    add_title(at=timezone.now(), id=7, title="Old", copies=0, source="import", source_id="1001")
    path = file([{**EMMA, "BookID": 1000 + n} for n in range(3)])

    ran = run("import_books", path)

    assert told(ran, path) == ["1: This record was already imported from this source."]
    assert ran.out == [f"{path}: 2 added, 0 changed, 0 unchanged, 1 refused."]
    assert set(titles()) == {7, 1000, 1002}


def test_a_barcode_that_another_title_has_is_passed_over(file):
    other = add_title(at=timezone.now(), id=7, title="Old", copies=0)
    create = operation(
        lambda: create_copies(other, count=1, branch=main_branch(), at=timezone.now(), barcodes=["1000-1"])
    )
    create()

    assert run("import_books", file([EMMA])).failure is None
    assert set(Copy.objects.filter(book=1000).values_list("barcode", flat=True)) == {"1000-2", "1000-3"}


def test_a_card_that_another_member_has_is_passed_over(file):
    enrol(at=timezone.now(), first_name="Grace", card_number="C00002000")

    assert run("import_members", file([{"MemberID": 2000, "MemberName": "Ada"}])).failure is None
    assert Member.objects.get(pk=2000).card_number.startswith("C00002000-")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7", "This is not an object {...}."),
        ("null", "This is not an object {...}."),
        ("[1000]", "This is not an object {...}."),
        ("{}", "There is no BookID. There is no BookName. There is no NumberOfCopies."),
        ('{"BookID": 1000, "NumberOfCopies": 1}', "There is no BookName."),
        (
            '{"BookID": 1000, "bookid": 3, "BookName": "x", "NumberOfCopies": 1, "Colour": "red"}',
            "BookID is given 2 times. 'Colour' is not known here.",
        ),
        ('{"BookID": 1001, "BookName": "x", "NumberOfCopies": 1}', "BookID 1001 stands in line 2 already."),
    ],
)
def test_a_bad_row_is_refused_by_its_line_and_the_rest_goes_in(file, row, reason):
    path = file(f'[\n{{"BookID": 1001, "BookName": "Emma", "NumberOfCopies": 2}},\n{row}\n]')

    ran = run("import_books", path)

    assert told(ran, path) == [f"3: {reason}"]
    assert (ran.out, ran.failure) == ([f"{path}: 1 added, 0 changed, 0 unchanged, 1 refused."], "1 row was refused.")
    assert titles() == {1001: ("Emma", 2)}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("BookID", "true", "BookID must be a whole number, not true."),
        ("BookID", "null", "BookID must be a whole number, not null."),
        ("BookID", "1000.0", "BookID must be a whole number, not 1000.0."),
        ("BookID", "NaN", "BookID must be a whole number, not nan."),
        ("BookID", '"1e3"', "BookID must be a whole number, not '1e3'."),
        ("BookID", '"٣"', "BookID must be a whole number, not '\\u0663'."),
        ("BookID", "[1]", "BookID must be a whole number, not a list or object."),
        ("BookID", "0", "BookID must be at least 1, not 0."),
        ("BookID", "-5", "BookID must be at least 1, not -5."),
        ("BookID", "9007199254740992", "BookID is too large: at most 9007199254740991 is possible."),
        ("BookID", "9" * 5000, "BookID is too large: at most 9007199254740991 is possible."),
        ("NumberOfCopies", "0", "NumberOfCopies must be at least 1, not 0."),
        ("NumberOfCopies", '"many"', "NumberOfCopies must be a whole number, not 'many'."),
        ("NumberOfCopies", "1001", "NumberOfCopies is too large: at most 1000 is possible."),
        ("BookName", "1984", "BookName must be text, not 1984."),
        ("BookName", '" "', "BookName is empty."),
        ("BookName", f'"{"x" * 501}"', "BookName has 501 characters: at most 500 are possible."),
        ("BookName", '"a\\u0000b"', "BookName contains a NUL character."),
        ("BookName", '"a\\ud800b"', "BookName contains half of a surrogate pair, which is no character."),
    ],
)
def test_a_value_that_will_not_do_is_refused_with_its_name(file, field, value, reason):
    values = {"BookID": "1000", "BookName": '"Emma"', "NumberOfCopies": "2", field: value}
    path = file("[{" + ", ".join(f'"{name}": {text}' for name, text in values.items()) + "}]")

    assert told(run("import_books", path), path) == [f"1: {reason}"]
    assert titles() == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 151, "MemberName is too long: 150 characters are possible on each side of its last space."),
        ("A " + "x" * 151, "MemberName is too long: 150 characters are possible on each side of its last space."),
        ("", "MemberName is empty."),
    ],
)
def test_a_name_that_cannot_be_kept_is_refused(file, name, reason):
    path = file([{"MemberID": 2000, "MemberName": name}])

    assert told(run("import_members", path), path) == [f"1: {reason}"]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (f"{INTO} VALUES (1000, 'x')", "2 values for 3 columns."),
        ("INSERT INTO books (BookID, BookName) VALUES (1000, 'x')", "There is no NumberOfCopies."),
        ("INSERT INTO books VALUES (1000, 'x', 1)", "Name the columns: INSERT INTO books (...) VALUES (...)."),
        (f"{INTO} VALUES (1000, NULL, 1)", "BookName must be text, not null."),
        (f"{INTO} VALUES (1000, 'x', 1 + 1)", "1 + 1 is not a plain number or text."),
        (f"{INTO} VALUES (1000, 'x', -1)", "NumberOfCopies must be at least 1, not -1."),
        (f"{INTO} SELECT 1000, 'x', 1", ONLY_ROWS),
        (f"{INTO} VALUES (1000, 'x', 1) (1002, 'y', 1)", ONLY_ROWS),
        (f"{INTO} VALUES (1000, 'x', 1) RETURNING *", ONLY_ROWS),
        (f"{INTO} VALUES (1000, 'x', 1) AS new", ONLY_ROWS),
        (f"{INTO} VALUES (1000, 'x', 1) ON CONFLICT (BookID) DO UPDATE SET BookName = 'x'", ONLY_ROWS),
        ("SET x = 1\nINSERT INTO books (BookID, BookName, NumberOfCopies) VALUES (1000, 'x', 1)", None),
        ("SELECT * FROM library_book", "SELECT is never run here. Only INSERT INTO ... VALUES is read."),
        ("DELETE FROM library_book", "DELETE is never run here. Only INSERT INTO ... VALUES is read."),
        ("DROP TABLE library_copy CASCADE", "DROP is never run here. Only INSERT INTO ... VALUES is read."),
        ("UPDATE library_book SET title = 'x'", "UPDATE is never run here. Only INSERT INTO ... VALUES is read."),
    ],
)
def test_sql_that_is_no_row_is_refused_and_never_run(file, statement, reason):
    path = file(f"{INTO} VALUES (1001, 'Emma', 2);\n\n{statement};\n")

    ran = run("import_books", path)

    reason = reason or "There is an INSERT within this SET statement. Is a semicolon missing?"
    assert told(ran, path) == [f"3: {reason}"]
    assert (ran.out[-1], ran.failure) == (f"{path}: 1 added, 0 changed, 0 unchanged, 1 refused.", "1 row was refused.")
    assert titles() == {1001: ("Emma", 2)}


def test_what_a_dump_holds_besides_rows_is_left_out_with_a_note(file):
    path = file(
        "BEGIN;\nCREATE TABLE books (BookID int);\n"
        f"{INTO} VALUES (1000, 'Emma', 2);\n"
        "INSERT INTO members (MemberID, MemberName) VALUES (1, 'a'), (2, 'b', 'c');\nCOMMIT;\n"
    )

    ran = run("import_books", path)

    assert (ran.err, ran.failure) == ([], None)
    assert ran.out == [
        f"{path}:1: BEGIN is not run here: left out.",
        f"{path}:2: CREATE is not run here: left out.",
        f"{path}:4: Rows for table members are not for books: 2 left out.",
        f"{path}:5: COMMIT is not run here: left out.",
        f"{path}: 1 added, 0 changed, 0 unchanged, 0 refused.",
    ]


# --- Files that cannot be read ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty."),
        (b" \n", "is empty."),
        (bytes(range(256)), "is not a text file."),
        ('[{"BookID": 1}]'.encode("utf-16-le"), "is not a text file."),
        ('[{"BookID": 1}]'.encode("utf-16")[:-1], "begins like UTF-16, but is damaged."),
        (b'[{"BookID": 1}]\0', "is not a text file."),
        (b"Dear library,", NO_FORMAT.format("Dear library, ")),
        (b"-- nothing\n" + b" " * 40 + b"(", NO_FORMAT.format("-- nothing")),
        (b'{"books": []}', "is one JSON object, where a list of them is needed: [{...}, {...}]."),
        (b'[\n{"BookID": 1,\n"BookN', "breaks off in line 3: the list is not closed. Is the file complete?"),
        (b'[\n{"BookID": 1},', "breaks off in line 2: the list is not closed. Is the file complete?"),
        (b"[", "breaks off in line 1: the list is not closed. Is the file complete?"),
        (b'[{"BookID": 1},\n]', "is not JSON: expecting value in line 2."),
        (b'[{"BookID": 1}\n{"BookID": 2}]', "is not JSON: expecting ',' delimiter in line 2."),
        (b"[]\nx", "is not JSON: there is more after the end of the list in line 2."),
        (b"[" * 100_000, "is nested too deeply in line 1."),
        (
            b"INSERT INTO books (BookID) VALUES\n(1),\n(2",
            "cannot be read as SQL in the statement that begins in line 1.",
        ),
        (
            b"INSERT INTO books (BookID) VALUES (1);\nINSERT INTO books (BookID) VALUES ('a",
            "cannot be read as SQL: after line 1 a text or comment is not closed. Is the file complete?",
        ),
    ],
)
def test_a_broken_file_changes_nothing(file, content, problem):
    sound, path = file([EMMA], "sound.json"), file(content, "broken")

    ran = run("import_books", sound, path)

    assert (ran.out, ran.err, ran.failure) == ([], [], f"{path} {problem} Nothing was changed.")
    assert titles() == {}


def test_what_is_no_file_is_told_in_a_line_each(tmp_path):
    missing = tmp_path / "missing.json"

    ran = run("import_members", missing, tmp_path)

    assert ran.failure == f"{missing} does not exist.\n{tmp_path} is a directory. Nothing was changed."
