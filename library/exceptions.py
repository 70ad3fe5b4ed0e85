"""Refusals: why the desk says no, all reasons at once, and what staff may override."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from events.exceptions import DomainError
from events.operations import refusal_of_constraint


class Refusal(DomainError):
    """One reason why something may not be done now. `facts` are its numbers and dates, for programs.

    Raised, the first reason carries the others in `also`.
    """

    overridable: ClassVar[bool] = False

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts
        self.also: tuple[Refusal, ...] = ()

    def reasons(self) -> tuple[Refusal, ...]:
        """Every reason, this one first."""
        return (self, *self.also)

    def as_dict(self) -> dict[str, Any]:
        """What clients see of this reason."""
        return {"code": self.code, "message": self.message, "overridable": self.overridable, **self.facts}


class RuleRefusal(Refusal):
    """A rule of the library says no, and staff may say yes with a reason."""

    kind = "unprocessable"
    overridable = True


@dataclass(frozen=True)
class Override:
    """Refusal codes that staff set aside, and why. Both land in the event."""

    codes: frozenset[str] = frozenset()
    reason: str = ""

    def payload(self, overridden: Iterable[Refusal]) -> dict[str, Any] | None:
        """What an event records of an override; None when none was needed."""
        codes = sorted(refusal.code for refusal in overridden)
        return {"codes": codes, "reason": self.reason} if codes else None


NO_OVERRIDE = Override()


def refuse(reasons: Iterable[Refusal | None], override: Override = NO_OVERRIDE) -> list[Refusal]:
    """Raise the reasons that stand, in the order given; return those that were overridden."""
    given = [reason for reason in reasons if reason]
    overridden = [reason for reason in given if reason.overridable and reason.code in override.codes]
    standing = [reason for reason in given if reason not in overridden]
    if standing:
        first = standing[0]
        first.also = tuple(standing[1:])
        raise first
    return overridden


class NotFound(DomainError):
    """What was named does not exist, or no longer."""

    kind = "not_found"
    code = "NOT_FOUND"


class BookNotFound(NotFound):
    code = "BOOK_NOT_FOUND"

    def __init__(self, book_id: int) -> None:
        super().__init__(f"There is no title {book_id}.")


class CopyNotFound(NotFound):
    code = "COPY_NOT_FOUND"

    def __init__(self, barcode: str) -> None:
        super().__init__(f"There is no copy with barcode {barcode}.")


class MemberNotFound(NotFound):
    code = "MEMBER_NOT_FOUND"

    def __init__(self, member_id: int) -> None:
        super().__init__(f"There is no member {member_id}.")


class BranchNotFound(DomainError):
    kind = "invalid"
    code = "VALIDATION_ERROR"

    def __init__(self, name: str) -> None:
        message = f"There is no branch {name!r}."
        super().__init__(message, details={"branch": [{"code": "does_not_exist", "message": message}]})


class CategoryNotFound(DomainError):
    kind = "invalid"
    code = "VALIDATION_ERROR"

    def __init__(self, name: str) -> None:
        message = f"There is no member category {name!r}."
        super().__init__(message, details={"category": [{"code": "does_not_exist", "message": message}]})


class Duplicate(DomainError):
    """Something else already has this ISBN, barcode, card number or e-mail address."""

    code = "DUPLICATE"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, details={field: [{"code": "unique", "message": message}]})


class NameMissing(DomainError):
    """A member must be called something."""

    kind = "invalid"
    code = "VALIDATION_ERROR"

    def __init__(self) -> None:
        message = "A member needs a name."
        super().__init__(message, details={"name": [{"code": "required", "message": message}]})


class StaleVersion(DomainError):
    """The record changed since the client read it."""

    kind = "stale"
    code = "STALE_VERSION"

    def __init__(self) -> None:
        super().__init__("This record has changed since you read it. Read it again, then repeat your change.")


class MemberBlocked(RuleRefusal):
    code = "MEMBER_BLOCKED"


class MemberExpired(RuleRefusal):
    code = "MEMBER_EXPIRED"


class CopyNotCirculating(Refusal):
    """The title or the copy is out of circulation; nobody may borrow or reserve it."""

    kind = "unprocessable"
    code = "COPY_NOT_CIRCULATING"


class StaysWhereTwo(DomainError):
    """The other one of two services may refer to it."""

    kind = "forbidden"
    code = "PERMISSION_DENIED"

    def __init__(self, what: str) -> None:
        super().__init__(f"Where there are two services, {what} are renamed, not removed.")


class InvalidTransition(Refusal):
    """A copy or reservation cannot go from its state to the one asked for."""

    kind = "unprocessable"
    code = "INVALID_TRANSITION"


class BookHasOpenLoans(Refusal):
    code = "BOOK_HAS_OPEN_LOANS"


refusal_of_constraint.update(
    {
        "one_live_title_per_isbn": lambda: Duplicate("isbn", "Another title already has this ISBN."),
        "one_title_per_source": lambda: Duplicate("source_id", "This record was already imported from this source."),
        "one_copy_per_barcode": lambda: Duplicate("barcode", "Another copy already has this barcode."),
        "one_member_per_card": lambda: Duplicate("card_number", "Another member already has this card number."),
        "one_member_per_email": lambda: Duplicate("email", "Another member already has this e-mail address."),
        "one_member_per_source": lambda: Duplicate("source_id", "This member was already imported from this source."),
    }
)
