"""What happened, what is still to be published, and the answers that were given."""

from typing import TypeAlias

from django.db import models
from django.db.models import Q
from django.utils import timezone


class EventKind(models.TextChoices):
    """What can happen. Kinds with a dot are of records, the others of the desk."""

    CHECKOUT = "checkout", "Checked out"
    RETURN = "return", "Returned"
    RENEW = "renew", "Renewed"
    RESERVE = "reserve", "Reserved"
    HOLD = "hold", "Set aside"
    RELEASE = "release", "Released"
    FULFIL = "fulfil", "Fulfilled"
    CANCEL = "cancel", "Cancelled"
    SUSPEND = "suspend", "Suspended"
    RESUME = "resume", "Resumed"
    REORDER = "reorder", "Reordered"
    EXPIRE = "expire", "Expired"
    LOST = "lost", "Lost"
    MISSING = "missing", "Missing"
    FOUND = "found", "Found"
    DAMAGED = "damaged", "Damaged"
    REPAIRED = "repaired", "Repaired"
    WITHDRAWN = "withdrawn", "Copy withdrawn"
    TRANSIT = "transit", "Sent to another branch"
    RECEIVE = "receive", "Received from another branch"
    COPY_ADDED = "copy.added", "Copy added"
    COPY_EDITED = "copy.edited", "Copy edited"
    BOOK_ADDED = "book.added", "Title added"
    BOOK_EDITED = "book.edited", "Title edited"
    BOOK_WITHDRAWN = "book.withdrawn", "Title withdrawn"
    MEMBER_ENROLLED = "member.enrolled", "Member enrolled"
    MEMBER_EDITED = "member.edited", "Member edited"
    MEMBER_DELETED = "member.deleted", "Member deleted"
    BRANCH_SAVED = "branch.saved", "Branch saved"
    BRANCH_DELETED = "branch.deleted", "Branch deleted"
    CATEGORY_SAVED = "category.saved", "Member category saved"
    CATEGORY_DELETED = "category.deleted", "Member category deleted"
    POLICY_SAVED = "policy.saved", "Loan policy saved"
    POLICY_DELETED = "policy.deleted", "Loan policy deleted"
    PARTNER_SAVED = "partner.saved", "Partner library saved"
    PARTNER_DELETED = "partner.deleted", "Partner library deleted"
    PARTNER_ASKED = "partner.asked", "Partner library asked for a copy"
    PARTNER_ANSWERED = "partner.answered", "Partner library answered"
    BOOK_SYNCED = "book.synced", "Brought in step with the other service"
    ACCOUNT_SAVED = "account.saved", "Account saved"
    ACCOUNT_DELETED = "account.deleted", "Account deleted"
    KEY_SAVED = "key.saved", "API key made or revoked"
    KEY_DELETED = "key.deleted", "API key deleted"
    WEBHOOK_SAVED = "webhook.saved", "Webhook saved"
    WEBHOOK_DELETED = "webhook.deleted", "Webhook deleted"
    TEMPLATE_SAVED = "template.saved", "Notice template saved"
    TEMPLATE_DELETED = "template.deleted", "Notice template deleted"
    PREFERENCES_SAVED = "preferences.saved", "Notice preferences saved"
    PREFERENCES_DELETED = "preferences.deleted", "Notice preferences deleted"
    TASK_SAVED = "task.saved", "Periodic task saved"
    TASK_DELETED = "task.deleted", "Periodic task deleted"
    LIST_EXPORTED = "list.exported", "List exported"


OF_THE_DESK = tuple(kind for kind in EventKind if "." not in kind)

# How this service is looked after: recorded for the audit trail, and nobody else's business, so never published. A
# trigger of events/migrations/0008_list_exports.py knows them by the same beginnings.
OF_THE_HOUSE = frozenset(
    kind
    for kind in EventKind
    if kind.startswith(("account.", "key.", "webhook.", "template.", "preferences.", "task.", "list."))
)

# Of two services, whose business it is. What is in neither is for both.
OF_ADMIN = frozenset(
    kind for kind in EventKind if kind.startswith(("book.", "copy.", "branch.", "category.", "policy."))
) - {EventKind.BOOK_SYNCED}
# A new copy may come in on its way, lost, missing, damaged or withdrawn. Each service has its own partners.
OF_BOTH = {
    EventKind.BOOK_SYNCED,
    EventKind.TRANSIT,
    EventKind.LOST,
    EventKind.MISSING,
    EventKind.DAMAGED,
    EventKind.WITHDRAWN,
    EventKind.PARTNER_SAVED,
    EventKind.PARTNER_DELETED,
} | OF_THE_HOUSE
OWNERS = {
    "public": frozenset(EventKind) - OF_ADMIN,
    "admin": OF_ADMIN | OF_BOTH,
    "all": frozenset(EventKind),
}


