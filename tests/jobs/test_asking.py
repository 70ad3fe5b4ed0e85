"""What is accepted and what is not: forms, sizes, names, keys, and who asks."""

from email.message import EmailMessage

import pytest
from django.conf import settings as of_django
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from circulation.jobs.models import JobChunk, JobFile
from circulation.models import Job
from tests.api.asking import data_of, error_of, invalid_fields, raw
from tests.api.conftest import Client
from tests.api.signing import signed_in, with_key
from tests.factories import MemberFactory, UserFactory
from tests.jobs.conftest import done
from tests.jobs.sending import file, send, sent, titles

pytestmark = pytest.mark.django_db(transaction=True)

BOUNDARY = "lines-between"


def form(*parts):
    """A body as it goes over the wire: pairs of a disposition and what follows it."""
    text = b"".join(
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (BOUNDARY.encode(), head, content)
        for head, content in parts
    )
    return text + b"--%s--\r\n" % BOUNDARY.encode()


def post(client, body):
    return raw(client, "POST", "/api/imports/", body, f"multipart/form-data; boundary={BOUNDARY}")


KIND = (b'name="kind"', b"books")


# --- What is sent ----------------------------------------------------------------------------------------------------


def test_without_a_file_or_a_kind(librarian):
    assert invalid_fields(send(librarian)) == {"file": "required"}
    assert invalid_fields(post(librarian, form((b'name="file"; filename="a.csv"', b"title\nEmma\n")))) == {
        "kind": "required"
    }
    assert invalid_fields(send(librarian, file("title\nEmma\n"), kind="cats")) == {"kind": "invalid_choice"}
    assert invalid_fields(raw(librarian, "POST", "/api/imports/", b"")) == {"file": "required", "kind": "required"}
    assert Job.objects.count() == 0


def test_an_empty_file(librarian):
    assert invalid_fields(send(librarian, SimpleUploadedFile("a.csv", b""))) == {"file.0": "empty"}


def test_a_text_in_place_of_a_file(librarian):
    assert invalid_fields(post(librarian, form(KIND, (b'name="file"', b"title\nEmma\n")))) == {"file.0": "invalid"}


def test_too_many_files(librarian):
    response = send(librarian, *(file(titles(1), f"{n}.csv") for n in range(21)))

    assert invalid_fields(response) == {"file": "max_length"}


def test_fields_that_are_there_twice_or_that_nobody_knows(librarian):
    a_file = (b'name="file"; filename="a.csv"', b"title\nEmma\n")
    assert invalid_fields(post(librarian, form(KIND, KIND, a_file))) == {"kind": "invalid"}
    assert invalid_fields(post(librarian, form(KIND, a_file, (b'name="sauce"', b"x")))) == {"sauce": "unknown"}


def test_nul_bytes_in_fields(librarian):
    a_file = (b'name="file"; filename="a.csv"', b"title\nEmma\n")
    nul = "null_characters_not_allowed"
    assert invalid_fields(post(librarian, form(KIND, a_file, (b'name="source"', b"a\0b")))) == {"source": nul}
    assert invalid_fields(post(librarian, form(KIND, a_file, (b'name="map"', b"title=a\0b")))) == {"map.0": nul}


@pytest.mark.parametrize("pair", ["title", "title=", "shoes=Titel"])
def test_a_map_that_makes_no_sense(librarian, pair):
    response = send(librarian, file(titles(1)), map=[pair])

    [complaint] = error_of(response, 400, "VALIDATION_ERROR")["map"]
    assert complaint["message"].startswith(f"{pair}: write FIELD=COLUMN. Fields: circdesk_id, title, ")


def test_a_source_that_is_taken(librarian):
    [complaint] = error_of(send(librarian, file(titles(1)), source="import"), 400, "VALIDATION_ERROR")["source"]

    assert complaint["message"] == "import is what records of the reservation challenge are marked with."
    assert Job.objects.count() == 0


