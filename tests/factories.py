"""Rows for tests. What a row needs to be consistent comes with it: an open loan has its copy on loan, and so on."""

import io
from datetime import UTC, datetime, timedelta

import factory
from django.db import transaction
from factory.django import DjangoModelFactory

from accounts.models import APIKey, User
from circulation.jobs import store
from circulation.models import Job, Loan
from integrations.partners.models import Partner, PartnerReservation
from integrations.webhooks.models import Subscription
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from reservations.models import Reservation

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday
TODAY = NOW.date()


def main_branch() -> Branch:
    return Branch.objects.get(name=Branch.MAIN)


def standard_category() -> MemberCategory:
    return MemberCategory.objects.get(name=MemberCategory.STANDARD)


def general_policy(**terms) -> LoanPolicy:
    """The policy for every member and every title, after setting these terms."""
    LoanPolicy.objects.filter(member_category=None, book_category="").update(**terms)
    return LoanPolicy.objects.get(member_category=None, book_category="")


class _Unrecorded(DjangoModelFactory):
    """Rows that are simply there: nobody made them, so no event tells of it."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        row = model_class(*args, **kwargs)
        model_class._base_manager.bulk_create([row])
        return row


class UserFactory(_Unrecorded):
    class Meta:
        model = User

    class Params:
        staff = factory.Trait(is_staff=True)
        admin = factory.Trait(is_staff=True, is_superuser=True)

    username = factory.Sequence("user{}".format)


class KeyFactory(_Unrecorded):
    """An API key whose text nobody knows. `accounts.keys.create_key` makes one that can be used."""

    class Meta:
        model = APIKey

    class Params:
        revoked = factory.Trait(revoked_at=NOW)
        expired = factory.Trait(expires_at=NOW)

    owner = factory.SubFactory(UserFactory, staff=True)
    name = factory.Sequence("machine {}".format)
    prefix = factory.Sequence("cdk_{:08d}".format)
    digest = factory.Sequence("{:064d}".format)
    scopes = factory.LazyFunction(lambda: ["catalogue:read"])


class WebhookFactory(_Unrecorded):
    """A subscription of an admin's to everything. Nothing is sent to its address unless WEBHOOK_NETWORKS names it."""

    class Meta:
        model = Subscription

    owner = factory.SubFactory(UserFactory, admin=True)
    url = factory.Sequence("http://127.0.0.1:9/{}".format)


class JobFactory(DjangoModelFactory):
    """An import that nobody has begun. Over, it is an export, and has a file of every kind to fetch."""

    class Meta:
        model = Job
        skip_postgeneration_save = True

    class Params:
        over = factory.Trait(kind="export", state="done", options={"format": "csv"}, ended_at=NOW)

    kind = "import_books"
    options = factory.LazyFunction(lambda: {"source": "", "map": [], "dry_run": False})
    asked_by = factory.SubFactory(UserFactory, staff=True)
    caller = factory.LazyAttribute(lambda job: f"user:{job.asked_by.pk}")

    @factory.post_generation
    def files(job, create, extracted, **kwargs):  # noqa: N805  # called with what was made
        if job.is_over:
            for role in ("result", "refused"):
                with transaction.atomic():
                    store.keep(job, role, 0, f"{role}.csv", io.BytesIO(b"name\r\nAda\r\n"))


