"""Refusals about accounts and keys."""

from django.conf import settings

from events.exceptions import DomainError
from events.operations import refusal_of_constraint


class UsernameTaken(DomainError):
    """Somebody else has this name, in whatever case."""

    code = "DUPLICATE"

    def __init__(self) -> None:
        message = "This username is taken."
        super().__init__(message, details={"username": [{"code": "unique", "message": message}]})


class KeyNotFound(DomainError):
    kind = "not_found"
    code = "NOT_FOUND"

    def __init__(self, key_id: int) -> None:
        super().__init__(f"There is no API key {key_id}.")


class ScopeTooWide(DomainError):
    """A key may do what its owner may, and no more."""

    kind = "forbidden"
    code = "PERMISSION_DENIED"

    def __init__(self, username: str) -> None:
        super().__init__(f"A key of {username} may not do this: keys belong to staff, and the admin scope to admins.")


class TokenInvalid(DomainError):
    """A token is forged, expired, revoked or used up."""

    kind = "unauthenticated"
    code = "TOKEN_INVALID"

    def __init__(self, message: str = "This token is not valid, or no longer. Please sign in again.") -> None:
        super().__init__(message)


class PasswordRefused(DomainError):
    """A new password is too short, too common, or too like its account."""

    kind = "invalid"
    code = "VALIDATION_ERROR"

    def __init__(self, field: str, reasons: list[tuple[str, str]]) -> None:
        details = {field: [{"code": code, "message": message} for code, message in reasons]}
        super().__init__("Some of what you sent is not valid.", details=details)


class WrongPassword(DomainError):
    """Nobody active has this name and this password. Which of the two is wrong is not said."""

    kind = "unauthenticated"
    code = "NOT_AUTHENTICATED"

    def __init__(self, message: str = "Username or password is wrong.") -> None:
        super().__init__(message)


class LockedOut(DomainError):
    """Too many wrong passwords, for this account or from this address."""

    kind = "throttled"
    code = "THROTTLED"

    def __init__(self) -> None:
        minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
        super().__init__(
            f"Too many wrong passwords. Try again in {minutes} minutes, or ask an administrator to lift the lock."
        )
        self.retry_after = minutes * 60  # seconds


refusal_of_constraint.update(
    {"one_account_per_username": UsernameTaken, "accounts_user_username_key": UsernameTaken},
)