class Event(models.Model):
    """One fact, recorded in the transaction that made it true; never changed afterwards (a row trigger sees to it).

    Events about a title are recorded while its book is locked, so their ids are in commit order per title.
    The `_id` columns refer without foreign keys: an event outlives what it tells of.
    """

    Kind: TypeAlias = EventKind

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    book_id = models.BigIntegerField(null=True)
    copy_id = models.BigIntegerField(null=True)
    member_id = models.BigIntegerField(null=True)
    loan_id = models.BigIntegerField(null=True)
    reservation_id = models.BigIntegerField(null=True)
    actor_id = models.BigIntegerField(null=True, help_text="The account that asked for it; empty at an open desk.")
    record_id = models.BigIntegerField(null=True, help_text="The row of settings that it tells of, as in the payload.")
    key_id = models.BigIntegerField("API key", null=True, help_text="The API key that the account came with.")
    address = models.GenericIPAddressField(null=True, help_text="Where the request came from.")
    request_id = models.CharField(max_length=64, null=True, help_text="The request's X-Request-ID.")  # noqa: DJ001
    source = models.CharField(  # noqa: DJ001  # of the desk it is empty a million times
        max_length=100, null=True, help_text="The command or task that did it, without a request."
    )
    payload = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit trail"
        indexes = [
            # Availability asks for the last event of a title. GET /api/circulation/events/?book=, ?member= and ?copy=
            models.Index(fields=["book_id", "id"], name="event_of_book"),
            models.Index(fields=["member_id", "id"], name="event_of_member"),
            models.Index(fields=["copy_id", "id"], name="event_of_copy"),
            # GET /api/circulation/events/?kind=
            models.Index(fields=["kind", "occurred_at", "id"], name="event_of_kind"),
            # GET /api/circulation/events/, ?since= and ?until=, without passing on the way all that an import wrote
            models.Index(
                fields=["occurred_at", "id"],
                name="event_of_the_desk",
                condition=Q(kind__in=OF_THE_DESK),
            ),
            # The audit trail: all of it, what somebody did, what came from somewhere, the history of a setting
            models.Index(fields=["occurred_at", "id"], name="event_by_time"),
            models.Index(
                fields=["actor_id", "occurred_at", "id"], name="event_of_actor", condition=Q(actor_id__isnull=False)
            ),
            models.Index(
                fields=["address", "occurred_at", "id"], name="event_of_address", condition=Q(address__isnull=False)
            ),
            models.Index(fields=["record_id", "id"], name="event_of_record", condition=Q(record_id__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.occurred_at:%Y-%m-%d %H:%M}"


class PendingEvent(models.Model):
    """An event that the relay has not published yet. A row trigger adds one with every event."""

    event = models.OneToOneField(Event, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False)

    def __str__(self) -> str:
        return f"event {self.pk}"


class Publication(models.Model):
    """An event's place in what is published. Given once and committed before anybody hears of it, so it never changes.

    The last of them are kept, so that what got lost on its way can be published again.
    """

    position = models.BigIntegerField(primary_key=True)
    event = models.ForeignKey(Event, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)

    def __str__(self) -> str:
        return f"event {self.event_id} at {self.position}"


class Relay(models.Model):
    """How far the relay has come, in positions. Whoever has locked this one row is the relay."""

    numbered = models.BigIntegerField(default=0, help_text="The last position that was given.")
    published = models.BigIntegerField(default=0, help_text="The last position that everybody was told of.")

    def __str__(self) -> str:
        return f"published up to {self.published}"


class Consumer(models.Model):
    """How far a consumer of the stream has come. Written in the transaction of what it does with a message."""

    group = models.CharField(max_length=60)
    position = models.BigIntegerField(null=True, help_text="The last position that was handled. Empty: none yet.")
    holder = models.CharField(max_length=100, blank=True, help_text="The process at work; others stand by.")
    held_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group"], name="one_consumer_per_group")]

    def __str__(self) -> str:
        return f"{self.group} at {self.position}"


class FailedMessage(models.Model):
    """A message that a consumer could not handle. Tried again at `retry_at`; without it, given up: a dead letter."""

    group = models.CharField(max_length=60)
    position = models.BigIntegerField()
    message = models.JSONField()
    error = models.TextField()
    attempts = models.PositiveSmallIntegerField(default=1)
    failed_at = models.DateTimeField()
    retry_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "position"], name="one_failure_per_message")]

    def __str__(self) -> str:
        return f"{self.group} at {self.position}: {self.error}"


class Heartbeat(models.Model):
    """When a process that nobody asks anything was at work last (`events/heartbeats.py`)."""

    name = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], name="one_heartbeat_per_process")]

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"


class StoredAnswer(models.Model):
    """The answer given under an Idempotency-Key, committed together with what it reports."""

    caller = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over method, path, query and body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="one_answer_per_key")]
        # The nightly sweep removes old answers by age.
        indexes = [models.Index(fields=["created_at"], name="answer_by_age")]

    def __str__(self) -> str:
        return f"{self.key} of {self.caller}"
