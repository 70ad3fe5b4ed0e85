"""Imports over the API: what goes in, what is refused, what the job says of it."""

import csv
import io
import json
import zipfile

import pytest

from circulation.imports.loading import BATCH
from circulation.jobs.models import JobFile
from circulation.models import Job
from events.models import Event
from library.models import Book, Member
from tests.api.asking import data_of, error_of
from tests.circulation.commands import run as run_command
from tests.jobs.conftest import done
from tests.jobs.sending import file, send, sent, titles

pytestmark = pytest.mark.django_db(transaction=True)

MARCXML = """<collection xmlns="http://www.loc.gov/MARC21/slim">
<record><leader>00000nam a2200000 a 4500</leader><controlfield tag="001">m1</controlfield>
<datafield tag="245" ind1="0" ind2="0"><subfield code="a">Emma</subfield></datafield></record>
<record><leader>00000nam a2200000 a 4500</leader><controlfield tag="001">m2</controlfield></record>
</collection>
"""


def body(response):
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def errors(client, job_id):
    return body(client.get(f"/api/jobs/{job_id}/errors/"))


def test_titles_come_in(librarian, staff):
    response = send(librarian, file(titles(3)))

    job = data_of(response, 202)
    assert response["Location"] == f"/api/jobs/{job['id']}/"
    assert response.json()["message"] == f"Accepted as job {job['id']}: /api/jobs/{job['id']}/ tells how far it is."
    assert (job["kind"], job["state"], job["asked_by"]) == ("import_books", "queued", staff.username)
    assert Book.objects.count() == 0

    done(job["id"])

    job = data_of(librarian.get(response["Location"]))
    assert job["state"] == "done"
    assert job["result"] == {"added": 3, "changed": 0, "unchanged": 0, "refused": 0}
    assert job["message"] == "books.csv: 3 added, 0 changed, 0 unchanged, 0 refused."
    assert job["progress"] == {"done": 3, "total": 3}
    assert job["links"] == {"result": None, "errors": None}
    assert job["notes"] == []
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert set(Book.objects.values_list("source", flat=True)) == {"books"}
    assert set(Event.objects.values_list("actor_id", flat=True)) == {staff.pk}
    error_of(librarian.get(f"/api/jobs/{job['id']}/errors/"), 404, "NOT_FOUND")
    error_of(librarian.get(f"/api/jobs/{job['id']}/result/"), 404, "NOT_FOUND")


def test_a_second_time_changes_nothing(librarian):
    done(sent(librarian, file(titles(3))))

    again = done(sent(librarian, file(titles(4).replace("Title number 2", "Title No. 2"))))

    assert again.message == "books.csv: 1 added, 1 changed, 2 unchanged, 0 refused."
    assert Book.objects.count() == 4


def test_members_with_a_column_of_another_name_and_a_source(librarian):
    text = "nr,wer,email\n1,Ada Lovelace,ada@example.org\n2,Grace Hopper,\n"

    job = done(
        sent(librarian, file(text, "people.csv"), kind="members", map=["id=nr", "name=wer"], source="Old system")
    )

    assert job.message == "people.csv: 2 added, 0 changed, 0 unchanged, 0 refused."
    found = Member.objects.order_by("pk").values_list("first_name", "source", "source_id")
    assert list(found) == [("Ada", "Old system", "1"), ("Grace", "Old system", "2")]


def test_a_rehearsal_says_the_same_and_changes_nothing(librarian):
    text = titles(BATCH + 3) + "bad,,\n"

    job = done(sent(librarian, file(text), dry_run="true"))

    assert job.state == "done"
    assert job.message == (
        f"books.csv: {BATCH + 3} added, 0 changed, 0 unchanged, 1 refused.\nThis was a rehearsal: nothing was changed."
    )
    assert (job.refused, job.done, job.result["added"]) == (1, BATCH + 4, BATCH + 3)
    assert (Book.objects.count(), Event.objects.count()) == (0, 0)
    assert b"There is no title." in errors(librarian, job.pk)


def test_several_files_are_taken_in_one_after_the_other(librarian):
    job = done(sent(librarian, file(titles(2), "a.csv"), file(json.dumps([{"id": 9, "title": "Emma"}]), "b.json")))

    assert job.message == (
        "a.csv: 2 added, 0 changed, 0 unchanged, 0 refused.\nb.json: 1 added, 0 changed, 0 unchanged, 0 refused."
    )
    assert job.result == {"added": 3, "changed": 0, "unchanged": 0, "refused": 0}
    assert (job.done, job.total) == (3, 3)
    assert not JobFile.objects.filter(job=job, role="lines").exists()


