"""Files that a librarian imports on a page: looked at first, then taken in by a worker."""

import csv
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from circulation.jobs.models import Job, JobFile
from circulation.jobs.running import run
from events.heartbeats import beat
from library.models import Book, Member
from tests.admin.browser import Browser
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/import/"
TITLES = "Title;Author;Copies\nEmma;Jane Austen;2\n;nobody;1\nPersuasion;Jane Austen;three\n"
MEMBERS = "Card;First name;Surname\nX1;Ada;Byron\nX2;Grace;Hopper\n"


@pytest.fixture
def librarian(db):
    return UserFactory(staff=True, username="lib")


def file(text, name="books.csv"):
    return SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())


def choose(desk, *files, **fields):
    return desk.client.post(PAGE, {"file": list(files), **fields})


def rehearsed(desk, *files, **fields):
    """The page of a rehearsal that a worker did."""
    response = choose(desk, *files, **fields)
    assert response.status_code == 302, response.content.decode()
    run(Job.objects.latest("pk").pk)
    return response["Location"]


def imported(desk, page):
    response = desk.client.post(f"{page}start/")
    run(Job.objects.latest("pk").pk)
    return response["Location"]


def sentence(response):
    return re.search(r'id="import-sentence"[^>]*>(.*?)</p>', response.content.decode(), re.DOTALL)[1]


def wrong(response):
    return re.findall(r'class="import-wrong"[^>]*>([^<]+)<', response.content.decode())


def test_a_file_is_rehearsed_before_anything_is_written(desk):
    page = rehearsed(desk, file(TITLES))

    response = desk.open(page)
    job = Job.objects.get()
    assert page == f"/admin/import/{job.pk}/"
    assert (job.kind, job.state, job.asked_by.username) == ("import_books", "done", "lib")
    assert job.options["dry_run"] is True
    assert sentence(response) == "Of this file, 1 would be added, 2 would be refused. Nothing is written yet."
    assert Book.objects.count() == 0
    [preview] = response.context["preview"]
    assert [str(column) for column in preview.columns] == ["Title", "Authors", "Copies"]
    assert preview.rows == [
        {"line": 2, "refused": "", "values": ["Emma", "Jane Austen", "2"]},
        {"line": 3, "refused": "There is no title.", "values": ["", "", ""]},
        {"line": 4, "refused": "copies must be a whole number, not 'three'.", "values": ["", "", ""]},
    ]


def test_what_was_rehearsed_is_imported_with_the_same_file(desk):
    page = rehearsed(desk, file(TITLES))

    done = imported(desk, page)

    assert sentence(desk.open(done)) == "It is done: 1 added, 2 refused."
    assert [(book.title, book.copies.count()) for book in Book.objects.all()] == [("Emma", 2)]
    assert "This was imported." in desk.open(page).content.decode()
    assert f'href="{reverse("admin:library_book_changelist")}"' in desk.open(done).content.decode()


def test_pressed_twice_it_is_imported_once(desk):
    page = rehearsed(desk, file(TITLES))

    done = imported(desk, page)

    assert desk.client.post(f"{page}start/")["Location"] == done
    assert Job.objects.filter(options__dry_run=False).count() == 1
    assert Book.objects.count() == 1


def test_every_refused_row_can_be_fetched_with_its_line_and_reason(desk):
    many = "title,copies\n" + "".join(f"Title {n},many\n" for n in range(150)) + "=1+1,2\n"
    page = rehearsed(desk, file(many, "=books.csv"))

    for one in (page, imported(desk, page)):
        response = desk.client.get(f"{one}reasons/")
        rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert rows[0] == ["file", "line", "reason"]
        assert rows[1] == ["'=books.csv", "2", "copies must be a whole number, not 'many'."]
        assert [int(row[1]) for row in rows[1:]] == list(range(2, 152))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TITLES, "import_books"),
        (MEMBERS, "import_members"),
        ('[{"BookID": 1, "BookName": "Emma", "NumberOfCopies": 1}]', "import_books"),
        ('[{"MemberID": 1, "MemberName": "Ada Byron"}]', "import_members"),
        ("INSERT INTO books (BookID, BookName, NumberOfCopies) VALUES (1, 'Emma', 1);", "import_books"),
        ("INSERT INTO members (MemberID, MemberName) VALUES (1, 'Ada Byron');", "import_members"),
        (b"00026nam a2200025 a 4500\x1e\x1d", "import_books"),
        ("<collection xmlns='http://www.loc.gov/MARC21/slim'></collection>", "import_books"),
    ],
)
def test_what_is_in_a_file_its_beginning_tells(desk, text, kind):
    response = choose(desk, file(text, "unknown"))

    assert response.status_code == 302, wrong(response)
    assert Job.objects.get().kind == kind


