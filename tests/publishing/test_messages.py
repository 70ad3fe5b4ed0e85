"""What the stream says: of every kind of event, as docs/events.md describes it."""

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from circulation import copies, members
from circulation.anonymising import anonymise_history
from circulation.services import check_out, fulfil, renew, return_copy
from events import relay
from events.models import OF_THE_HOUSE, Event, Publication
from events.stream import EVENTS
from integrations.partners.circdesk import There
from integrations.partners.models import Partner
from integrations.partners.reserving import Outcome, place, write_down
from integrations.publishing.management.commands.describe_events import completed
from integrations.publishing.messages import described, messages
from integrations.publishing.schemas import message_schema
from integrations.publishing.types import TYPES
from library.models import Branch, Copy, LoanPolicy, MemberCategory
from library.services import add_title, branch_named, edit_copy, edit_member, enrol
from reservations.models import Reservation
from reservations.services import cancel, expire, reorder, reserve, resume, suspend
from reservations.titles import edit_title, withdraw_title
from tests.factories import NOW, BookFactory, CopyFactory, MemberFactory, PartnerFactory

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=60)


def told():
    """Every event so far, as a message."""
    return described(Event.objects.order_by("pk"))


def validator():
    return jsonschema.Draft202012Validator(message_schema(), format_checker=jsonschema.FormatChecker())


def lived():
    """A day on which everything happens, but for what only one of two services does."""
    branch, group = Branch.objects.create(name="Harbour"), MemberCategory.objects.create(name="child")
    policy = LoanPolicy.objects.create(member_category=group)
    elsewhere = PartnerFactory()
    wanted = {"member_id": MemberFactory().pk, "book_id": BookFactory(isbn="9780141439587").pk, "until": LATER}
    kept = place(partner_id=elsewhere.pk, at=NOW, **wanted)
    write_down(
        reservation_id=kept.pk, outcome=Outcome("confirmed", There(1, "ready", LATER)), at=NOW, asked_as="asking"
    )
    partner = Partner.objects.create(name="library 2", base_url="https://library.example.org", api_key="cdk_secret")
    for row in (policy, group, branch, partner):
        row.delete()
    Branch.objects.create(name="Ostend")
    book = add_title(at=NOW, title="Middlemarch", copies=1, isbn="9780141439549")
    ada, bob, cher = (enrol(at=NOW, first_name=name, last_name="Reader") for name in ("Ada", "Bob", "Cher"))
    barcode = f"{book.pk}-1"
    check_out(member_id=ada.pk, book_id=book.pk, at=NOW)
    renew(barcode=barcode, at=NOW + timedelta(days=1))
    first = reserve(member_id=bob.pk, book_id=book.pk, at=NOW)
    second = reserve(member_id=cher.pk, book_id=book.pk, at=NOW)
    suspend(reservation_id=first.pk, at=NOW)
    resume(reservation_id=first.pk, at=NOW)
    reorder(reservation_id=second.pk, priority=5, reason="asked", at=NOW)
    return_copy(barcode=barcode, at=NOW)
    fulfil(reservation_id=first.pk, at=NOW)
    return_copy(barcode=barcode, at=NOW)
    expire(book_id=book.pk, at=LATER)
    copies.mark_damaged(barcode=barcode, at=NOW)
    copies.repair(barcode=barcode, at=NOW)
    copies.mark_missing(barcode=barcode, at=NOW)
    copies.mark_found(barcode=barcode, at=NOW)
    copies.mark_missing(barcode=barcode, at=NOW)
    copies.mark_found(barcode=barcode, at=NOW)
    sent = reserve(member_id=bob.pk, book_id=book.pk, branch=branch_named("Ostend"), at=NOW)
    copies.receive(barcode=barcode, at=NOW)
    fulfil(reservation_id=sent.pk, at=NOW)
    return_copy(barcode=barcode, at=NOW)
    check_out(member_id=ada.pk, book_id=book.pk, at=NOW)
    third = reserve(member_id=bob.pk, book_id=book.pk, at=NOW)
    cancel(reservation_id=third.pk, at=NOW)
    copies.mark_lost(barcode=barcode, at=NOW)
    edit_copy(barcode=barcode, fields={"barcode": "renamed"}, at=NOW)
    copies.withdraw(barcode="renamed", at=NOW)
    edit_title(book_id=book.pk, fields={"authors": "George Eliot"}, at=NOW)
    withdraw_title(book_id=book.pk, at=NOW)
    edit_member(member_id=cher.pk, fields={"first_name": "Cherilyn"}, at=NOW)
    members.delete(member_id=cher.pk, at=NOW)


def test_every_kind_of_event_has_its_message_and_every_message_is_as_described():
    lived()
    said = told()
    schema = validator()

    assert {message["type"] for message in said} == {kind.name for kind in TYPES.values()} - {"book.synced"}
    for message in said:
        schema.validate(message)


def test_every_kind_of_event_has_a_type_of_its_own():
    assert set(TYPES) == set(Event.Kind) - OF_THE_HOUSE
    assert len({kind.name for kind in TYPES.values()}) == len(TYPES)