def test_the_refused_rows_of_several_files_come_in_one_archive(librarian):
    job_id = sent(
        librarian, file(titles(1) + "x,,\n", "a.csv"), file(titles(1, 5) + "y,,\n", "a.csv"), file(titles(1, 7))
    )
    done(job_id)

    response = librarian.get(f"/api/jobs/{job_id}/errors/")

    assert response["Content-Disposition"] == f'attachment; filename="refused-by-job-{job_id}.zip"'
    with zipfile.ZipFile(io.BytesIO(body(response))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a-refused.csv", "2-a-refused.csv"]
        assert archive.read("2-a-refused.csv").decode() == (
            "id,title,author,source,refused_because\r\ny,,,a,There is no title.\r\n"
        )


def test_of_several_files_one_that_is_broken_keeps_all_out(librarian):
    zip_bomb = io.BytesIO()
    with zipfile.ZipFile(zip_bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("books.csv", b"0" * 50_000_000)

    job = done(
        sent(librarian, file(titles(2)), file(zip_bomb.getvalue(), "bomb.csv"), file(b"\x89PNG\r\n\0\0", "x.csv"))
    )

    assert job.state == "failed"
    assert job.message == (
        "bomb.csv is a zip archive or a spreadsheet. Unpack it, or save the sheet as CSV. "
        "x.csv is not a text file. Nothing was changed."
    )
    assert Book.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("members.csv", "id,name,email\n1,Ada,ada@example.org\n2,Bo,bo.example.org\n3,,\n", "members"),
        ("books.json", '[{"id": 1, "title": "Emma"}, {"id": 2}, {"id": 3, "title": ""}]', "books"),
        ("books.xml", MARCXML, "books"),
        (
            "books.sql",
            "INSERT INTO books (BookID, BookName, NumberOfCopies) VALUES (1, 'A', 1), (2, 'B', -1);",
            "books",
        ),
    ],
)
def test_the_error_report_is_what_the_command_writes(librarian, tmp_path, name, text, kind):
    path, refused = tmp_path / name, tmp_path / "again"
    path.write_text(text)
    ran = run_command(f"import_{kind}", path, "--refused", refused, "--dry-run")

    job = done(sent(librarian, file(text, name), kind=kind))

    assert errors(librarian, job.pk) == refused.read_bytes()
    assert [f"{tmp_path}/{note}" for note in job.notes] == ran.err
    stem, ending = name.split(".")
    ending = "json" if ending == "sql" else ending
    response = librarian.get(f"/api/jobs/{job.pk}/errors/")
    assert response["Content-Disposition"] == f'attachment; filename="{stem}-refused.{ending}"'
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Length"] == str(refused.stat().st_size)


def test_records_of_marc_exchange_files_come_back_as_they_were(librarian):
    def record(number, title):
        fields = f"{number}\x1e00\x1fa{title}\x1e".encode() if title else f"{number}\x1e".encode()
        first = len(number) + 1
        directory = f"001{first:04}00000" + (f"245{len(fields) - first:04}{first:05}" if title else "")
        base = 24 + len(directory) + 1
        return f"{base + len(fields) + 1:05}nam a22{base:05} a 4500{directory}\x1e".encode() + fields + b"\x1d"

    bad = record("m2", "")
    job = done(sent(librarian, file(record("m1", "Emma") + bad, "old.mrc")))

    assert job.message == "old.mrc: 1 added, 0 changed, 0 unchanged, 1 refused."
    assert errors(librarian, job.pk) == bad


def test_the_mended_rows_can_be_sent_again(librarian):
    first = done(sent(librarian, file(titles(2) + "7,,Jane Austen\n")))
    report = errors(librarian, first.pk).decode()

    again = done(sent(librarian, file(report.replace("7,,", "7,Emma,"), "books-refused.csv")))

    assert again.message == "books-refused.csv: 1 added, 0 changed, 0 unchanged, 0 refused."
    assert Book.objects.get(title="Emma").source == "books"


def test_a_large_error_report_is_whole(librarian):
    """More than one chunk, over many batches."""
    rows = "".join(f"{n},,{'x' * 400}\n" for n in range(4 * BATCH))

    job = done(sent(librarian, file("id,title,author\n" + rows)))

    read = list(csv.DictReader(io.StringIO(errors(librarian, job.pk).decode())))
    assert [row["id"] for row in read] == [str(n) for n in range(4 * BATCH)]
    assert job.refused == 4 * BATCH
    assert len(job.notes) == 100
    assert job.notes[99] == "books.csv:101: There is no title."


def test_what_else_there_is_to_say_stands_in_the_notes(librarian):
    job = done(sent(librarian, file("id,title,shoe size\n1,Café,3\n".encode("latin-1"))))

    assert job.notes == [
        "books.csv: Columns that are not used: shoe size.",
        "books.csv:1: Not in UTF-8: read as Latin-1 (Windows-1252). Please look at the accents.",
    ]


def test_the_same_key_twice_in_a_file_is_refused_across_batches(librarian):
    job = done(sent(librarian, file(titles(BATCH + 1) + "1,Another,Bo\n")))

    assert job.notes == [f"books.csv:{BATCH + 3}: “Another” (1) stands in line 2 already."]


def test_rows_of_another_table_are_counted_and_left_out(librarian):
    text = (
        "INSERT INTO books (id, title) VALUES (1, 'Emma');\nINSERT INTO cats (id, name) VALUES (1, 'Tom'), (2, 'Kit');"
    )

    job = done(sent(librarian, file(text, "dump.sql")))

    assert job.notes == ["dump.sql:2: Rows for table cats are not for books: 2 left out."]


def test_the_file_is_kept_in_chunks_and_read_back_as_it_was(librarian):
    text = titles(20_000)
    job_id = sent(librarian, file(text))

    kept = JobFile.objects.get(job=job_id)

    assert (kept.size, kept.chunk_count) == (len(text), 3)
    chunks = kept.chunks.order_by("number").values_list("data", flat=True)
    assert b"".join(map(bytes, chunks)).decode() == text
    assert Job.objects.get(pk=job_id).state == "queued"
