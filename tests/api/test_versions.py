"""ETag, If-Match, If-None-Match: nobody overwrites what they have not seen, nor reads again what has not changed."""

import pytest

from tests.api.asking import data_of, error_of, everything
from tests.factories import BookFactory, BranchFactory, CopyFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def a_book():
    return f"/api/books/{BookFactory(title='Emma', copies=1).pk}/", {"title": "Persuasion"}, {"category": "fiction"}


def a_member():
    return f"/api/members/{MemberFactory().pk}/", {"name": "Grace Hopper"}, {"blocked_reason": "x"}


def a_copy():
    return (
        f"/api/copies/{CopyFactory(barcode='a').barcode}/",
        {"branch": BranchFactory().name},
        {"branch": "Main Library"},
    )


RECORDS = [a_book, a_member, a_copy]


@pytest.mark.parametrize("record", RECORDS)
def test_an_edit_that_names_what_was_read_succeeds(api, record):
    url, edit, another = record()
    read = api.get(url)["ETag"]

    edited = api.patch(url, edit, HTTP_IF_MATCH=read)

    data_of(edited)
    assert edited["ETag"] != read
    assert edited["ETag"] == api.get(url)["ETag"]
    data_of(api.patch(url, another, HTTP_IF_MATCH=edited["ETag"]))


@pytest.mark.parametrize("record", RECORDS)
def test_an_edit_of_what_somebody_changed_is_refused(api, record):
    url, edit, another = record()
    read = api.get(url)["ETag"]
    data_of(api.patch(url, edit))
    before = everything()

    response = api.patch(url, another, HTTP_IF_MATCH=read)

    assert error_of(response, 412, "STALE_VERSION") is None
    sentence = "This record has changed since you read it. Read it again, then repeat your change."
    assert response.json()["error"]["message"] == sentence
    assert everything() == before


@pytest.mark.parametrize("record", [a_book, a_member])
@pytest.mark.parametrize("method", ["put", "delete"])
def test_replacing_and_deleting_honour_it_too(api, record, method):
    url, edit, _ = record()
    before = everything()

    def change(version):
        return getattr(api, method)(url, edit if method == "put" else None, HTTP_IF_MATCH=version)

    error_of(change('"somebody-elses.7"'), 412, "STALE_VERSION")
    assert everything() == before
    data_of(change(api.get(url)["ETag"]))


@pytest.mark.parametrize("header", ["*", " * ", 'W/"{}"', '"{}"', " {} "])
def test_other_spellings_of_a_version_are_understood(api, header):
    url, edit, _ = a_book()
    version = api.get(url)["ETag"].strip('"')

    data_of(api.patch(url, edit, HTTP_IF_MATCH=header.format(version)))


@pytest.mark.parametrize("header", ["", '""', "x", '"x"', "W/", "\0", "é", '"' + "x" * 5000 + '"'])
def test_versions_that_were_never_given_are_stale(api, header):
    url, edit, _ = a_book()
    before = everything()

    error_of(api.patch(url, edit, HTTP_IF_MATCH=header), 412, "STALE_VERSION")
    assert everything() == before


def test_lending_does_not_make_an_edit_of_the_catalogue_stale(api):
    book = BookFactory(copies=1)
    url = f"/api/books/{book.pk}/"
    read = api.get(url)["ETag"]
    sent = {"member_id": MemberFactory().pk, "book_id": book.pk}
    data_of(api.post("/api/circulation/checkout/", sent), 201)

    assert api.get(url)["ETag"] != read
    data_of(api.patch(url, {"category": "fiction"}, HTTP_IF_MATCH=read))


# --- Reading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", RECORDS)
def test_what_has_not_changed_is_not_sent_again(api, record):
    url, edit, _ = record()
    first = api.get(url)

    again = api.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]

    api.patch(url, edit)
    assert api.get(url, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


def test_whatever_a_reader_sees_of_a_title_changes_its_tag(api):
    book = BookFactory(copies=1)
    copy, member = book.copies.get(), MemberFactory()
    url = f"/api/books/{book.pk}/"
    steps = [
        lambda: api.post("/api/circulation/checkout/", {"member_id": member.pk, "book_id": book.pk}),
        lambda: api.post("/api/circulation/return/", {"barcode": copy.barcode}),
        lambda: api.post(f"/api/books/{book.pk}/copies/"),
        lambda: api.post(f"/api/copies/{copy.barcode}/mark-lost/"),
        lambda: api.patch(url, {"language": "en"}),
    ]
    tags = [api.get(url)["ETag"]]
    for step in steps:
        assert step().status_code < 300
        tags.append(api.get(url)["ETag"])

    assert len(set(tags)) == len(tags)


def test_whatever_staff_see_of_a_copy_changes_its_tag(api):
    copy = CopyFactory()
    url = f"/api/copies/{copy.barcode}/"
    barcode = {"barcode": copy.barcode}
    ada, grace = MemberFactory(), MemberFactory()
    tags = [api.get(url)["ETag"]]
    steps = [
        lambda: api.post("/api/circulation/checkout/", barcode | {"member_id": ada.pk, "days": 7}),
        lambda: api.post("/api/circulation/renew/", barcode),  # another date, the same state
        lambda: api.post("/api/circulation/return/", barcode),
        lambda: api.post("/api/circulation/checkout/", barcode | {"member_id": grace.pk, "days": 7}),
    ]
    for step in steps:
        assert step().status_code < 300
        tags.append(api.get(url)["ETag"])

    assert tags[3] == tags[0]  # on the shelf again, as before
    assert len(set(tags)) == 4


def test_a_member_whose_branch_changed_its_name_is_sent_again(api):
    member = MemberFactory(branch=BranchFactory(name="Ostend"))
    url = f"/api/members/{member.pk}/"
    read = api.get(url)["ETag"]
    member.branch.name = "Oostende"
    member.branch.save()

    assert data_of(api.get(url, HTTP_IF_NONE_MATCH=read))["branch"] == "Oostende"
    data_of(api.patch(url, {"email": "a@example.org"}, HTTP_IF_MATCH=read))  # nobody edited the member


@pytest.mark.parametrize(
    "path", ["/api/books/", "/api/loans/", "/api/members/", "/api/reservations/", "/api/statistics/"]
)
def test_other_answers_have_tags_of_their_content(api, path):
    ReservationFactory()
    first = api.get(path)

    if path != "/api/statistics/":  # which tells the time
        assert api.get(path, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    assert api.get(path, HTTP_IF_NONE_MATCH='"x"').status_code == 200


def test_reading_only_a_version_that_is_gone_is_refused_in_our_form(api):
    url, _, _ = a_book()

    assert error_of(api.get(url, HTTP_IF_MATCH='"x"'), 412, "STALE_VERSION") is None
    data_of(api.get(url, HTTP_IF_MATCH=api.get(url)["ETag"]))
    error_of(api.get("/api/books/", HTTP_IF_MATCH='"x"'), 412, "STALE_VERSION")