def test_what_is_no_form(librarian):
    error_of(raw(librarian, "POST", "/api/imports/", {"kind": "books"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert invalid_fields(raw(librarian, "POST", "/api/imports/", b"x", "multipart/form-data")) == {"body": "invalid"}


def test_what_is_cut_off_is_not_taken_for_less(librarian):
    a_file = (b'name="file"; filename="a.csv"', b"title\nEmma\n")
    body = form(KIND, a_file, (b'name="file"; filename="b.csv"', b"title\nPersuasion\n"), (b'name="dry_run"', b"true"))

    for end in range(1, len(body) - 2):
        assert invalid_fields(post(librarian, body[:end])) in ({"body": "invalid"}, {"dry_run": "invalid"}), end
    assert Job.objects.count() == 0
    assert post(librarian, body + b"what stands behind it is not read").status_code == 202


def test_as_much_as_is_allowed_and_more(librarian, settings):
    settings.IMPORT_MAX_MB = 1
    assert of_django.DATA_UPLOAD_MAX_MEMORY_SIZE == 1_000_000

    assert send(librarian, file(titles(1) + "#" * 1_000_000)).status_code == 202

    response = send(librarian, file(titles(1) + "#" * 600_000), file("#" * 600_000))
    error_of(response, 413, "PAYLOAD_TOO_LARGE")
    assert response.json()["error"]["message"] == "The files are too large. At most 1 MB are read."
    assert Job.objects.count() == 1


def test_fields_are_not_for_files(librarian):
    response = post(librarian, form(KIND, (b'name="source"', b"x" * 1_100_000)))

    error_of(response, 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("sent_name", "kept"),
    [
        (b"../../etc/passwd", "passwd"),
        (b"C:\\\\books\\\\a.csv", "a.csv"),
        (b"a\tb\x7f.csv", "ab.csv"),
        ("Bücher “neu”.csv".encode(), "Bücher “neu”.csv"),
        (b"a.csv; filename=b.csv", "a.csv; filename=b.csv"),
        (b"<script>.csv", "<script>.csv"),
        (rb"a\"; x=\".csv", 'a"; x=".csv'),
    ],
)
def test_a_name_is_a_name_and_never_a_path_or_a_header(librarian, sent_name, kept):
    response = post(librarian, form(KIND, (b'name="file"; filename="%s"' % sent_name, b"id,title\n1,Emma\n2,\n")))
    job_id = data_of(response, 202)["id"]

    job = done(job_id)

    assert JobFile.objects.get(job=job, role="source").name == kept
    assert job.message == f"{kept}: 1 added, 0 changed, 0 unchanged, 1 refused."
    fetched = librarian.get(f"/api/jobs/{job_id}/errors/")
    assert fetched.status_code == 200
    as_browsers_read_it = EmailMessage()
    as_browsers_read_it["Content-Disposition"] = fetched["Content-Disposition"]
    assert as_browsers_read_it.get_filename() == kept.removesuffix(".csv") + "-refused.csv"
    assert fetched["X-Content-Type-Options"] == "nosniff"


def test_a_name_that_is_too_long_is_cut(librarian):
    job = done(sent(librarian, file("id,title\n1,\n", "x" * 300 + ".csv")))

    assert job.state == "done"
    assert librarian.get(f"/api/jobs/{job.pk}/errors/").status_code == 200


# --- Once ------------------------------------------------------------------------------------------------------------


def test_with_a_key_it_is_done_once(librarian):
    key = {"HTTP_IDEMPOTENCY_KEY": "monday"}

    def post(text, **fields):
        sent = {"file": [file(text)], "kind": "books"} | fields
        return librarian.post("/api/imports/", sent, format="multipart", **key)

    first, again = post(titles(3)), post(titles(3))

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again["Location"] == first["Location"]
    assert (Job.objects.count(), JobFile.objects.count()) == (1, 1)
    error_of(post(titles(4)), 422, "IDEMPOTENCY_KEY_REUSED")
    error_of(post(titles(3), source="x"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_a_rehearsal_of_the_request_leaves_nothing(librarian):
    response = librarian.post(
        "/api/imports/?dry_run=true", {"file": [file(titles(1))], "kind": "books"}, format="multipart"
    )

    assert data_of(response) == {"would": "import", "refusals": []}
    assert (Job.objects.count(), JobChunk.objects.count()) == (0, 0)


# --- Who -------------------------------------------------------------------------------------------------------------


def test_members_and_strangers_import_nothing():
    member = MemberFactory(user=UserFactory()).user

    error_of(send(Client(), file(titles(1))), 401, "NOT_AUTHENTICATED")
    error_of(send(signed_in(member), file(titles(1))), 403, "PERMISSION_DENIED")
    assert Job.objects.count() == 0


def test_a_key_imports_what_its_scope_is_about(staff):
    books, members = with_key(staff, "catalogue:write"), with_key(staff, "members:write")

    assert send(books, file(titles(1))).status_code == 202
    assert send(members, file("name\nAda\n"), kind="members").status_code == 202
    response = send(books, file("name\nAda\n"), kind="members")
    error_of(response, 403, "PERMISSION_DENIED")
    assert response.json()["error"]["message"] == (
        "This API key is not good for this: it lacks the scope members:write."
    )
    error_of(send(members, file(titles(1))), 403, "PERMISSION_DENIED")
    error_of(send(with_key(staff, "catalogue:read"), file(titles(1))), 403, "PERMISSION_DENIED")


def test_librarians_neither_export_nor_anonymise(librarian, admin):
    for path, asked in (("/api/exports/", {}), ("/api/anonymisations/", {"older_than_days": 9})):
        error_of(librarian.post(path, asked), 403, "PERMISSION_DENIED")
        assert admin.post(path, asked).status_code == 202


def test_at_an_open_desk_anybody_imports_and_sees_what_was_asked_for_there(librarian, settings):
    settings.OPEN_DESK = True
    elsewhere = sent(librarian, file(titles(1)))

    job_id = sent(Client(), file(titles(1)))

    assert data_of(Client().get(f"/api/jobs/{job_id}/"))["asked_by"] is None
    error_of(Client().get(f"/api/jobs/{elsewhere}/"), 404, "NOT_FOUND")


@pytest.mark.parametrize(("service", "kind", "other"), [("public", "books", "admin's"), ("admin", "members", "public")])
def test_of_two_services_each_imports_what_is_its_own(librarian, settings, service, kind, other):
    settings.SERVICE = service

    response = send(librarian, file("title,name\nEmma,Ada\n"), kind=kind)

    error_of(response, 403, "PERMISSION_DENIED")
    assert response.json()["error"]["message"] == f"This is done at the {other} service."
    assert send(librarian, file(titles(1)), kind={"books": "members", "members": "books"}[kind]).status_code == 202


def test_a_browser_that_signed_in_needs_the_token_of_its_page(staff):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(staff)
    sent = {"file": file(titles(1)), "kind": "books"}

    assert browser.post("/api/imports/", sent).status_code == 403

    token = browser.get("/admin/").cookies["csrftoken"].value
    sent["file"].seek(0)
    response = browser.post("/api/imports/", sent, HTTP_X_CSRFTOKEN=token)
    assert response.status_code == 202
    assert done(response.json()["data"]["id"]).message == "books.csv: 1 added, 0 changed, 0 unchanged, 0 refused."


# --- What cannot be understood ---------------------------------------------------------------------------------------


def test_other_requests_are_read_as_strictly(admin):
    assert invalid_fields(admin.post("/api/exports/", {"format": "pdf"})) == {"format": "invalid_choice"}
    for days in (-1, 36_501, "9", None):
        assert "older_than_days" in invalid_fields(admin.post("/api/anonymisations/", {"older_than_days": days}))
    assert invalid_fields(admin.post("/api/anonymisations/", {"older_than_days": 1, "dry_run": "yes"})) == {
        "dry_run": "invalid"
    }
