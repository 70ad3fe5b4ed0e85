"""What members are written to about."""

from django.db.models import TextChoices


class Kind(TextChoices):
    REGISTRATION = "registration", "Registration"
    RESERVED = "reserved", "Reserved"
    READY = "ready", "Ready for pick-up"
    EXPIRING = "expiring", "Pick-up time ends soon"
    DUE_SOON = "due_soon", "Due soon"
    OVERDUE = "overdue", "Overdue"
    RETURNED = "returned", "Returned"
    RENEWED = "renewed", "Renewed"
    CANCELLED = "cancelled", "Reservation ended"


OF_LOANS = (Kind.DUE_SOON, Kind.OVERDUE, Kind.RETURNED, Kind.RENEWED)
OF_RESERVATIONS = (Kind.RESERVED, Kind.READY, Kind.EXPIRING, Kind.CANCELLED)

# The names that a template of each kind may use.
_ALWAYS = ("library", "name", "first_name", "card_number", "branch")
_TITLE = (*_ALWAYS, "title", "author")
_COPY = (*_TITLE, "barcode")
NAMES: dict[str, tuple[str, ...]] = {
    Kind.REGISTRATION: _ALWAYS,
    Kind.RESERVED: (*_TITLE, "place"),
    Kind.READY: (*_COPY, "shelf_until"),
    Kind.EXPIRING: (*_COPY, "shelf_until"),
    Kind.DUE_SOON: (*_COPY, "due_date"),
    Kind.OVERDUE: (*_COPY, "due_date"),
    Kind.RETURNED: (*_COPY, "returned_on"),
    Kind.RENEWED: (*_COPY, "due_date"),
    Kind.CANCELLED: (*_TITLE, "reason"),
}
