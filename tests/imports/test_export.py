"""Exporting a library, and making an equal one of it."""

import json
import signal
import threading
import time
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from circulation.exports import tables
from circulation.imports.fields import HIGHEST_KEPT_ID
from circulation.invariants import broken
from circulation.services import check_out
from library.bulk import keep_ids_free
from library.models import Book, Copy, Member
from library.services import add_title, enrol
from reservations.services import reserve
from tests.circulation.commands import run
from tests.imports.library import AT, ODD_TITLES, build, clear, described
from tests.imports.processes import in_a_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("form", ["csv", "json", "marcxml"])
def test_an_export_makes_an_equal_library(tmp_path, form):
    build()
    before = described()
    run("export", tmp_path / "library", format=form)
    clear()
    assert described()["titles"] == []

    ran = run("import_library", tmp_path / "library")

    assert (ran.failure, ran.err) == (None, [])
    assert described() == before
    assert {copy[3] for copy in before["copies"]} == {*Copy.Status.values}
    assert {reservation[2] for reservation in before["reservations"]} == {"waiting", "suspended", "ready"}
    assert broken() == []
    assert add_title(at=AT, title="New").pk > max(row[0] for row in before["titles"])
    assert enrol(at=AT, first_name="New").pk > max(row[0] for row in before["members"])


@pytest.mark.parametrize("form", ["csv", "json", "marcxml"])
def test_importing_what_was_exported_changes_nothing_where_it_came_from(tmp_path, form):
    build()
    before = described()
    run("export", tmp_path / "library", format=form)

    ran = run("import_library", tmp_path / "library")

    assert (ran.failure, ran.err) == (None, [])
    assert described() == before
    reports = [line.rpartition(": ")[2] for line in ran.out if line.endswith("refused.")]
    assert reports
    assert all(report.startswith("0 added, 0 changed, ") for report in reports)


@pytest.fixture
def _counting_from_one():
    """Afterwards, because PostgreSQL does not undo what it counted."""
    yield
    clear()


@pytest.mark.usefixtures("_counting_from_one")
@pytest.mark.parametrize("kept", [2**53, HIGHEST_KEPT_ID])
def test_ids_that_were_counted_on_are_kept_and_leave_room_for_more(client, tmp_path, kept):
    """2^53 is the first one after the highest that a list of titles may bring."""
    keep_ids_free(Book, up_to=kept - 1)
    keep_ids_free(Member, up_to=kept - 2)
    assert add_title(at=AT, title="Emma", copies=1).pk == kept
    ada, eve = enrol(at=AT, first_name="Ada"), enrol(at=AT, first_name="Eve")
    check_out(member_id=ada.pk, book_id=kept, at=AT)
    reserve(member_id=eve.pk, book_id=kept, at=AT)
    before = described()
    run("export", tmp_path / "library")
    clear()

    ran = run("import_library", tmp_path / "library")

    assert (ran.failure, ran.err) == (None, [])
    assert described() == before
    new = add_title(at=AT, title="Persuasion").pk
    assert new == kept + 1
    assert client.get(f"/api/books/{new}/").status_code == 200


def test_an_id_that_would_leave_no_room_is_refused(tmp_path):
    (tmp_path / "titles.csv").write_text(f"circdesk_id,title\n{HIGHEST_KEPT_ID + 1},Emma\n")

    ran = run("import_books", tmp_path / "titles.csv")

    assert ran.err == [f"{tmp_path / 'titles.csv'}:2: circdesk_id is too large: at most {HIGHEST_KEPT_ID} is possible."]
    assert add_title(at=AT, title="Persuasion").pk < HIGHEST_KEPT_ID


def test_titles_survive_unchanged_in_each_format_and_are_found(tmp_path):
    build()
    for form in ("csv", "json", "marcxml"):
        run("export", tmp_path / form, format=form)
        clear()
        assert run("import_library", tmp_path / form).failure is None
        assert list(Book.objects.order_by("pk").values_list("title", flat=True))[: len(ODD_TITLES)] == list(ODD_TITLES)


