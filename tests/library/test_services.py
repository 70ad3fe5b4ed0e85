"""Titles and members coming in, and their records being edited."""

from datetime import date

import pytest
from django.db import transaction

from events.models import Event
from library.models import Book, Copy, Member
from library.services import (
    add_title,
    book_revision,
    branch_named,
    copy_revision,
    create_copies,
    edit_copy,
    edit_member,
    enrol,
    main_branch,
    member_category_named,
    member_revision,
    split_name,
)
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    CopyFactory,
    MemberCategoryFactory,
    MemberFactory,
    standard_category,
)
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# --- Titles ----------------------------------------------------------------------------------------------------


def test_a_new_title_comes_with_its_copies():
    book = add_title(title="The Trial", authors="Franz Kafka", copies=2, at=NOW)

    assert Book.objects.get() == book
    assert [(c.barcode, c.status, c.branch) for c in book.copies.order_by("id")] == [
        (f"{book.pk}-1", "available", main_branch()),
        (f"{book.pk}-2", "available", main_branch()),
    ]
    told = list(Event.objects.order_by("id"))
    assert [event.kind for event in told] == ["book.added", "copy.added", "copy.added"]
    assert (told[0].book_id, told[0].payload) == (book.pk, {"title": "The Trial", "copies": 2})
    assert {event.occurred_at for event in told} == {NOW}


def test_a_new_title_has_one_copy_unless_told_otherwise():
    branch = BranchFactory()

    assert add_title(title="One", branch=branch, at=NOW).copies.get().branch == branch
    assert not add_title(title="None", copies=0, at=NOW).copies.exists()


def test_an_isbn_or_a_source_record_that_is_taken_adds_nothing():
    BookFactory(isbn="9780141036144", source="catalogue", source_id="7")

    with refused("DUPLICATE") as caught:
        add_title(title="Again", isbn="9780141036144", at=NOW)
    assert list(caught.value.details) == ["isbn"]
    with refused("DUPLICATE") as caught:
        add_title(title="Again", source="catalogue", source_id="7", at=NOW)
    assert list(caught.value.details) == ["source_id"]

    assert Book.objects.count() == 1
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_copies_are_made_inside_an_operation():
    with pytest.raises(transaction.TransactionManagementError):
        create_copies(BookFactory(), count=1, branch=main_branch(), at=NOW)


# --- Copies ----------------------------------------------------------------------------------------------------


def test_a_copy_gets_another_barcode_and_another_branch():
    copy, branch = CopyFactory(barcode="old-1"), BranchFactory(name="Ostend")

    edited = edit_copy(barcode=copy.barcode, fields={"barcode": "new-1", "branch": branch}, at=NOW)

    copy.refresh_from_db()
    assert (edited, copy.barcode, copy.branch) == (copy, "new-1", branch)
    told = Event.objects.get()
    assert (told.kind, told.book_id, told.copy_id, told.payload) == (
        "copy.edited",
        copy.book_id,
        copy.pk,
        {
            "changed": ["barcode", "branch"],
            "changes": {"barcode": ["old-1", "new-1"], "branch": ["Main Library", "Ostend"]},
        },
    )


def test_an_edit_of_a_copy_that_changes_nothing_leaves_no_trace():
    copy = CopyFactory()

    edit_copy(barcode=copy.barcode, fields={"branch": copy.branch}, at=NOW)

    assert not Event.objects.exists()


def test_copies_keep_their_own_barcodes():
    copy, other = CopyFactory.create_batch(2)

    with refused("DUPLICATE") as caught:
        edit_copy(barcode=copy.barcode, fields={"barcode": other.barcode}, at=NOW)

    assert list(caught.value.details) == ["barcode"]


def test_an_edit_of_an_old_version_of_a_copy_is_refused():
    copy = CopyFactory()
    read = copy_revision(copy)
    edit_copy(barcode=copy.barcode, fields={"branch": BranchFactory()}, expected=read, at=NOW)

    with refused("STALE_VERSION"):
        edit_copy(barcode=copy.barcode, fields={"branch": BranchFactory()}, expected=read, at=NOW)
    with refused("COPY_NOT_FOUND"):
        edit_copy(barcode="nowhere", fields={}, at=NOW)


def test_moving_a_copy_through_the_desk_does_not_make_an_edit_stale():
    copy = CopyFactory()
    read = copy_revision(copy)
    copy.move(Copy.Status.ON_HOLD_SHELF, holder=MemberFactory())

    assert copy_revision(copy) == read


# --- Members ---------------------------------------------------------------------------------------------------


