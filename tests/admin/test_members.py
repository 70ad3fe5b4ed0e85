"""Members in the admin: enrolled, edited, blocked, deleted."""

from datetime import date, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from events.models import Event
from library.models import Member
from tests.admin.browser import change_page, errors, page, told
from tests.factories import (
    NOW,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberCategoryFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
    main_branch,
    standard_category,
)

pytestmark = pytest.mark.django_db

ADD = page(Member, "add")
LIST = page(Member)


def kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


def cards_on(response) -> set[str]:
    return {member.card_number for member in response.context["cl"].result_list}


# --- Enrolling -----------------------------------------------------------------------------------------------------


def test_a_name_is_enough_to_enrol_a_member(desk, librarian):
    desk.save(ADD, last_name="Lovelace")

    member = Member.objects.get()
    assert member.card_number == f"C{member.pk:08d}"
    assert (member.branch, member.category) == (main_branch(), standard_category())
    event = Event.objects.get()
    assert (event.kind, event.member_id, event.actor_id) == ("member.enrolled", member.pk, librarian.pk)


def test_a_member_is_enrolled_with_everything_that_was_typed(desk):
    branch, category, user = BranchFactory(), MemberCategoryFactory(), UserFactory()

    desk.save(
        ADD,
        card_number="M1",
        first_name="Ada",
        last_name="Lovelace",
        email="ada@example.org",
        branch=branch.pk,
        category=category.pk,
        expires_on="2027-12-31",
        user=user.pk,
    )

    member = Member.objects.get(card_number="M1")
    assert (member.name, member.email) == ("Ada Lovelace", "ada@example.org")
    assert (member.branch, member.category, member.user) == (branch, category, user)
    assert member.expires_on == date(2027, 12, 31)


def test_a_member_without_a_name_is_refused(desk):
    response = desk.save(ADD, email="ada@example.org")

    assert errors(response) == {"last_name": ["A member needs a name."]}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("card_number", "Another member already has this card number."),
        ("email", "Another member already has this e-mail address."),
    ],
)
def test_what_another_member_has_is_refused_beside_its_field(desk, field, message):
    MemberFactory(card_number="taken@example.org", email="taken@example.org")

    response = desk.save(ADD, last_name="Lovelace", **{field: "taken@example.org"})

    assert errors(response) == {field: [message]}
    assert 'value="Lovelace"' in response.text
    assert Member.objects.count() == 1


def test_an_account_belongs_to_one_member(desk):
    user = UserFactory()
    MemberFactory(user=user)
    member = MemberFactory()

    response = desk.save(change_page(member), user=user.pk)

    assert errors(response) == {"user": ["Member with this User already exists."]}


# --- Editing -----------------------------------------------------------------------------------------------------


def test_an_edited_member_leaves_an_event_with_the_librarian_as_its_actor(desk, librarian):
    member = MemberFactory()

    desk.save(change_page(member), last_name="King")

    member.refresh_from_db()
    assert member.last_name == "King"
    event = Event.objects.get()
    assert (event.kind, event.payload["changed"], event.actor_id) == ("member.edited", ["last_name"], librarian.pk)


def test_an_account_is_given_to_a_member_and_taken_away(desk):
    member, user = MemberFactory(), UserFactory()

    desk.save(change_page(member), user=user.pk)
    assert Member.objects.get().user == user

    desk.save(change_page(member), user="")
    assert Member.objects.get().user is None


def test_a_refused_edit_changes_nothing(desk):
    MemberFactory(email="taken@example.org")
    member = MemberFactory(first_name="Ada")

    response = desk.save(change_page(member), first_name="Grace", email="taken@example.org")

    assert errors(response) == {"email": ["Another member already has this e-mail address."]}
    member.refresh_from_db()
    assert (member.first_name, member.email) == ("Ada", "")
    assert kinds() == []


def test_nobody_undoes_a_change_that_they_have_not_seen(desk):
    member = MemberFactory()
    typed = desk.typed(change_page(member))
    desk.save(change_page(member), blocked_reason="lost a card")

    response = desk.send(change_page(member), typed, first_name="Grace")

    assert "This record has changed since you read it." in errors(response)["__all__"][0]
    assert Member.objects.get().blocked_reason == "lost a card"


def test_a_member_who_is_unblocked_is_served(desk):
    member = MemberFactory(blocked=True)
    reservation = ReservationFactory(member=member)
    CopyFactory(book=reservation.book)

    desk.save(change_page(member), blocked_reason="")

    reservation.refresh_from_db()
    assert reservation.status == "ready"


# --- Blocking ------------------------------------------------------------------------------------------------------