class QuietFactory(DjangoModelFactory):
    """Rows that no event tells of."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        [row] = model_class.objects.bulk_create([model_class(*args, **kwargs)])
        return row


class BranchFactory(QuietFactory):
    class Meta:
        model = Branch

    name = factory.Sequence("Branch {}".format)


class MemberCategoryFactory(QuietFactory):
    class Meta:
        model = MemberCategory

    name = factory.Sequence("category {}".format)


class LoanPolicyFactory(QuietFactory):
    class Meta:
        model = LoanPolicy


class MemberFactory(DjangoModelFactory):
    class Meta:
        model = Member

    class Params:
        blocked = factory.Trait(blocked_reason="lost a card")
        expired = factory.Trait(expires_on=TODAY - timedelta(days=1))

    card_number = factory.Sequence("M{:05d}".format)
    first_name = "Ada"
    last_name = factory.Sequence("Lovelace{}".format)
    category = factory.LazyFunction(standard_category)
    branch = factory.LazyFunction(main_branch)


class BookFactory(DjangoModelFactory):
    """A title, with so many available `copies`."""

    class Meta:
        model = Book
        skip_postgeneration_save = True

    class Params:
        out_of_circulation = factory.Trait(in_circulation=False)
        withdrawn = factory.Trait(in_circulation=False, withdrawn_at=NOW)

    title = factory.Sequence("Title {}".format)

    @factory.post_generation
    def copies(self, create, count, **extra):
        CopyFactory.create_batch(count or 0, book=self, **extra)


class CopyFactory(DjangoModelFactory):
    class Meta:
        model = Copy

    class Params:
        on_loan = factory.Trait(
            status=Copy.Status.ON_LOAN,
            holder=factory.SubFactory(MemberFactory),
            due_at=NOW + timedelta(days=28),
        )
        on_hold_shelf = factory.Trait(status=Copy.Status.ON_HOLD_SHELF, holder=factory.SubFactory(MemberFactory))
        in_transit = factory.Trait(status=Copy.Status.IN_TRANSIT)
        missing = factory.Trait(status=Copy.Status.MISSING)
        lost = factory.Trait(status=Copy.Status.LOST)
        damaged = factory.Trait(status=Copy.Status.DAMAGED)
        withdrawn = factory.Trait(status=Copy.Status.WITHDRAWN)

    book = factory.SubFactory(BookFactory)
    barcode = factory.Sequence("copy-{}".format)
    branch = factory.LazyFunction(main_branch)


class LoanFactory(DjangoModelFactory):
    """An open loan and its copy on loan; `returned` and `overdue` alter that. Name a book or a copy, not both."""

    class Meta:
        model = Loan

    class Params:
        overdue = factory.Trait(lent_at=NOW - timedelta(days=40))
        returned = factory.Trait(
            returned_at=factory.LazyAttribute(lambda loan: loan.lent_at + timedelta(days=1)),
            copy=factory.SubFactory(CopyFactory, book=factory.SelfAttribute("..book")),
        )

    member = factory.SubFactory(MemberFactory)
    book = factory.SubFactory(BookFactory)
    lent_at = NOW - timedelta(days=1)
    due_at = factory.LazyAttribute(lambda loan: loan.lent_at + timedelta(days=28))
    copy = factory.SubFactory(
        CopyFactory,
        book=factory.SelfAttribute("..book"),
        status=Copy.Status.ON_LOAN,
        holder=factory.SelfAttribute("..member"),
        due_at=factory.SelfAttribute("..due_at"),
    )


class ReservationFactory(DjangoModelFactory):
    """A place in a line, waiting. Each is placed a minute after the one made before it."""

    class Meta:
        model = Reservation

    class Params:
        suspended = factory.Trait(status=Reservation.Status.SUSPENDED)
        ready = factory.Trait(
            status=Reservation.Status.READY,
            shelf_until=NOW + timedelta(days=7),
            copy=factory.SubFactory(
                CopyFactory,
                book=factory.SelfAttribute("..book"),
                status=Copy.Status.ON_HOLD_SHELF,
                holder=factory.SelfAttribute("..member"),
            ),
        )
        fulfilled = factory.Trait(status=Reservation.Status.FULFILLED, closed_at=NOW)
        cancelled = factory.Trait(status=Reservation.Status.CANCELLED, closed_at=NOW)
        expired = factory.Trait(status=Reservation.Status.EXPIRED, closed_at=NOW)

    book = factory.SubFactory(BookFactory)
    member = factory.SubFactory(MemberFactory)
    placed_at = factory.Sequence(lambda n: NOW - timedelta(days=100) + timedelta(minutes=n))
    branch = factory.SelfAttribute("member.branch")


class PartnerFactory(DjangoModelFactory):
    """Another Circdesk that gave us a key, where nobody listens."""

    class Meta:
        model = Partner

    name = factory.Sequence("partner {}".format)
    base_url = factory.Sequence("http://127.0.0.1:9/{}".format)
    api_key = "cdk_0123456789012345678901234567890123456789012"
    allows_private = True


class PartnerReservationFactory(DjangoModelFactory):
    """Confirmed; `unconfirmed` is one of which nothing was heard."""

    class Meta:
        model = PartnerReservation

    class Params:
        unconfirmed = factory.Trait(state="unconfirmed", remote_id=None, remote_status="")

    partner = factory.SubFactory(PartnerFactory)
    book = factory.SubFactory(BookFactory, isbn=factory.Sequence("{:013d}".format))
    member = factory.SubFactory(MemberFactory)
    state = "confirmed"
    remote_id = factory.Sequence(lambda number: number + 1)
    remote_status = "ready"
    until = NOW + timedelta(days=30)
    asked_at = NOW
    next_try_at = NOW
