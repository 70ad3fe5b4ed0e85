"""The rows of the catalogue and the membership: what may become of copies, and what is refused."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from events.operations import constraint_of
from library.exceptions import InvalidTransition
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from tests.factories import (
    NOW,
    TODAY,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanPolicyFactory,
    MemberCategoryFactory,
    MemberFactory,
)

pytestmark = pytest.mark.django_db


def violated(row) -> str | None:
    """The constraint that refuses this row."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        row()
    return constraint_of(caught.value)


# --- Branches and time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_zone", "today"),
    [("UTC", date(2026, 3, 2)), ("Pacific/Kiritimati", date(2026, 3, 3)), ("Pacific/Pago_Pago", date(2026, 3, 1))],
)
def test_which_day_it_is_depends_on_the_branch(time_zone, today):
    branch = BranchFactory(time_zone=time_zone)

    assert branch.today(datetime(2026, 3, 2, 10, 59, tzinfo=UTC)) == today


def test_the_end_of_a_day_is_its_last_second():
    branch = BranchFactory(time_zone="Europe/Berlin")

    assert branch.closing_after(NOW, days=0) == datetime(2026, 3, 2, 22, 59, 59, tzinfo=UTC)
    assert branch.closing_after(NOW, days=365) == datetime(2027, 3, 2, 22, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("days", range(220, 245))
def test_days_are_counted_on_the_calendar_when_the_clocks_change(days):
    zone = ZoneInfo("Europe/Berlin")

    end = BranchFactory(time_zone="Europe/Berlin").closing_after(NOW, days=days).astimezone(zone)

    assert (end.date() - NOW.date()).days == days
    assert (end.hour, end.minute, end.second) == (23, 59, 59)


def test_a_branch_has_a_time_zone_that_exists():
    with pytest.raises(ValidationError, match="Atlantis/Centre is not a time zone"):
        Branch(name="Sunken", time_zone="Atlantis/Centre").full_clean()
    Branch(name="Risen", time_zone="Atlantic/Azores").full_clean()


def test_branches_and_categories_have_names_of_their_own_in_any_case():
    assert violated(lambda: BranchFactory(name="MAIN library")) == "one_branch_per_name"
    assert violated(lambda: MemberCategoryFactory(name="Standard")) == "one_category_per_name"


def test_every_library_starts_with_a_branch_a_category_and_a_policy():
    assert Branch.objects.get().name == "Main Library"
    assert MemberCategory.objects.get().name == "standard"
    policy = LoanPolicy.objects.get()
    assert (policy.loan_days, policy.max_loans, policy.max_renewals, policy.max_reservations, policy.shelf_days) == (
        28,
        5,
        2,
        5,
        7,
    )
    assert policy.lend_while_overdue is False


# --- Titles ----------------------------------------------------------------------------------------------------


def test_an_isbn_belongs_to_one_title_that_the_library_holds():
    BookFactory.create_batch(2)  # without any
    BookFactory.create_batch(2, isbn="9780141036144", withdrawn=True)
    BookFactory(isbn="9780141036144")

    assert violated(lambda: BookFactory(isbn="9780141036144")) == "one_live_title_per_isbn"


def test_a_source_has_one_record_of_each_number():
    BookFactory(source="catalogue", source_id="1")
    BookFactory(source="elsewhere", source_id="1")

    assert violated(lambda: BookFactory(source="catalogue", source_id="1", withdrawn=True)) == "one_title_per_source"


def test_withdrawn_titles_are_not_held():
    held, _ = BookFactory(out_of_circulation=True), BookFactory(withdrawn=True)

    assert list(Book.objects.held()) == [held]
    assert str(held) == held.title


def test_the_search_vector_is_not_read_unless_asked_for():
    book = BookFactory(title="The Trial", authors="Franz Kafka")

    assert "search_vector" in Book.objects.get(pk=book.pk).get_deferred_fields()
    with connection.cursor() as cursor:
        cursor.execute("SELECT search_vector::text FROM library_book WHERE id = %s", [book.pk])
        assert cursor.fetchone()[0] == "'franz':3B 'kafka':4B 'the':1A 'trial':2A"


# --- Copies ----------------------------------------------------------------------------------------------------

ALLOWED = {
    "available": {"on_loan", "on_hold_shelf", "in_transit", "missing", "lost", "damaged", "withdrawn"},
    "on_loan": {"available", "in_transit", "lost"},
    "on_hold_shelf": {"available", "on_loan", "missing", "lost", "damaged", "withdrawn"},
    "in_transit": {"available", "on_hold_shelf", "missing", "lost", "damaged", "withdrawn"},
    "missing": {"available", "lost", "damaged", "withdrawn"},
    "lost": {"available", "damaged", "withdrawn"},
    "damaged": {"available", "missing", "lost", "withdrawn"},
    "withdrawn": set(),
}


@pytest.mark.parametrize("to", Copy.Status)
@pytest.mark.parametrize("origin", Copy.Status.values)
def test_a_copy_goes_from_these_states_to_these_and_to_no_others(origin, to):
    copy = CopyFactory(**({} if origin == "available" else {origin: True}))
    holder = MemberFactory() if to in ("on_loan", "on_hold_shelf") else None
    due_at = NOW if to == "on_loan" else None
    before = (copy.status, copy.holder, copy.due_at)

    if to in ALLOWED[origin]:
        copy.move(to, holder=holder, due_at=due_at)
        copy.refresh_from_db()
        assert (copy.status, copy.holder, copy.due_at) == (to, holder, due_at)
        assert copy.is_available == (to == "available")
    else:
        with pytest.raises(InvalidTransition) as caught:
            copy.move(to, holder=holder, due_at=due_at)
        assert caught.value.facts == {"status": origin}
        assert caught.value.message.startswith(f"Copy {copy.barcode} is ")
        assert caught.value.message.endswith(f" and cannot become {to.label.lower()}.")
        copy.refresh_from_db()
        assert (copy.status, copy.holder, copy.due_at) == before


def test_a_barcode_belongs_to_one_copy():
    assert violated(lambda: CopyFactory(barcode=CopyFactory().barcode)) == "one_copy_per_barcode"


@pytest.mark.parametrize("barcode", ["A-1.b_2", "x" * 64])
def test_barcodes_of_letters_digits_dots_and_dashes_are_valid(barcode):
    copy = CopyFactory.build(barcode=barcode, book=BookFactory())
    copy.full_clean()
    assert str(copy) == barcode


@pytest.mark.parametrize("barcode", ["", "x" * 65, "a b", "ä", "a/b", "a\n"])
def test_other_barcodes_are_not(barcode):
    with pytest.raises(ValidationError):
        CopyFactory.build(barcode=barcode, book=BookFactory()).full_clean()


@pytest.mark.parametrize("status", ["available", "in_transit", "missing", "lost", "damaged", "withdrawn"])
def test_only_a_copy_lent_or_set_aside_has_a_holder(status):
    assert violated(lambda: CopyFactory(status=status, holder=MemberFactory())) == "holder_while_lent_or_set_aside"


@pytest.mark.parametrize("status", ["on_loan", "on_hold_shelf"])
def test_a_copy_lent_or_set_aside_has_a_holder(status):
    due_at = NOW if status == "on_loan" else None
    assert violated(lambda: CopyFactory(status=status, due_at=due_at)) == "holder_while_lent_or_set_aside"


@pytest.mark.parametrize("status", ["available", "on_hold_shelf", "lost"])
def test_only_a_copy_on_loan_has_a_due_date(status):
    holder = MemberFactory() if status == "on_hold_shelf" else None
    assert violated(lambda: CopyFactory(status=status, holder=holder, due_at=NOW)) == "due_date_while_lent"


def test_a_copy_on_loan_has_a_due_date():
    assert violated(lambda: CopyFactory(status="on_loan", holder=MemberFactory())) == "due_date_while_lent"


def test_copies_that_move_stay_where_they_are_on_the_disk():
    """HOT updates: no index holds what changes, and pages leave room."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'library_copy'")
        assert cursor.fetchone()[0] == ["fillfactor=80"]
        cursor.execute(
            "SELECT DISTINCT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
            " AND a.attnum = ANY(i.indkey) WHERE i.indrelid = 'library_copy'::regclass"
        )
        assert {name for (name,) in cursor.fetchall()} == {"id", "barcode", "book_id", "branch_id"}


# --- Members ---------------------------------------------------------------------------------------------------


def test_card_numbers_and_e_mail_addresses_belong_to_one_member():
    MemberFactory.create_batch(2)  # without an address
    member = MemberFactory(email="ada@example.org")

    assert violated(lambda: MemberFactory(card_number=member.card_number)) == "one_member_per_card"
    assert violated(lambda: MemberFactory(email="Ada@Example.ORG")) == "one_member_per_email"


def test_a_source_has_one_member_of_each_number():
    MemberFactory(source="register", source_id="1")

    assert violated(lambda: MemberFactory(source="register", source_id="1")) == "one_member_per_source"


@pytest.mark.parametrize(
    ("first", "last", "name"), [("Ada", "Lovelace", "Ada Lovelace"), ("Ada", "", "Ada"), ("", "Lovelace", "Lovelace")]
)
def test_a_member_may_have_one_name_or_two(first, last, name):
    member = Member(first_name=first, last_name=last, card_number="M1")

    assert (member.name, str(member)) == (name, f"{name} (M1)")


@pytest.mark.parametrize(("expires_on", "expired"), [(None, False), (TODAY, False), (TODAY - timedelta(days=1), True)])
def test_membership_lasts_through_its_last_day(expires_on, expired):
    assert MemberFactory.build(expires_on=expires_on, category=None, branch=None).has_expired(TODAY) is expired


# --- Policies --------------------------------------------------------------------------------------------------


def test_there_is_one_policy_for_each_kind_of_member_and_title():
    children = MemberCategoryFactory()
    LoanPolicyFactory(member_category=children)
    LoanPolicyFactory(member_category=children, book_category="film")

    assert violated(LoanPolicyFactory) == "one_policy_per_pair"  # there is one for everybody already
    assert violated(lambda: LoanPolicyFactory(member_category=children)) == "one_policy_per_pair"
    assert str(LoanPolicy(member_category=children)) == f"{children}, every title"
    assert str(LoanPolicy(book_category="film")) == "every member, film"


@pytest.mark.parametrize(("field", "wrong"), [("loan_days", 0), ("loan_days", 3651), ("shelf_days", 366)])
def test_terms_stay_within_reason(field, wrong):
    with pytest.raises(ValidationError) as caught:
        LoanPolicy(book_category="film", **{field: wrong}).full_clean()
    assert list(caught.value.message_dict) == [field]
