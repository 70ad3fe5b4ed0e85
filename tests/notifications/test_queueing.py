"""What happens at the desk is written about once; the past, imports and replays are not."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from circulation import demo
from circulation.anonymising import anonymise_history
from circulation.members import delete
from circulation.replay import read_trace, replay
from circulation.services import check_out, fulfil, renew, return_copy
from events.consuming import groups
from events.models import OF_THE_HOUSE, Event
from events.recording import retelling
from integrations.notifications import queueing
from integrations.notifications.keeping import forget_old
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice, Preferences
from integrations.notifications.sending import send_due
from integrations.publishing.messages import described
from library.models import Member
from library.registration import register
from library.services import add_title, enrol
from reservations.models import Reservation
from reservations.services import cancel, expire, reserve, reserve_until, suspend
from reservations.titles import withdraw_title
from tests.factories import BookFactory, LoanFactory, MemberFactory, ReservationFactory, general_policy
from tests.notifications.matters import notice_of, reader

pytestmark = pytest.mark.django_db

[group] = [group for group in groups if group.name == "notices"]


@pytest.fixture(autouse=True)
def woken(monkeypatch):
    """How often a worker was woken."""
    woken = []
    monkeypatch.setattr(queueing, "wake", lambda task: woken.append(task.name))
    return woken


def hear():
    """As the consumer does, of everything that happened so far."""
    with transaction.atomic():
        group.handle(described(Event.objects.exclude(kind__in=OF_THE_HOUSE).order_by("pk")))


def told():
    """The kinds of notices, in their order."""
    hear()
    return list(Notice.objects.order_by("pk").values_list("kind", flat=True))


def now():
    return timezone.now()


def test_a_new_member_is_welcomed(woken):
    member = enrol(first_name="Ada", email="ada@example.org", at=now())

    assert told() == ["registration"]
    notice = Notice.objects.get()
    event = Event.objects.get()
    assert (notice.member, notice.moment, notice.state) == (member, event.occurred_at, "queued")
    assert (notice.loan, notice.reservation, notice.address, notice.subject) == (None, None, "", "")
    assert woken == ["integrations.notifications.tasks.send_notices"]


def test_who_registers_by_themselves_is_welcomed():
    register(username="ada", password="correct horse battery", email="ada@example.org", at=now())

    assert told() == ["registration"]


def test_what_was_heard_before_is_written_about_once(woken):
    enrol(first_name="Ada", email="ada@example.org", at=now())

    assert told() == told() == ["registration"]


def test_who_has_no_address_or_does_not_want_it_is_not_written_to(woken):
    enrol(first_name="Grace", at=now())
    unwilling = reader()
    Preferences.objects.create(member=unwilling, unwanted=["returned"])
    return_copy(loan_id=LoanFactory(member=unwilling).pk, at=now())

    assert told() == []
    assert woken == []


def test_nobody_is_written_to_about_lending():
    check_out(member_id=reader().pk, book_id=BookFactory(copies=1).pk, at=now())

    assert told() == []


def test_a_return_and_a_renewal_have_their_receipts():
    first, second = LoanFactory(member=reader()), LoanFactory(member=reader())
    return_copy(loan_id=first.pk, at=now())
    renewed = renew(loan_id=second.pk, at=now())

    assert told() == ["returned", "renewed"]
    returned, renewal = Notice.objects.order_by("pk")
    first.refresh_from_db()
    assert (returned.loan, returned.member, returned.moment) == (first, first.member, first.returned_at)
    assert (renewal.loan, renewal.moment) == (second, renewed.due_at)


def test_two_renewals_to_one_date_are_one_notice():
    loan = LoanFactory(member=reader())
    renew(loan_id=loan.pk, at=now())
    renew(loan_id=loan.pk, at=now())

    assert told() == ["renewed"]


def test_who_joins_the_line_and_is_served_later_is_told_of_both():
    loan = LoanFactory()
    reservation = reserve(member_id=reader().pk, book_id=loan.book_id, at=now())
    assert told() == ["reserved"]
    return_copy(loan_id=loan.pk, at=now())

    assert told() == ["reserved", "ready"]
    ready = Notice.objects.get(kind="ready")
    reservation.refresh_from_db()
    assert (ready.reservation, ready.moment) == (reservation, reservation.shelf_until)


def test_who_is_served_at_once_is_told_of_the_copy_alone():
    reserve_until(member_id=reader().pk, book_id=BookFactory(copies=1).pk, until=now() + timedelta(days=9), at=now())

    assert told() == ["ready"]


def test_who_is_served_at_once_is_told_of_the_copy_alone_also_when_both_are_heard_apart():
    reserve_until(member_id=reader().pk, book_id=BookFactory(copies=1).pk, until=now() + timedelta(days=9), at=now())
    for message in described(Event.objects.order_by("pk")):
        with transaction.atomic():
            group.handle([message])

    assert list(Notice.objects.values_list("kind", flat=True)) == ["ready"]


def test_a_reservation_that_ends_with_its_loan_is_not_written_about():
    reservation = ReservationFactory(ready=True, member=reader(), shelf_until=now() + timedelta(days=2))
    fulfil(reservation_id=reservation.pk, at=now())

    assert told() == []


def test_a_copy_that_goes_to_the_next_is_told_to_both():
    first = ReservationFactory(ready=True, member=reader(), shelf_until=now())
    second = ReservationFactory(book=first.book, member=reader())
    expire(book_id=first.book_id, at=now())

    assert told() == ["cancelled", "ready"]
    ended, ready = Notice.objects.order_by("pk")
    assert (ended.reservation, ready.reservation) == (first, second)


def test_leaving_the_line_has_its_receipt_and_so_has_a_title_that_goes():
    cancel(reservation_id=ReservationFactory(member=reader()).pk, at=now(), reason="found another")
    withdraw_title(book_id=ReservationFactory(member=reader(), book=BookFactory(copies=1)).book_id, at=now())

    assert told() == ["cancelled", "cancelled"]


def test_a_copy_that_was_lost_from_the_shelf_and_set_aside_again_is_told_of_once_it_is_there():
    """The first notice was dropped in between; the second is about the same day."""
    general_policy(shelf_days=7)
    loan = LoanFactory()
    reservation = reserve(member_id=reader().pk, book_id=loan.book_id, at=now())
    return_copy(loan_id=loan.pk, at=now())
    hear()
    Notice.objects.filter(kind="ready").update(state="dropped", due_at=None, why="The copy is no longer set aside.")

    hear()

    ready = Notice.objects.get(kind="ready", reservation=reservation)
    assert (ready.state, ready.why, ready.attempts) == ("queued", "", 0)


def test_what_was_sent_or_failed_is_not_sent_again_when_it_is_heard_again():
    for state in ("sent", "failed"):
        enrol(first_name="Ada", email=f"{state}@example.org", at=now())
        hear()
        Notice.objects.filter(state="queued").update(state=state, due_at=None)

    hear()

    assert list(Notice.objects.order_by("pk").values_list("state", flat=True)) == ["sent", "failed"]


@pytest.mark.parametrize(("hours", "kinds"), [(23, ["registration"]), (25, [])])
def test_the_past_is_not_written_about(hours, kinds):
    enrol(first_name="Ada", email="ada@example.org", at=now() - timedelta(hours=hours))

    assert told() == kinds


def test_what_is_heard_of_a_member_who_is_gone_or_forgotten_is_passed_over():
    member = enrol(first_name="Ada", email="ada@example.org", at=now())
    messages = described(Event.objects.order_by("pk"))
    delete(member_id=member.pk, at=now())

    with transaction.atomic():
        group.handle(messages)

    assert not Notice.objects.exists()


# --- What did not happen here and now ----------------------------------------------------------------------------


def test_members_who_are_imported_are_not_written_to(tmp_path):
    (tmp_path / "members.csv").write_text("card_number,name,email\nC1,Ada Lovelace,ada@example.org\n")
    call_command("import_members", tmp_path / "members.csv", verbosity=0)

    assert Member.objects.filter(email="ada@example.org").exists()
    assert told() == []


def test_reservations_and_holds_that_are_imported_are_not_written_about_but_what_follows_from_them_is(tmp_path):
    today = f"{now():%Y-%m-%d}"
    soon = f"{now() + timedelta(days=5):%Y-%m-%d}"
    (tmp_path / "books.csv").write_text("title,source_id\nHeld,1\nWaited for,2\nLent,3\n")
    (tmp_path / "copies.csv").write_text("barcode,title_id\nB1,1\nB2,2\nB3,3\n")
    (tmp_path / "members.csv").write_text(
        "card_number,name,email,source_id\nC1,Ada,ada@example.org,1\nC2,Grace,grace@example.org,2\n"
    )
    (tmp_path / "reservations.csv").write_text(
        f"title_id,member_id,placed_at,status,barcode,shelf_until\n1,1,{today},ready,B1,{soon}\n2,2,{today},waiting,,\n"
    )
    (tmp_path / "loans.csv").write_text(f"barcode,member_id,lent_at,due_at\nB3,1,{today},{soon}\n")
    call_command("import_library", tmp_path, verbosity=0)

    assert Reservation.objects.filter(status="ready").count() == 2
    assert told() == ["ready"]
    assert Notice.objects.get().reservation.book.title == "Waited for"
    of_members = Event.objects.exclude(member_id=None).order_by("pk")
    assert [event.kind for event in of_members if "retold" not in event.payload] == ["hold"]
    assert of_members.filter(kind="checkout", payload__retold="import").count() == 1


def test_a_replay_is_not_written_about(tmp_path):
    book, member = add_title(title="Middlemarch", at=now() - timedelta(days=9)), reader()
    other = reader()
    day = f"{now():%Y-%m-%d}"
    trace = [
        {"eventtype": kind, "book_id": book.pk, "member_id": who.pk, "date": day}
        for kind, who in (("checkout", member), ("checkout", other), ("return", member))
    ]
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    events, _ = read_trace(tmp_path / "trace.json")
    outcomes = [outcome.result for outcome in replay(events)]

    assert outcomes == ["lent", "queued", "returned"]
    assert told() == []
    assert Event.objects.filter(payload__retold="replay").count() >= 3
    return_copy(loan_id=LoanFactory(member=reader()).pk, at=now())  # between its events, and after it
    assert told() == ["returned"]


def test_the_demo_library_is_not_written_about():
    demo.load(at=now())

    assert told() == []
    assert {event.payload.get("retold") for event in Event.objects.exclude(member_id=None)} == {"demo"}
    enrol(first_name="Ada", email="ada@example.org", at=now())
    assert told() == ["registration"]


def test_what_is_retold_says_so_and_nothing_else_does():
    with retelling("replay"):
        enrol(first_name="Ada", email="ada@example.org", at=now())
    enrol(first_name="Grace", email="grace@example.org", at=now())

    assert list(Event.objects.order_by("pk").values_list("payload", flat=True)) == [{"retold": "replay"}, {}]
    assert told() == ["registration"]


# --- What is kept ---------------------------------------------------------------------------------------------------


def test_notices_go_with_their_member():
    notice = notice_of(Kind.REGISTRATION)
    other = notice_of(Kind.REGISTRATION)
    Preferences.objects.create(member=notice.member, language="ar")

    delete(member_id=notice.member_id, at=now())

    assert list(Notice.objects.all()) == [other]
    assert not Preferences.objects.exists()


def test_notices_go_after_ninety_days():
    at = now()
    old, young = notice_of(Kind.READY), notice_of(Kind.READY)
    Notice.objects.filter(pk=old.pk).update(created_at=at - timedelta(days=90, seconds=1))
    Notice.objects.filter(pk=young.pk).update(created_at=at - timedelta(days=90))

    assert forget_old(at) == 1
    assert list(Notice.objects.all()) == [young]


def test_notices_go_with_the_history_of_which_they_tell():
    for kind in (Kind.RETURNED, Kind.OVERDUE, Kind.CANCELLED, Kind.RESERVED, Kind.REGISTRATION):
        notice_of(kind)

    anonymise_history(before=now())

    assert set(Notice.objects.values_list("kind", flat=True)) == {"overdue", "reserved", "registration"}


def test_history_that_is_kept_keeps_its_notices():
    notices = {notice_of(Kind.RETURNED), notice_of(Kind.CANCELLED)}

    anonymise_history(before=notice_of(Kind.RETURNED).loan.returned_at - timedelta(days=30))

    assert set(Notice.objects.all()) >= notices


def test_all_the_way_from_the_desk_to_the_mail(post):
    member = MemberFactory(first_name="Grace", email="grace@example.org")
    loan = LoanFactory(book__title="Middlemarch")
    reserve(member_id=member.pk, book_id=loan.book_id, at=now())
    suspend(reservation_id=Reservation.objects.get().pk, at=now())
    hear()

    assert send_due(now()).sent == 1
    assert post.mail["Subject"] == "Reserved: Middlemarch"
    assert "Your place: 1" in post.mail.get_body(("plain",)).get_content()