def test_json_is_typed_and_csv_is_plain(tmp_path):
    add_title(at=AT, title="Emma", published_year=1815)

    run("export", tmp_path / "json", format="json")
    run("export", tmp_path / "csv")

    [title] = json.loads((tmp_path / "json" / "titles.json").read_text())
    assert (title["published_year"], title["in_circulation"], title["isbn"]) == (1815, True, "")
    head, line = (tmp_path / "csv" / "titles.csv").read_text().splitlines()
    assert head.startswith("circdesk_id,title,authors,isbn,")
    assert line == f"{title['circdesk_id']},Emma,,,,,,1815,true,,"


def test_an_empty_library_is_exported_without_empty_files(tmp_path):
    run("export", tmp_path / "library")

    assert sorted(path.name for path in (tmp_path / "library").iterdir()) == ["branches.csv", "policies.csv"]


def test_an_export_never_writes_over_anything(tmp_path):
    (tmp_path / "library").mkdir()

    assert run("export", tmp_path / "library").failure == f"{tmp_path / 'library'} cannot be made: File exists."
    assert run("export", tmp_path / "no" / "library").failure.endswith("cannot be made: No such file or directory.")


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    build()
    monkeypatch.setattr(
        "circulation.exports.library.write_csv", lambda *_: (_ for _ in ()).throw(OSError("No space left."))
    )

    assert run("export", tmp_path / "library").failure == "No space left. Nothing was written."
    assert not (tmp_path / "library").exists()


@pytest.mark.slow
def test_an_export_that_is_killed_in_the_middle_leaves_no_directory_of_its_name(tmp_path):
    """kill -9, so that nothing can be tidied up: what is left does not look like an export."""
    build()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE circulation_loan")  # after the members it waits for this one
        process = in_a_process("export", str(tmp_path / "library"))
        while not [*tmp_path.glob("*/members.csv")] and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate(timeout=20)

    assert process.returncode == -signal.SIGKILL, said
    [left] = tmp_path.iterdir()
    assert left.name.startswith("unfinished-export-")
    assert not (left / "loans.csv").exists()
    assert run("export", tmp_path / "library").failure is None
    assert sorted(path.name for path in (tmp_path / "library").iterdir()) == [
        f"{name}.csv" for name in sorted(tables.TABLES)
    ]


def test_a_directory_that_was_made_meanwhile_is_left_alone(tmp_path, monkeypatch):
    build()
    branches = tables.TABLES["branches"]

    def meanwhile():
        (tmp_path / "library").mkdir()
        (tmp_path / "library" / "mine.txt").write_text("mine")
        return branches[0]()

    monkeypatch.setitem(tables.TABLES, "branches", (meanwhile, branches[1]))

    assert run("export", tmp_path / "library").failure == f"{tmp_path / 'library'} cannot be made: Directory not empty."
    assert [path.name for path in tmp_path.glob("**/*")] == ["library", "mine.txt"]


def test_an_export_is_of_one_moment(tmp_path, monkeypatch):
    """Somebody adds a title after the first table was written: neither the title nor its copy is in it."""
    add_title(at=AT, title="Emma", copies=1)
    branches = tables.TABLES["branches"][0]

    def meanwhile():
        rows = list(branches())
        somebody = threading.Thread(target=lambda: (add_title(at=AT, title="Persuasion", copies=1), connection.close()))
        somebody.start()
        somebody.join()
        return iter(rows)

    monkeypatch.setitem(tables.TABLES, "branches", (meanwhile, tables.TABLES["branches"][1]))
    out = StringIO()
    call_command("export", str(tmp_path / "library"), stdout=out)

    assert "titles: 1\ncopies: 1\n" in out.getvalue()
    assert len((tmp_path / "library" / "titles.csv").read_text().splitlines()) == 2
    assert Book.objects.count() == 2
    assert Member.objects.count() == 0
