"""Why nothing is reserved at a partner library."""

from events.exceptions import KeyInProgress
from events.operations import refusal_of_constraint
from library.exceptions import NotFound, Refusal
from reservations.exceptions import ReservationExists


class PartnerRefused(Refusal):
    """The partner said no. `reasons` are its own, each with `code` and `message`."""

    code = "PARTNER_REFUSED"


class PartnerCannotReserve(Refusal):
    """Nothing can be reserved there from here: it speaks another protocol, or gave us no key."""

    kind = "unprocessable"
    code = "PARTNER_CANNOT_RESERVE"


class PartnerUnknownTitle(Refusal):
    """The partner cannot be asked for this title, or does not have it."""

    kind = "unprocessable"
    code = "PARTNER_UNKNOWN_TITLE"


class PartnerReservationNotFound(NotFound):
    code = "RESERVATION_NOT_FOUND"

    def __init__(self, reservation_id: int) -> None:
        super().__init__(f"At partner libraries there is no reservation {reservation_id}.")


refusal_of_constraint.update(
    {
        "one_partner_reservation_per_key": KeyInProgress,
        "one_live_partner_reservation": lambda: ReservationExists(
            "This member already has this title reserved at a partner library."
        ),
    }
)
