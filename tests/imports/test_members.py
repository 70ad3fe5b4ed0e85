"""Members from CSV files as other systems write them."""

from datetime import date

import pytest
from django.utils import timezone

from circulation.invariants import broken
from library.models import Member, MemberCategory
from library.services import edit_member, enrol
from tests.circulation.commands import run, told
from tests.factories import MemberFactory

pytestmark = pytest.mark.django_db


def report(ran):
    return ran.out[-1].rpartition(": ")[2]


def test_a_table_of_members_comes_in(file):
    path = file(
        "Borrower number,Card number,Surname,First name,E-mail,Category,Expiry date,Blocked\n"
        "7,X-1,Lovelace,Ada,ada@example.org,Staff,2030-12-31,no\n"
        "8,X-2,Hopper,Grace,,,2030-12-31 23:59:59+01,yes\n"
        "9,X-3,Turing,,,,,Owes a book\n"
    )

    assert run("import_members", path).failure is None

    ada, grace, turing = Member.objects.order_by("pk")
    assert (ada.name, ada.card_number, ada.email, ada.category.name) == (
        "Ada Lovelace",
        "X-1",
        "ada@example.org",
        "Staff",
    )
    assert (ada.expires_on, ada.blocked_reason) == (date(2030, 12, 31), "")
    assert (grace.expires_on, grace.blocked_reason) == (date(2030, 12, 31), "Blocked in the system before this one.")
    assert (turing.name, turing.blocked_reason, turing.category.name) == ("Turing", "Owes a book", "standard")
    assert broken() == []


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("Ada King Lovelace", "Ada King", "Lovelace"), ("Lovelace, Ada", "Ada", "Lovelace"), ("Cher", "Cher", "")],
)
def test_one_column_of_names_is_enough(file, name, first, last):
    run("import_members", file(f'name,card\n"{name}",X-1\n'))

    assert Member.objects.values_list("first_name", "last_name", "card_number").get() == (first, last, "X-1")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("X-2,,a@example.org,", "There is no name."),
        ("X-2,Ada,nowhere,", "'nowhere' is not an e-mail address."),
        ("X-2,Ada,,31.12.2030", "expires_on must be a day written like 2026-12-31, not '31.12.2030'."),
        ("X-2,Ada,,2030-02-30", "expires_on must be a day written like 2026-12-31, not '2030-02-30'."),
        ("X-2,Ada,GRACE@example.org,", "grace@example.org is the e-mail address of Grace (X-1) already."),
        ("X-1,Ada,,", "Card X-1 already belongs to Grace."),
        (f"X-2,{'A' * 151},,", "first_name has 151 characters: at most 150 are possible."),
    ],
)
def test_a_member_who_will_not_do_is_refused_with_the_reason(file, row, reason):
    enrol(at=timezone.now(), first_name="Grace", card_number="X-1", email="grace@example.org")
    path = file(f"card,first name,email,expires\n{row}\nX-9,Eve,,\n")

    ran = run("import_members", path)

    assert told(ran, path) == [f"2: {reason}"]
    assert set(Member.objects.values_list("card_number", flat=True)) == {"X-1", "X-9"}


def test_members_are_changed_but_a_lifted_block_stays_lifted(file):
    run("import_members", file("id,name,blocked\n1,Ada Byron,yes\n"))
    ada = Member.objects.get()
    edit_member(member_id=ada.pk, fields={"blocked_reason": ""}, at=timezone.now())

    again = run("import_members", file("id,name,blocked\n1,Ada Lovelace,yes\n"))

    assert report(again) == "0 added, 1 changed, 0 unchanged, 0 refused."
    assert Member.objects.values_list("last_name", "blocked_reason").get() == ("Lovelace", "")


def test_a_member_known_by_card_gets_only_what_is_missing(file):
    member = MemberFactory(card_number="X-1", first_name="Ada", last_name="Lovelace", expires_on=date(2031, 1, 1))
    path = file("card,name,email,expires\nX-1,Ada Lovelace,ada@example.org,2030-01-01\n")

    assert report(run("import_members", path)) == "0 added, 1 changed, 0 unchanged, 0 refused."
    member.refresh_from_db()
    assert (member.email, member.expires_on) == ("ada@example.org", date(2031, 1, 1))


def test_new_categories_are_made_once(file):
    run("import_members", file("card,name,category\nA,Ada,Staff\nB,Bo,staff\n"))

    assert set(MemberCategory.objects.values_list("name", flat=True)) == {"standard", "Staff"}


def test_catalogue_records_are_no_members(file):
    path = file(b"00026nam a2200025   4500\x1e\x1d")

    assert run("import_members", path).failure == (
        f"{path} is a file of catalogue records. Import it with import_books. Nothing was changed."
    )
