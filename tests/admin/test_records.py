"""What only operations write is read in the admin and never changed; policies and their like are edited there."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from circulation.models import CirculationEvent, Loan
from events.models import Consumer, Event, FailedMessage, PendingEvent, Relay, StoredAnswer
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from library.services import enrol
from reservations.models import Reservation
from tests.admin.browser import Browser, change_page, errors, page, told
from tests.admin.library import row_of, stock
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberCategoryFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
    general_policy,
)

pytestmark = pytest.mark.django_db

READ_ONLY = [Event, CirculationEvent, PendingEvent, Relay, Consumer, FailedMessage, StoredAnswer, Loan, Reservation]

read_only = pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)


# --- Read-only -----------------------------------------------------------------------------------------------------


@read_only
@pytest.mark.parametrize("what", ["add", "change", "delete"])
def test_records_can_be_neither_added_nor_changed_nor_deleted(desk, model, what):
    stock()
    before = list(model.objects.order_by("pk").values())
    url = page(model, what) if what == "add" else page(model, what, row_of(model).pk)

    response = desk.client.post(url, {"status": "cancelled", "returned_at_0": "2026-01-01", "kind": "lost"})

    assert response.status_code == 403
    assert list(model.objects.order_by("pk").values()) == before


@read_only
def test_records_cannot_be_deleted_from_their_list(desk, model):
    stock()
    count = model.objects.count()

    desk.act("delete_selected", row_of(model), post="yes")

    assert model.objects.count() == count


def test_a_stored_answer_is_listed_and_not_shown(desk):
    stock()
    answer = row_of(StoredAnswer)

    for url in (page(StoredAnswer), change_page(answer)):
        assert "secret" not in desk.open(url).text
    response = desk.open(page(StoredAnswer), q=answer.key)
    assert list(response.context["cl"].result_list) == [answer]


def test_an_event_tells_who_asked_for_it(desk, librarian):
    event = Event.objects.create(kind="checkout", book_id=47110815, actor_id=librarian.pk, occurred_at=NOW)
    gone = Event.objects.create(kind="checkout", book_id=47110815, actor_id=999_999, occurred_at=NOW)

    response = desk.open(page(Event), book_id=47110815)

    assert list(response.context["cl"].result_list) == [gone, event]
    assert "librarian" in response.text
    assert "account 999999" in response.text


def test_what_happened_at_the_desk_is_told_in_names(desk):
    book, member = BookFactory(title="Middlemarch"), MemberFactory(card_number="M1")
    copy = CopyFactory(book=book, barcode="A1")
    Event.objects.create(
        kind="checkout", book_id=book.pk, copy_id=copy.pk, member_id=member.pk, payload={}, occurred_at=NOW
    )
    Event.objects.create(kind="checkout", book_id=47110815, copy_id=4712, member_id=4713, payload={}, occurred_at=NOW)

    text = desk.open(page(CirculationEvent)).text

    for name in ("Middlemarch", "A1", "M1", "47110815", "4712", "4713"):
        assert f">{name}</a>" in text


def test_loans_are_filtered_by_state(desk):
    now = timezone.now()
    due = LoanFactory(lent_at=now)
    overdue = LoanFactory(lent_at=now - timedelta(days=40))
    returned = LoanFactory(returned=True)

    def shown(state: str) -> set[Loan]:
        return set(desk.open(page(Loan), state=state).context["cl"].result_list)

    assert shown("open") == {due, overdue}
    assert shown("overdue") == {overdue}
    assert shown("returned") == {returned}


def test_loans_are_found_by_barcode_member_and_title(desk):
    ours = LoanFactory(copy__barcode="A1", member__card_number="M1", book__title="Middlemarch")
    LoanFactory()

    for text in ("A1", "M1", "middlemarch"):
        assert list(desk.open(page(Loan), q=text).context["cl"].result_list) == [ours]


# --- Who may do what -----------------------------------------------------------------------------------------------


@pytest.fixture
def _permissions_one_by_one(settings):
    """As a library has it that gives librarians less than their role does."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]