def test_a_new_member_gets_a_card_number_a_category_and_a_branch():
    member = enrol(first_name="Ada", last_name="Lovelace", at=NOW)

    member.refresh_from_db()
    assert member.card_number == f"C{member.pk:08d}"
    assert (member.name, member.category, member.branch) == ("Ada Lovelace", standard_category(), main_branch())
    told = Event.objects.get()
    assert (told.kind, told.member_id, told.occurred_at, told.payload) == ("member.enrolled", member.pk, NOW, {})


def test_a_new_member_may_bring_their_own():
    branch, category = BranchFactory(), MemberCategoryFactory()

    member = enrol(
        member_id=47110815, card_number="X1", branch=branch, category=category, expires_on=date(2027, 1, 1), at=NOW
    )

    member.refresh_from_db()
    assert (member.pk, member.card_number, member.branch, member.category) == (47110815, "X1", branch, category)
    assert member.expires_on == date(2027, 1, 1)


def test_card_numbers_and_e_mail_addresses_that_are_taken_enrol_nobody():
    member = MemberFactory(email="ada@example.org")

    with refused("DUPLICATE") as caught:
        enrol(email="ADA@example.org", at=NOW)
    assert list(caught.value.details) == ["email"]
    with refused("DUPLICATE") as caught:
        enrol(card_number=member.card_number, at=NOW)
    assert list(caught.value.details) == ["card_number"]

    assert Member.objects.count() == 1


def test_a_member_is_blocked_and_unblocked():
    member = MemberFactory()

    edit_member(member_id=member.pk, fields={"blocked_reason": "rude"}, at=NOW)
    member.refresh_from_db()
    assert member.blocked_reason == "rude"
    edit_member(member_id=member.pk, fields={"blocked_reason": ""}, at=NOW)

    member.refresh_from_db()
    assert member.blocked_reason == ""
    assert [event.payload for event in Event.objects.order_by("pk")] == [
        {"changed": ["blocked_reason"], "changes": {"blocked_reason": ["", "rude"]}},
        {"changed": ["blocked_reason"], "changes": {"blocked_reason": ["rude", ""]}},
    ]


def test_an_edit_of_a_member_that_changes_nothing_leaves_no_trace():
    member = MemberFactory()

    edit_member(member_id=member.pk, fields={"first_name": "Ada", "branch": member.branch}, at=NOW)

    assert not Event.objects.exists()


@pytest.mark.parametrize("names", [{"first_name": ""}, {"last_name": ""}])
def test_a_member_keeps_one_name_at_least(names):
    member = MemberFactory()

    edit_member(member_id=member.pk, fields=names, at=NOW)
    with refused("VALIDATION_ERROR") as caught:
        edit_member(member_id=member.pk, fields={"first_name": "", "last_name": ""}, at=NOW)

    assert caught.value.kind == "invalid"
    member.refresh_from_db()
    assert member.name


def test_what_a_revision_covers_is_what_can_be_edited():
    book, copy, member = BookFactory(), CopyFactory(), MemberFactory()
    before = (book_revision(book), copy_revision(copy), member_revision(member))

    book.source, copy.status, member.source = "elsewhere", "lost", "elsewhere"
    assert (book_revision(book), copy_revision(copy), member_revision(member)) == before

    book.in_circulation, copy.branch, member.expires_on = False, BranchFactory(), NOW.date()
    assert all(
        now != then
        for now, then in zip((book_revision(book), copy_revision(copy), member_revision(member)), before, strict=True)
    )


# --- Names -----------------------------------------------------------------------------------------------------


def test_branches_and_categories_are_found_by_name_in_any_case():
    branch, category = BranchFactory(name="Harbour"), MemberCategoryFactory(name="Student")

    assert branch_named("HARBOUR") == branch
    assert branch_named(None) == main_branch()
    assert member_category_named("student") == category
    assert member_category_named(None) == standard_category()


@pytest.mark.parametrize(("named", "field"), [(branch_named, "branch"), (member_category_named, "category")])
def test_branches_and_categories_that_do_not_exist_are_invalid(named, field):
    with refused("VALIDATION_ERROR") as caught:
        named("Atlantis")

    assert caught.value.kind == "invalid"
    assert caught.value.details == {field: [{"code": "does_not_exist", "message": caught.value.message}]}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ada Lovelace", ("Ada", "Lovelace")),
        ("Anna Maria Luise", ("Anna Maria", "Luise")),
        ("Alice", ("Alice", "")),
        ("", ("", "")),
        (" Alice", (" Alice", "")),
    ],
)
def test_what_follows_the_last_space_is_the_last_name(name, parts):
    assert split_name(name) == parts
