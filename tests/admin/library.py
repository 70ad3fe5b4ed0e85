"""A small library with a row in every table."""

from datetime import timedelta

from django.db.models import Model

from accounts.models import APIKey, FailedSignIn, User
from circulation.models import CirculationEvent, DayFigures, Job, JobChunk, JobFile, Loan
from events.models import Consumer, Event, FailedMessage, Heartbeat, PendingEvent, Publication, Relay, StoredAnswer
from integrations.logbook.models import Entry
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice, NoticeTemplate, Preferences, new_notice
from integrations.partners.models import Partner, PartnerReservation, Reader
from integrations.webhooks.models import Delivery, Subscription
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from library.services import add_title, enrol
from reservations.models import Reservation
from reservations.services import suspend
from tests.factories import (
    NOW,
    BranchFactory,
    JobFactory,
    KeyFactory,
    LoanFactory,
    LoanPolicyFactory,
    MemberCategoryFactory,
    PartnerReservationFactory,
    ReservationFactory,
    UserFactory,
    WebhookFactory,
)

MODELS = [
    User,
    APIKey,
    FailedSignIn,
    Event,
    PendingEvent,
    Publication,
    Relay,
    Consumer,
    FailedMessage,
    Heartbeat,
    StoredAnswer,
    Book,
    Branch,
    Copy,
    LoanPolicy,
    Member,
    MemberCategory,
    Reservation,
    CirculationEvent,
    DayFigures,
    Loan,
    Job,
    JobFile,
    JobChunk,
    Subscription,
    Delivery,
    Notice,
    NoticeTemplate,
    Preferences,
    Partner,
    PartnerReservation,
    Reader,
    Entry,
]
ADDED_BY_HAND = [
    User,
    APIKey,
    Book,
    Branch,
    Copy,
    LoanPolicy,
    Member,
    MemberCategory,
    NoticeTemplate,
    Preferences,
    Partner,
]


def stock(count: int = 1) -> None:
    """So many rows in every table, each with different rows beside it."""
    for number in range(count):
        add_title(title=f"Title {number}", at=NOW)
        enrol(first_name="Ada", last_name="Lovelace", at=NOW)
        LoanFactory(copy__branch=BranchFactory(), member__category=MemberCategoryFactory())
        ReservationFactory(ready=True, branch=BranchFactory(), member__user=UserFactory())
        suspend(reservation_id=ReservationFactory().pk, at=NOW)
        LoanPolicyFactory(member_category=MemberCategoryFactory())
        KeyFactory()
        FailedSignIn.objects.create(
            username=f"reader{FailedSignIn.objects.count()}", ip_address="192.0.2.1", failures_since_start=3
        )
        Relay.objects.create()
        Publication.objects.create(position=Publication.objects.count(), event=Event.objects.latest("pk"))
        Heartbeat.objects.create(name=f"process {Heartbeat.objects.count()}", at=NOW)
        Consumer.objects.create(group=f"group {Consumer.objects.count()}", position=1)
        FailedMessage.objects.create(
            group="group", position=FailedMessage.objects.count(), message={"id": 1}, error="ValueError", failed_at=NOW
        )
        Delivery.objects.create(
            subscription=WebhookFactory(key=KeyFactory()), event_id=1, type="book.updated", body="{}"
        )
        DayFigures.objects.create(day=NOW.date() + timedelta(days=DayFigures.objects.count()), loans=1, returns=1)
        JobFactory(over=True)
        loan = LoanFactory()
        new_notice(Kind.DUE_SOON, loan.member_id, loan_id=loan.pk, moment=loan.due_at, at=NOW).save()
        Preferences.objects.create(member=loan.member, language="ar", unwanted=["returned"])
        language = f"x{NoticeTemplate.objects.count()}"
        NoticeTemplate.objects.create(kind=Kind.READY, language=language, subject="Ready", text="Ready", html="Ready")
        kept = PartnerReservationFactory()
        Reader.objects.create(partner=kept.partner, member=kept.member, remote_id=1)
        Entry.objects.create(at=NOW, level=Entry.Level.WARNING, logger="events.redis", message="Redis does not answer.")
        key = f"{StoredAnswer.objects.count()}"
        StoredAnswer.objects.create(caller="open desk", key=key, fingerprint="", status=201, body=b"the secret answer")


def row_of(model: type[Model]) -> Model:
    row = model._default_manager.order_by("-pk").first()
    assert row is not None
    return row
