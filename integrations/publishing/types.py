"""What each kind of event is called outside, and what its message tells of."""

from __future__ import annotations

from dataclasses import dataclass

from events.models import EventKind as Kind


@dataclass(frozen=True)
class Type:
    """A type of message: its name, when it is sent, and which parts it has. Without a part it is null."""

    name: str
    when: str
    parts: tuple[str, ...]


BOOK, COPY, LOAN, RESERVATION, MEMBER = PARTS = ("book", "copy", "loan", "reservation", "member_id")

TYPES: dict[Kind, Type] = {
    Kind.BOOK_ADDED: Type("book.created", "A title came into the catalogue.", (BOOK,)),
    Kind.BOOK_EDITED: Type("book.updated", "A title's record changed, or it left or rejoined circulation.", (BOOK,)),
    Kind.BOOK_WITHDRAWN: Type("book.removed", "A title left the library with all its copies.", (BOOK,)),
    Kind.CHECKOUT: Type("book.borrowed", "A copy was lent.", (BOOK, COPY, LOAN, MEMBER)),
    Kind.RETURN: Type("book.returned", "A copy came back.", (BOOK, COPY, LOAN, MEMBER)),
    Kind.RENEW: Type("loan.renewed", "A loan was extended.", (BOOK, COPY, LOAN, MEMBER)),
    Kind.RESERVE: Type("reservation.placed", "A member joined the line for a title.", (BOOK, RESERVATION, MEMBER)),
    Kind.HOLD: Type("reservation.ready", "A copy was set aside for a member.", (BOOK, COPY, RESERVATION, MEMBER)),
    Kind.RELEASE: Type("reservation.released", "A copy is no longer set aside.", (BOOK, COPY, RESERVATION, MEMBER)),
    Kind.FULFIL: Type(
        "reservation.fulfilled", "A reservation ended with its loan.", (BOOK, COPY, LOAN, RESERVATION, MEMBER)
    ),
    Kind.CANCEL: Type("reservation.cancelled", "A member left the line.", (BOOK, RESERVATION, MEMBER)),
    Kind.SUSPEND: Type("reservation.suspended", "A member is passed over for a while.", (BOOK, RESERVATION, MEMBER)),
    Kind.RESUME: Type("reservation.resumed", "A member is served again.", (BOOK, RESERVATION, MEMBER)),
    Kind.REORDER: Type("reservation.moved", "Staff moved a member in the line.", (BOOK, RESERVATION, MEMBER)),
    Kind.EXPIRE: Type("reservation.expired", "A reservation's time ran out.", (BOOK, RESERVATION, MEMBER)),
    Kind.COPY_ADDED: Type("copy.added", "A title got a copy.", (BOOK, COPY)),
    Kind.COPY_EDITED: Type("copy.updated", "A copy got another barcode or branch.", (BOOK, COPY)),
    Kind.LOST: Type("copy.lost", "A copy was lost; if it was on loan, that ended the loan.", (BOOK, COPY)),
    Kind.MISSING: Type("copy.missing", "A copy is not where it should be.", (BOOK, COPY)),
    Kind.FOUND: Type("copy.found", "A lost or missing copy is back.", (BOOK, COPY)),
    Kind.DAMAGED: Type("copy.damaged", "A copy must be repaired.", (BOOK, COPY)),
    Kind.REPAIRED: Type("copy.repaired", "A damaged copy is whole again.", (BOOK, COPY)),
    Kind.WITHDRAWN: Type("copy.withdrawn", "A copy left the library.", (BOOK, COPY)),
    Kind.TRANSIT: Type(
        "copy.sent", "A copy is on its way to another branch, home or to a member.", (BOOK, COPY, RESERVATION, MEMBER)
    ),
    Kind.RECEIVE: Type("copy.received", "A copy arrived at a branch.", (BOOK, COPY)),
    Kind.MEMBER_ENROLLED: Type("user.created", "Somebody became a member.", (MEMBER,)),
    Kind.MEMBER_EDITED: Type("user.updated", "A member's record changed.", (MEMBER,)),
    Kind.MEMBER_DELETED: Type("user.deleted", "A member left and was forgotten.", (MEMBER,)),
    Kind.BRANCH_SAVED: Type("branch.saved", "A branch was added or changed.", ()),
    Kind.BRANCH_DELETED: Type("branch.deleted", "A branch was removed.", ()),
    Kind.CATEGORY_SAVED: Type("category.saved", "A category of members was added or changed.", ()),
    Kind.CATEGORY_DELETED: Type("category.deleted", "A category of members was removed.", ()),
    Kind.POLICY_SAVED: Type("policy.saved", "A loan policy was added or changed.", ()),
    Kind.POLICY_DELETED: Type("policy.deleted", "A loan policy was removed.", ()),
    Kind.PARTNER_SAVED: Type("partner.saved", "A partner library was added or changed.", ()),
    Kind.PARTNER_DELETED: Type("partner.deleted", "A partner library was removed.", ()),
    Kind.PARTNER_ASKED: Type("partner.asked", "A partner library is asked to keep a copy, or not to.", (MEMBER,)),
    Kind.PARTNER_ANSWERED: Type("partner.answered", "A partner library said what became of that.", (MEMBER,)),
    Kind.BOOK_SYNCED: Type("book.synced", "What the other one of two services changed arrived here.", (BOOK,)),
}
