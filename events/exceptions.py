"""Why an operation did not happen, in terms that know nothing of HTTP."""

from typing import Any, ClassVar, Literal

Kind = Literal[
    "invalid", "unauthenticated", "forbidden", "not_found", "conflict", "stale", "unprocessable", "throttled", "busy"
]


class DomainError(Exception):
    """An operation was refused; nothing was changed.

    `kind` says what sort of refusal it is, `code` names it for programs, `message` tells a person,
    and `details` holds further facts that serialise as JSON.
    """

    kind: ClassVar[Kind] = "conflict"
    code: ClassVar[str]

    def __init__(self, message: str, *, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Busy(DomainError):
    """Others hold what the operation needs; the same request may succeed in a moment."""

    kind = "busy"
    code = "BUSY"

    def __init__(self, message: str = "The desk is busy with this title or member. Please try again.") -> None:
        super().__init__(message)


class OtherService(DomainError):
    """Of two services this is the wrong one for that."""

    kind = "forbidden"
    code = "PERMISSION_DENIED"

    def __init__(self, service: str) -> None:
        super().__init__(f"This is done at the {service} service.")


class KeyInProgress(DomainError):
    """Another request with the same idempotency key is running right now."""

    code = "IDEMPOTENCY_IN_PROGRESS"

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still running. Wait for its answer, then try again.")


class KeyReused(DomainError):
    """The idempotency key belongs to a different request."""

    kind = "unprocessable"
    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request. Use a new key for a new request.")
