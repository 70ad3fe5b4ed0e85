"""Refusals of the line."""

from events.exceptions import DomainError
from events.operations import refusal_of_constraint
from library.exceptions import NotFound, Refusal, RuleRefusal


class ReservationNotFound(NotFound):
    code = "RESERVATION_NOT_FOUND"

    def __init__(self, reservation_id: int) -> None:
        super().__init__(f"There is no reservation {reservation_id}.")


class ReservationExists(Refusal):
    """The member already stands in this title's line."""

    code = "RESERVATION_EXISTS"


class ReservationClosed(Refusal):
    """The reservation has ended: fulfilled, cancelled or expired."""

    code = "RESERVATION_CLOSED"


class ReservationLimitReached(RuleRefusal):
    code = "RESERVATION_LIMIT_REACHED"


class CopyAvailable(Refusal):
    """Nobody need wait: a copy is free."""

    code = "COPY_AVAILABLE"


class AlreadyBorrowed(Refusal):
    """The member has this title at home."""

    code = "ALREADY_BORROWED"


class StaleQueue(DomainError):
    """The line changed since the client read it."""

    code = "STALE_QUEUE"

    def __init__(self, version: int) -> None:
        super().__init__(
            "The line has changed since you read it. Read it again, then repeat your change.",
            details={"version": version},
        )


refusal_of_constraint["one_live_reservation_per_member"] = lambda: ReservationExists(
    "This member already stands in the line for this title."
)