def test_a_message_that_is_not_as_described_is_refused():
    """Otherwise the test above would prove nothing."""
    lived()
    schema = validator()
    for wrong in ({"type": "book.eaten"}, {"book": {"id": 1}}, {"id": "one"}, {"occurred_at": None}):
        assert not schema.is_valid(told()[0] | wrong), wrong


def test_every_message_has_the_parts_that_the_documentation_promises():
    lived()
    for event, message in zip(Event.objects.order_by("pk"), told(), strict=True):
        missing = {part for part in TYPES[Event.Kind(event.kind)].parts if message[part] is None}
        assert missing <= ({"member_id"} if event.member_id is None else set()), message["type"]  # who was forgotten


def test_a_check_out_is_told_with_what_is_now_where():
    book, member = BookFactory(title="Middlemarch", copies=2), MemberFactory()
    loan = check_out(member_id=member.pk, book_id=book.pk, at=NOW).loan
    event = Event.objects.get(kind="checkout")

    [message] = described([event])

    assert message["id"] == event.pk
    assert message["type"] == "book.borrowed"
    assert message["service"] == "all"
    assert message["occurred_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert (message["book"]["title"], message["book"]["available"], message["book"]["total"]) == ("Middlemarch", 1, 2)
    assert message["book"]["version"] == event.pk
    assert message["copy"]["status"] == "on_loan"
    assert "holder_id" not in message["copy"]
    assert message["loan"]["id"] == loan.pk
    assert message["loan"]["returned_at"] is None
    assert message["reservation"] is None
    assert message["member_id"] == member.pk


def test_the_state_is_that_of_the_moment_of_publishing():
    book, member = BookFactory(copies=1), MemberFactory()
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    return_copy(member_id=member.pk, book_id=book.pk, at=NOW)

    borrowed, returned = described(Event.objects.order_by("pk"))

    assert borrowed["type"] == "book.borrowed"
    assert borrowed["copy"]["status"] == "available"
    assert borrowed["book"] == returned["book"]
    assert borrowed["book"]["version"] == returned["id"]


def test_a_title_that_was_removed_has_no_copies():
    book = add_title(at=NOW, title="Middlemarch", copies=2)
    withdraw_title(book_id=book.pk, at=NOW)

    removed = told()[-1]

    assert (removed["book"]["available"], removed["book"]["total"]) == (0, 0)
    assert removed["book"]["version"] == removed["id"]
    assert removed["book"]["in_circulation"] is False


def test_nobody_is_named_in_a_message():
    member = enrol(at=NOW, first_name="Zuleika", last_name="Dobson", email="zuleika@example.org", card_number="Z-77")
    edit_member(member_id=member.pk, fields={"email": "z.dobson@example.org", "blocked_reason": "Unpaid"}, at=NOW)
    edit_member(member_id=member.pk, fields={"blocked_reason": ""}, at=NOW)
    book = BookFactory(copies=1)
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    reserve(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)
    copies.mark_lost(barcode=Copy.objects.get().barcode, reason="Ms. Dobson dropped it into the Isis", at=NOW)

    said = json.dumps(told())

    for word in ("Zuleika", "Dobson", "example.org", "Z-77", "Unpaid", "Isis"):
        assert word not in said


def test_an_edited_record_tells_which_fields_changed_as_the_api_calls_them():
    book = BookFactory()
    edit_title(book_id=book.pk, fields={"authors": "George Eliot", "title": "Romola"}, at=NOW)

    assert told()[-1]["changed"] == ["author", "title"]


def test_after_anonymising_a_message_says_no_longer_who_it_was():
    book, member = BookFactory(copies=1), MemberFactory()
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    return_copy(member_id=member.pk, book_id=book.pk, at=NOW)
    anonymise_history(before=LATER)

    for message in told():
        assert message["member_id"] is None
        assert message["loan"]["member_id"] is None
        validator().validate(message)


def test_many_messages_take_as_many_statements_as_one(django_assert_max_num_queries):
    for _ in range(30):
        book, member = CopyFactory().book, MemberFactory()
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)
        Reservation.objects.create(book=book, member=MemberFactory(), placed_at=NOW, branch=member.branch)
    publications = [Publication(position=place, event=event) for place, event in enumerate(Event.objects.all())]

    with django_assert_max_num_queries(5):
        assert len(messages(publications)) == 30


@pytest.mark.django_db(transaction=True)
def test_what_happens_at_the_desk_is_in_the_stream():
    EVENTS.remove()
    book, member = BookFactory(copies=1), MemberFactory()
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    assert relay.relay_pending() == 1

    [entry] = EVENTS.last(10)
    message = json.loads(entry.message)
    assert (message["type"], message["book"]["id"]) == ("book.borrowed", book.pk)
    EVENTS.remove()


def test_the_page_about_events_is_as_the_code_is():
    """manage.py describe_events --into docs/events.md writes it."""
    page = Path("docs/events.md").read_text(encoding="utf-8")

    assert completed(page) == page
