"""The story of the last copy, told with the Python client that is made of the OpenAPI document.

Run as `python story.py URL LIBRARIAN PASSWORD`; a type checker reads it, too.
"""

import sys
from typing import TypeVar

from circdesk_client import AuthenticatedClient, Client
from circdesk_client.api.accounts import register, sign_in
from circdesk_client.api.catalogue import books_availability, books_create, books_list
from circdesk_client.api.circulation import checkout, return_copy
from circdesk_client.api.me import me_loans
from circdesk_client.api.reservations import reservations_fulfill
from circdesk_client.models import (
    AvailabilityAnswer,
    BookAnswer,
    BookPageAnswer,
    CheckOutInput,
    ErrorAnswer,
    FulfilInput,
    LentAnswer,
    LentOutcome,
    Loan,
    LoanOrRehearsalAnswer,
    LoanPageAnswer,
    NewBookInput,
    NextAction,
    PairAnswer,
    QueuedAnswer,
    RegisteredAnswer,
    RegistrationInput,
    Reservation,
    ReservationStatus,
    Returned,
    ReturnedOrRehearsalAnswer,
    ReturnInput,
    SignInInput,
)

T = TypeVar("T")


def the(kind: type[T], answer: object) -> T:
    """What was answered, which is of this kind."""
    assert isinstance(answer, kind), answer
    return answer


def signed_in(url: str, username: str, password: str) -> AuthenticatedClient:
    """A client that says who it is."""
    answer = sign_in.sync(client=Client(url), body=SignInInput(username=username, password=password))
    return AuthenticatedClient(url, token=the(PairAnswer, answer).data.access)


def signed_up(url: str, username: str, name: str) -> tuple[AuthenticatedClient, int]:
    """Somebody new, signed in, and the id of their member."""
    password = f"{name} likes to read"
    person = RegistrationInput(username=username, password=password, email=f"{username}@example.org", name=name)
    answer = the(RegisteredAnswer, register.sync(client=Client(url), body=person))
    assert (answer.data.username, answer.data.role, answer.data.member.name) == (username, "member", name)
    return signed_in(url, username, password), answer.data.member.id


def main(url: str, username: str, password: str) -> None:
    librarian = signed_in(url, username, password)
    ada, ada_id = signed_up(url, "ada", "Ada Lovelace")
    grace, grace_id = signed_up(url, "grace", "Grace Hopper")

    # The library buys “Middlemarch”, one copy.
    bought = NewBookInput(title="Middlemarch", author="George Eliot", isbn="978-0-14-143954-9", copies=1)
    book = the(BookAnswer, books_create.sync(client=librarian, body=bought)).data
    assert (book.title, book.isbn, book.available, book.total) == ("Middlemarch", "9780141439549", 1, 1)

    # Ada searches for it, with a slip of the finger, and takes it. Her line drops; she asks again with the same key.
    found = the(BookPageAnswer, books_list.sync(client=ada, search="midlemarch", available=True)).data
    assert found.results == [book]
    assert (found.next_, found.previous) == (None, None)
    taking = CheckOutInput(book_id=book.id)
    first, again = (checkout.sync_detailed(client=ada, body=taking, idempotency_key="ada-1") for _ in range(2))
    lent = the(LentAnswer, first.parsed).data
    assert (lent.outcome, lent.loan.member_id, lent.loan.overdue) == (LentOutcome.LENT, ada_id, False)
    assert lent.loan.returned_at is None
    assert lent.loan.due_at > lent.loan.lent_at
    assert the(LentAnswer, again.parsed).data == lent
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")

    # Grace comes too late, and joins the line. She is in it only once.
    queued = the(QueuedAnswer, checkout.sync(client=grace, body=taking)).data.reservation
    assert (queued.member_id, queued.status, queued.position) == (grace_id, ReservationStatus.WAITING, 1)
    refused = the(ErrorAnswer, checkout.sync(client=grace, body=taking)).error
    assert (refused.code, refused.status_code) == ("RESERVATION_EXISTS", 409)
    numbers = the(AvailabilityAnswer, books_availability.sync(book.id, client=grace)).data
    assert (numbers.available, numbers.on_loan, numbers.waiting) == (0, 1, 1)
    assert numbers.next_due_at == lent.loan.due_at

    # Ada brings it back. The librarian is told for whom to set it aside, and lends it to her.
    brought = return_copy.sync(client=librarian, body=ReturnInput(barcode=lent.loan.copy_barcode))
    returned = the(Returned, the(ReturnedOrRehearsalAnswer, brought).data)
    assert (returned.loan.id, returned.loan.returned_at is None) == (lent.loan.id, False)
    held = the(Reservation, returned.next_.reservation)
    assert (returned.next_.action, held.id, held.member_id) == (NextAction.HOLD, queued.id, grace_id)
    handed_over = reservations_fulfill.sync(held.id, client=librarian, body=FulfilInput())
    loan = the(Loan, the(LoanOrRehearsalAnswer, handed_over).data)
    assert (loan.member_id, loan.copy_barcode) == (grace_id, lent.loan.copy_barcode)

    # Now Grace has it, and Ada has nothing.
    assert the(LoanPageAnswer, me_loans.sync(client=grace)).data.results == [loan]
    assert the(LoanPageAnswer, me_loans.sync(client=ada)).data.results == []
    print(f"Grace Hopper has {loan.title}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
