"""What is overdue, and notices that librarians have sent for many loans at once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from integrations.notifications.models import Notice, Preferences
from integrations.notifications.reminding import MOST, Outcome, remind
from integrations.notifications.sending import send_due
from tests.admin.browser import told
from tests.factories import BranchFactory, LoanFactory, MemberCategoryFactory

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/overdue/"


@pytest.fixture(autouse=True)
def _mail(settings):
    settings.MAIL_IS_SET_UP = True


def late(days=5, **more):
    now = timezone.now()
    more.setdefault("member__email", f"{uuid4().hex}@example.org")
    return LoanFactory(lent_at=now - timedelta(days=28 + days, minutes=1), **more)


def shown(page) -> list[int]:
    return [loan.pk for loan, _, _ in page.context["rows"]]


def outcomes(*loans, at=None) -> list[Outcome]:
    return [each.outcome for each in remind(loan_ids=[loan.pk for loan in loans], at=at or timezone.now())]


def test_overdue_loans_are_listed_with_the_longest_first(desk):
    some, long = late(3), late(40)
    LoanFactory(lent_at=timezone.now())

    page = desk.open(PAGE)

    assert shown(page) == [long.pk, some.pk]
    assert [days for _, days, _ in page.context["rows"]] == [40, 3]


def test_the_list_is_narrowed_by_branch_category_and_days(desk):
    north, student = BranchFactory(name="North"), MemberCategoryFactory(name="student")
    at_north, of_student, long = late(copy__branch=north), late(member__category=student), late(40)

    assert shown(desk.open(PAGE, branch=north.pk)) == [at_north.pk]
    assert shown(desk.open(PAGE, category=student.pk)) == [of_student.pk]
    assert shown(desk.open(PAGE, days=30)) == [long.pk]
    assert len(shown(desk.open(PAGE, branch="x", category="", days="-1"))) == 3


def test_those_who_were_chosen_are_written_to_and_each_outcome_is_told(desk, mailoutbox):
    told_of, without, unwanted = late(), late(member__email=""), late()
    Preferences.objects.create(member=unwanted.member, unwanted=["overdue"])
    ids = [told_of.pk, without.pk, unwanted.pk]

    page = desk.client.post(PAGE, {"do": "chosen", "loan": ids}, follow=True)

    assert told(page) == [
        "3 loans were looked at.",
        f"Will be written to: {told_of.member.name} ({told_of.copy.barcode}).",
        f"No e-mail address: {without.member.name} ({without.copy.barcode}).",
        f"Do not want such mails: {unwanted.member.name} ({unwanted.copy.barcode}).",
    ]
    assert [(notice.loan_id, notice.state) for notice in Notice.objects.all()] == [(told_of.pk, "queued")]
    assert mailoutbox == []  # workers send it, not the request
    send_due(timezone.now())
    assert [mail.to for mail in mailoutbox] == [[told_of.member.email]]


def test_nobody_is_told_of_a_loan_twice_within_a_day(mailoutbox):
    loan, now = late(), timezone.now()

    assert outcomes(loan, at=now) == [Outcome.QUEUED]
    assert outcomes(loan, at=now) == [Outcome.ON_ITS_WAY]
    send_due(now)
    assert outcomes(loan, at=now + timedelta(hours=23)) == [Outcome.SENT_TODAY]
    assert outcomes(loan, at=now + timedelta(hours=25)) == [Outcome.QUEUED]
    send_due(now + timedelta(hours=25))
    assert len(mailoutbox) == 2
    assert len({mail.extra_headers["Message-ID"] for mail in mailoutbox}) == 2


def test_what_came_back_meanwhile_is_not_written_about():
    loan = late()
    loan.returned_at = timezone.now()
    loan.save()

    assert outcomes(loan) == [Outcome.NOT_OVERDUE]
    assert not Notice.objects.exists()


def test_without_a_mail_server_nothing_is_queued_and_it_is_said(settings):
    settings.MAIL_IS_SET_UP = False

    assert outcomes(late()) == [Outcome.NO_MAIL]


def test_all_of_a_list_are_written_to_up_to_the_limit(desk, monkeypatch):
    monkeypatch.setattr("integrations.notifications.overdue.views.MOST", 2)
    late(), late(40)
    assert told(desk.client.post(f"{PAGE}?days=30", {"do": "all"}, follow=True))[0] == "1 loans were looked at."
    late()

    page = desk.client.post(PAGE, {"do": "all"}, follow=True)

    assert told(page) == ["At most 2 at a time. Narrow the list, and nothing was sent so far."]
    assert (Notice.objects.count(), MOST) == (1, 500)


def test_nothing_chosen_is_said(desk):
    late()
    assert told(desk.client.post(PAGE, {"do": "chosen"}, follow=True)) == ["Choose whom to write to first."]


def test_overdue_loans_take_as_many_queries_for_many_as_for_few(desk, django_assert_num_queries):
    outcomes(late())
    with django_assert_num_queries(6):
        desk.open(PAGE)
    for _ in range(5):
        outcomes(late())
    with django_assert_num_queries(6):
        desk.open(PAGE)


def test_a_reminder_takes_as_many_queries_for_many_as_for_few(django_assert_num_queries):
    loans = [late() for _ in range(10)]
    with django_assert_num_queries(6):
        remind(loan_ids=[loan.pk for loan in loans], at=timezone.now())