@pytest.mark.parametrize(
    ("files", "fields", "said"),
    [
        ([], {}, "Choose a file first."),
        ([file("")], {}, "This file is empty."),
        ([file(b"PK\x03\x04", "b.xlsx")], {},
         "b.xlsx is a zip archive or a spreadsheet. Unpack it, or save the sheet as CSV."),
        ([file(TITLES), file(MEMBERS, "m.csv")], {}, "These are titles and members. Import one after the other."),
        ([file("id,source\n1,a\n")], {}, "The columns may be of titles or of members. Please say which."),
        ([file(TITLES)], {"columns": "nonsense"}, "nonsense: write FIELD=COLUMN. Fields: "),
        ([file(TITLES)], {"source": "import"},
         "import is what records of the reservation challenge are marked with."),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_refused_in_words(desk, files, fields, said):
    for one in files:
        one.seek(0)

    response = choose(desk, *files, **fields)

    assert response.status_code == 422
    [text] = wrong(response)
    assert text.startswith(said)
    assert Job.objects.count() == 0


def test_too_much_is_refused_before_it_is_read(desk, settings):
    settings.IMPORT_MAX_MB = 1

    for size in (1_000_001, 1_200_000):
        response = choose(desk, file(b"title\n" + b"x" * size))
        assert response.status_code in (413, 422)
        assert wrong(response) == ["This is too large. At most 1 MB go together."]
    assert response.status_code == 413
    assert JobFile.objects.count() == 0


def test_a_broken_file_fails_and_says_why(desk):
    page = rehearsed(desk, file('title\n"Emma\n'))

    assert sentence(desk.open(page)) == (
        "books.csv breaks off within quotation marks, in the row of line 2. Nothing was changed."
    )
    assert "Import it" not in desk.open(page).content.decode()


def test_columns_can_be_named(desk):
    page = rehearsed(desk, file("work,by\nEmma,Austen\n"), kind="books", columns="title=work\nauthors=by\n")

    imported(desk, page)

    assert list(Book.objects.values_list("title", "authors")) == [("Emma", "Austen")]


def test_members_come_in_as_well(desk):
    done = imported(desk, rehearsed(desk, file(MEMBERS, "people.csv")))

    assert sentence(desk.open(done)) == "It is done: 2 added."
    assert list(Member.objects.order_by("card_number").values_list("card_number", "last_name")) == [
        ("X1", "Byron"),
        ("X2", "Hopper"),
    ]


def test_the_very_same_file_is_known_again(desk):
    imported(desk, rehearsed(desk, file(TITLES)))

    again = desk.open(rehearsed(desk, file(TITLES, "renamed.csv")))
    other = desk.open(rehearsed(desk, file(TITLES + "Ulysses;Joyce;1\n")))

    assert "The very same was imported on" in again.content.decode()
    assert "by lib." in again.content.decode()
    assert "The very same was imported on" not in other.content.decode()


def test_a_job_without_a_worker_says_that_it_waits(desk):
    page = choose(desk, file(TITLES))["Location"]
    silent = desk.client.get(f"{page}state/").json()

    beat("worker")
    heard = desk.client.get(f"{page}state/").json()

    assert silent == {
        "is_over": False,
        "status": "Waits for a worker",
        "rows": "",
        "percent": 0,
        "is_known": False,
        "is_missed": True,
    }
    assert heard["is_missed"] is False


def test_how_far_it_is_can_be_asked_and_seen(desk):
    page = choose(desk, file(TITLES))["Location"]
    Job.objects.update(state="running", done=300, total=1200)

    state = desk.client.get(f"{page}state/").json()
    shown = desk.open(page).content.decode()

    assert (state["status"], state["rows"], state["percent"]) == ("Rehearsed right now", "300 of 1,200 rows", 25)
    assert re.search(r'<progress aria-labelledby="import-status" max="100" value="25">', shown)
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in shown


def test_a_job_can_be_cancelled(desk):
    page = choose(desk, file(TITLES))["Location"]

    response = desk.client.post(f"{page}cancel/", follow=True)

    assert Job.objects.get().state == "cancelled"
    assert sentence(response) == "It was cancelled. Nothing was changed."
    assert desk.client.post(f"{page}start/", follow=True).status_code == 200
    assert Job.objects.count() == 1


def test_earlier_imports_are_listed_to_whoever_asked_and_to_admins(desk):
    rehearsed(desk, file(TITLES))
    other, chief = Client(), Client()
    other.force_login(UserFactory(staff=True))
    chief.force_login(UserFactory(admin=True))

    lists = [Browser(client).open(PAGE).context["earlier"] for client in (desk.client, chief, other)]

    assert [[shown.names for shown in one] for one in lists] == [["books.csv"], ["books.csv"], []]
    page = f"{PAGE}{Job.objects.get().pk}/"
    assert other.get(page)["Location"] == PAGE
    assert other.get(f"{page}state/").status_code == 404
    assert other.post(f"{page}start/")["Location"] == PAGE
    assert Job.objects.count() == 1


@pytest.mark.parametrize("path", ["", "1/", "1/state/", "1/start/", "1/cancel/", "1/reasons/"])
def test_nobody_else_comes_in(path):
    member = Client()
    member.force_login(UserFactory())

    for client in (Client(), member):
        for response in (client.get(f"{PAGE}{path}"), client.post(f"{PAGE}{path}")):
            assert response["Location"].startswith("/admin/login/")


def test_what_another_site_sends_is_not_taken(desk, librarian):
    client = Client(enforce_csrf_checks=True)
    client.force_login(librarian)

    response = client.post(PAGE, {"file": file(TITLES)})

    assert response.status_code == 403
    assert Job.objects.count() == 0