def test_members_are_blocked_with_a_reason(desk, librarian):
    one, other = MemberFactory.create_batch(2)

    for response in (desk.act("block", one, other), desk.confirm("block", one, other)):
        assert "Block these members?" in response.text
    assert set(Member.objects.values_list("blocked_reason", flat=True)) == {""}

    response = desk.confirm("block", one, other, reason="Owes us a book")

    assert set(told(response)) == {f"{one.name} is blocked.", f"{other.name} is blocked."}
    assert set(Member.objects.values_list("blocked_reason", flat=True)) == {"Owes us a book"}
    assert set(Event.objects.values_list("kind", "actor_id")) == {("member.edited", librarian.pk)}


def test_a_member_is_unblocked_from_the_list(desk):
    member = MemberFactory(blocked=True)

    response = desk.act("unblock", member)

    assert told(response) == [f"{member.name} is not blocked."]
    assert Member.objects.get().blocked_reason == ""


# --- Deleting ------------------------------------------------------------------------------------------------------


def test_a_member_is_deleted_and_nothing_keeps_their_name(desk, librarian):
    member = MemberFactory(last_name="Lovelace")
    loan = LoanFactory(member=member, returned=True)
    desk.save(change_page(member), email="ada@example.org")

    assert "Lovelace" in desk.open(page(Member, "delete", member.pk)).text
    response = desk.client.post(page(Member, "delete", member.pk), {"post": "yes"}, follow=True)

    assert "was deleted successfully" in told(response)[0]
    assert not Member.objects.exists()
    loan.refresh_from_db()
    assert loan.member is None
    assert Event.objects.latest("id").kind == "member.deleted"
    assert Event.objects.latest("id").actor_id == librarian.pk
    assert not LogEntry.objects.exists()
    assert not Event.objects.filter(payload__icontains="Lovelace").exists()


def test_a_member_with_a_loan_is_not_deleted_and_every_reason_is_told(desk):
    member = LoanFactory().member
    ReservationFactory(member=member)

    response = desk.client.post(page(Member, "delete", member.pk), {"post": "yes"}, follow=True)

    assert told(response) == [f"{member.name} still has 1 on loan.", f"{member.name} still has 1 reservations."]
    assert response.redirect_chain[-1][0] == change_page(member)
    assert Member.objects.filter(pk=member.pk).exists()
    assert kinds() == []


def test_members_are_deleted_from_the_list_after_a_question(desk):
    borrower, free = LoanFactory().member, MemberFactory()

    assert "Delete these members and their personal data?" in desk.act("delete_selected", borrower, free).text
    assert Member.objects.filter(pk=free.pk).exists()

    response = desk.confirm("delete_selected", borrower, free)

    assert set(told(response)) == {f"{borrower.name} still has 1 on loan.", f"{free} was deleted."}
    assert list(Member.objects.all()) == [borrower]


# --- Finding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["M1", "ADA@example.org", "love", "ada", "Ada Lovelace", "lovelace ada"])
def test_a_member_is_found_by_card_address_and_beginning_of_the_name(desk, text):
    MemberFactory(card_number="M1", first_name="Ada", last_name="Lovelace", email="ada@example.org")
    MemberFactory(card_number="M2", first_name="Grace", last_name="Hopper", email="grace@example.org")

    assert cards_on(desk.open(LIST, q=text)) == {"M1"}


def test_members_are_filtered_by_their_standing(desk):
    today = timezone.localdate()
    MemberFactory(card_number="fine", expires_on=today)
    MemberFactory(card_number="unlimited")
    MemberFactory(card_number="blocked", blocked=True)
    MemberFactory(card_number="ended", expires_on=today - timedelta(days=1))

    assert cards_on(desk.open(LIST, standing="may")) == {"fine", "unlimited"}
    assert cards_on(desk.open(LIST, standing="blocked")) == {"blocked"}
    assert cards_on(desk.open(LIST, standing="ended")) == {"ended"}


def test_the_list_shows_who_may_borrow_and_how_much_they_have(desk):
    LoanFactory(member=MemberFactory(card_number="M1", blocked=True))

    response = desk.open(LIST)

    assert response.context["cl"].result_list[0].loan_count == 1
    assert 'title="False"' in response.text


def test_the_page_of_a_member_shows_what_they_have_and_wait_for(desk):
    member = MemberFactory()
    loan = LoanFactory(member=member)
    LoanFactory(member=member, returned=True)
    reservation = ReservationFactory(member=member, placed_at=NOW)
    ReservationFactory(member=member, cancelled=True)

    loans, reservations = desk.open(change_page(member)).context["inline_admin_formsets"]

    assert [form.instance for form in loans.formset.forms] == [loan]
    assert [form.instance for form in reservations.formset.forms] == [reservation]