def browser_of_somebody_who_may(*codenames: str) -> Browser:
    user = UserFactory(staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return Browser(client)


@pytest.mark.usefixtures("_permissions_one_by_one")
def test_who_may_only_look_is_offered_no_action(db):
    reservation = ReservationFactory()
    reader = browser_of_somebody_who_may("view_reservation")

    assert not reader.open(page(Reservation)).context["action_form"]
    reader.confirm("cancel", reservation)

    reservation.refresh_from_db()
    assert reservation.status == "waiting"


@pytest.mark.usefixtures("_permissions_one_by_one")
def test_who_may_change_reservations_may_act_on_them(db):
    reservation = ReservationFactory()

    browser_of_somebody_who_may("view_reservation", "change_reservation").confirm("cancel", reservation)

    reservation.refresh_from_db()
    assert reservation.status == "cancelled"


@pytest.mark.usefixtures("_permissions_one_by_one")
def test_who_may_only_look_changes_nothing(db):
    book = BookFactory(title="Before")

    response = browser_of_somebody_who_may("view_book").client.post(change_page(book), {"title": "After"})

    assert response.status_code == 403
    book.refresh_from_db()
    assert book.title == "Before"


@pytest.mark.usefixtures("_permissions_one_by_one")
def test_who_may_not_delete_members_is_not_offered_it(db):
    member = MemberFactory()
    clerk = browser_of_somebody_who_may("view_member", "change_member")

    clerk.confirm("delete_selected", member)

    assert Member.objects.filter(pk=member.pk).exists()


# --- Edited by hand ------------------------------------------------------------------------------------------------


def test_a_loan_policy_is_edited(desk):
    policy = general_policy()

    desk.save(change_page(policy), loan_days=14, lend_while_overdue="on")

    policy.refresh_from_db()
    assert (policy.loan_days, policy.lend_while_overdue) == (14, True)


def test_a_second_policy_for_the_same_pair_is_refused(desk):
    general_policy()

    response = desk.save(page(LoanPolicy, "add"))

    assert "already exists" in errors(response)["__all__"][0]
    assert LoanPolicy.objects.count() == 1


@pytest.mark.parametrize("model", [Branch, MemberCategory], ids=lambda model: model.__name__)
def test_a_name_that_is_taken_is_refused_in_any_case(desk, model):
    model.objects.create(name="Bücherei")

    response = desk.save(page(model, "add"), name="BÜCHEREI")

    assert errors(response) == {"name": ["There is one with this name already."]}


def test_a_branch_is_added_and_renamed_and_deleted(desk):
    desk.save(page(Branch, "add"), name="East", time_zone="Europe/Berlin")
    branch = Branch.objects.get(name="East")
    desk.save(change_page(branch), name="West")
    branch.refresh_from_db()
    assert (branch.name, branch.time_zone) == ("West", "Europe/Berlin")

    desk.client.post(page(Branch, "delete", branch.pk), {"post": "yes"})

    assert not Branch.objects.filter(name="West").exists()


def test_what_is_no_time_zone_is_refused(desk):
    response = desk.save(page(Branch, "add"), name="East", time_zone="Mars/Olympus")

    assert errors(response) == {"time_zone": ["Mars/Olympus is not a time zone. Write it like Europe/Berlin."]}


@pytest.mark.parametrize(("model", "name"), [(Branch, Branch.MAIN), (MemberCategory, MemberCategory.STANDARD)])
def test_what_the_service_asks_for_by_name_keeps_it_and_stays(desk, model, name):
    row = model.objects.get(name=name)

    desk.save(change_page(row), name="Another")
    desk.client.post(page(model, "delete", row.pk), {"post": "yes"})
    desk.act("delete_selected", row, post="yes")

    assert model.objects.get().name == name
    enrol(first_name="Ada", at=NOW)


def test_a_branch_in_use_is_not_deleted_and_says_by_what(desk):
    branch = BranchFactory()
    CopyFactory.create_batch(3, branch=branch)
    MemberFactory(branch=branch)

    response = desk.open(page(Branch, "delete", branch.pk))
    desk.client.post(page(Branch, "delete", branch.pk), {"post": "yes"})

    assert "3 copies" in response.text
    assert "1 members" in response.text
    assert Branch.objects.filter(pk=branch.pk).exists()


def test_a_category_goes_with_its_policies(desk):
    category = MemberCategoryFactory()
    LoanPolicy.objects.create(member_category=category)

    response = desk.client.post(page(MemberCategory, "delete", category.pk), {"post": "yes"}, follow=True)

    assert "was deleted successfully" in told(response)[0]
    assert not LoanPolicy.objects.exclude(member_category=None).exists()


def test_an_account_is_added_with_a_password_that_is_not_stored_as_it_is(desk):
    url = page(User, "add")

    desk.save(url, username="clerk", role="1", password1="a-long-enough-secret", password2="a-long-enough-secret")

    clerk = User.objects.get(username="clerk")
    assert clerk.check_password("a-long-enough-secret")
    assert not clerk.is_staff


# --- What has no operations, and one of two services ----------------------------------------------------------------


def test_a_branch_that_is_renamed_leaves_an_event_with_who_did_it(desk, librarian):
    branch = BranchFactory(name="Harbour")
    desk.save(change_page(branch), name="Port")

    event = Event.objects.get(kind="branch.saved")
    assert event.payload == {
        "record": branch.pk,
        "name": "Port",
        "changed": ["name"],
        "changes": {"name": ["Harbour", "Port"]},
    }
    assert event.actor_id == librarian.pk


def test_branches_that_are_deleted_together_leave_an_event_each(desk, librarian):
    desk.act("delete_selected", BranchFactory(name="Harbour"), BranchFactory(name="Hill"), post="yes")

    assert set(Branch.objects.values_list("name", flat=True)) == {Branch.MAIN}
    assert list(Event.objects.values_list("kind", "actor_id")) == [("branch.deleted", librarian.pk)] * 2


@pytest.mark.parametrize("model", [Book, Copy, Member, Reservation])
def test_at_the_admins_service_people_and_lines_are_only_looked_at(desk, settings, model):
    stock()
    settings.SERVICE = "admin"
    row = model.objects.order_by("pk").first()
    is_ours = model in (Book, Copy)

    assert ('name="_save"' in desk.open(change_page(row)).content.decode()) == is_ours
    assert (desk.client.get(page(model, "add")).status_code == 200) == is_ours
    actions = desk.open(page(model)).context["action_form"]
    assert (actions is not None) == (model is Book)
