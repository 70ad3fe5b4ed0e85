"""Refusals of the desk."""

from events.operations import refusal_of_constraint
from library.exceptions import NotFound, Refusal, RuleRefusal
from reservations.exceptions import AlreadyBorrowed


class NotYourLoan(NotFound):
    """What others have on loan does not exist for a member."""

    code = "LOAN_NOT_FOUND"

    def __init__(self, barcode: str) -> None:
        super().__init__(f"You have not borrowed copy {barcode}.")


class CardNotFound(NotFound):
    code = "MEMBER_NOT_FOUND"

    def __init__(self, card_number: str) -> None:
        super().__init__(f"No member has card {card_number}.")


class CodeNotFound(NotFound):
    """What was scanned means nothing here."""

    code = "COPY_NOT_FOUND"

    def __init__(self, code: str) -> None:
        super().__init__(f"No copy and no card has the code {code}.")


class LoanNotFound(NotFound):
    code = "LOAN_NOT_FOUND"

    def __init__(self, loan_id: int) -> None:
        super().__init__(f"There is no loan {loan_id}.")


class MemberHasOverdue(RuleRefusal):
    code = "MEMBER_HAS_OVERDUE"


class LoanLimitReached(RuleRefusal):
    code = "LOAN_LIMIT_REACHED"


class LoanTooLong(RuleRefusal):
    code = "LOAN_TOO_LONG"


class RenewalLimitReached(RuleRefusal):
    code = "RENEWAL_LIMIT_REACHED"


class RenewalBlockedByReservation(RuleRefusal):
    code = "RENEWAL_BLOCKED_BY_RESERVATION"


class CopyOnLoan(Refusal):
    code = "COPY_ON_LOAN"


class CopyHeldForOther(Refusal):
    """The copy is set aside, or every free copy is spoken for by those ahead in the line."""

    code = "COPY_HELD_FOR_OTHER"


class NoCopyAvailable(Refusal):
    code = "NO_COPY_AVAILABLE"


class CopyNotOnLoan(Refusal):
    """There is nothing to return or renew."""

    code = "COPY_NOT_ON_LOAN"


class QueueEmpty(Refusal):
    code = "QUEUE_EMPTY"


class NoCopyToFulfil(Refusal):
    code = "NO_COPY_TO_FULFILL"


class MemberHasOpenLoans(Refusal):
    code = "MEMBER_HAS_OPEN_LOANS"


refusal_of_constraint.update(
    {
        "one_open_loan_per_copy": lambda: CopyOnLoan("This copy is on loan."),
        "one_open_loan_per_title_and_member": lambda: AlreadyBorrowed("This member already has this title on loan."),
    }
)
