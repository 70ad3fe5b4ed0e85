"""One example of each error, as the API description shows it: status, message and details."""

from typing import Any

Example = tuple[int, str, Any]


def _refusal(http: int, code: str, message: str, /, *, overridable: bool = False, **facts: Any) -> Example:
    return http, message, {"refusals": [{"code": code, "message": message, "overridable": overridable, **facts}]}


def _rule(code: str, message: str, /, **facts: Any) -> Example:
    return _refusal(422, code, message, overridable=True, **facts)


EXAMPLES: dict[str, Example] = {
    "MALFORMED_JSON": (400, "The body is not valid JSON: Expecting value: line 1 column 1 (char 0).", None),
    "VALIDATION_ERROR": (
        400,
        "Some of what you sent is not valid.",
        {"member_id": [{"code": "required", "message": "This field is required."}]},
    ),
    "IDEMPOTENCY_KEY_INVALID": (
        400,
        "An Idempotency-Key is 1 to 255 printable ASCII characters, quoted or bare.",
        None,
    ),
    "NOT_AUTHENTICATED": (401, "Authentication credentials were not provided.", None),
    "TOKEN_INVALID": (401, "This token is not valid, or no longer. Please sign in again.", None),
    "NOT_FOUND": (404, "There is nothing at this address.", None),
    "METHOD_NOT_ALLOWED": (405, 'Method "PATCH" not allowed.', None),
    "THROTTLED": (429, "Request was throttled. Expected available in 7 seconds.", None),
    "PERMISSION_DENIED": (403, "You do not have permission to perform this action.", None),
    "BOOK_NOT_FOUND": (404, "There is no title 999999.", None),
    "COPY_NOT_FOUND": (404, "There is no copy with barcode 999999-1.", None),
    "MEMBER_NOT_FOUND": (404, "There is no member 999999.", None),
    "LOAN_NOT_FOUND": (404, "There is no loan 999999.", None),
    "RESERVATION_NOT_FOUND": (404, "There is no reservation 999999.", None),
    "INVALID_REQUEST": (422, "Write format=json: there is no other form.", None),
    "NOT_ACCEPTABLE": (406, "Could not satisfy the request Accept header.", None),
    "COPY_ON_LOAN": _refusal(409, "COPY_ON_LOAN", "Copy 1-1 is on loan to somebody else.", barcode="1-1"),
    "COPY_HELD_FOR_OTHER": _refusal(
        409, "COPY_HELD_FOR_OTHER", "Copy 1-1 is set aside for somebody else.", barcode="1-1"
    ),
    "NO_COPY_AVAILABLE": _refusal(
        409, "NO_COPY_AVAILABLE", "No copy of “Middlemarch” is free.", available=0, waiting=2
    ),
    "COPY_AVAILABLE": _refusal(
        409, "COPY_AVAILABLE", "“Middlemarch” need not be reserved: it can be borrowed now.", available=1
    ),
    "COPY_NOT_ON_LOAN": _refusal(409, "COPY_NOT_ON_LOAN", "Copy 1-1 is not on loan. It is available."),
    "ALREADY_BORROWED": _refusal(409, "ALREADY_BORROWED", "Ada Lovelace already has “Middlemarch” on loan."),
    "RESERVATION_EXISTS": _refusal(
        409, "RESERVATION_EXISTS", "Ada Lovelace already stands in the line for “Middlemarch”."
    ),
    "RESERVATION_CLOSED": _refusal(
        409, "RESERVATION_CLOSED", "This reservation was already cancelled.", status="cancelled"
    ),
    "QUEUE_EMPTY": _refusal(409, "QUEUE_EMPTY", "Nobody is waiting for “Middlemarch”."),
    "NO_COPY_TO_FULFILL": _refusal(409, "NO_COPY_TO_FULFILL", "No copy of “Middlemarch” is set aside for the line."),
    "BOOK_HAS_OPEN_LOANS": _refusal(
        409, "BOOK_HAS_OPEN_LOANS", "“Middlemarch” cannot be withdrawn: 2 on loan.", open=2
    ),
    "MEMBER_HAS_OPEN_LOANS": _refusal(409, "MEMBER_HAS_OPEN_LOANS", "Ada Lovelace still has 1 on loan.", open=1),
    "DUPLICATE": (
        409,
        "Another copy already has this barcode.",
        {"barcode": [{"code": "unique", "message": "Another copy already has this barcode."}]},
    ),
    "PARTNER_REFUSED": _refusal(
        409,
        "PARTNER_REFUSED",
        "Riverside Library said no: Reader 3 of Circdesk Library has 5 reservations, and 5 is the limit.",
        partner="Riverside Library",
        reasons=[
            {
                "code": "RESERVATION_LIMIT_REACHED",
                "message": "Reader 3 of Circdesk Library has 5 reservations, and 5 is the limit.",
            }
        ],
    ),
    "PARTNER_CANNOT_RESERVE": _refusal(
        422, "PARTNER_CANNOT_RESERVE", "Nothing can be reserved at Hillside Library from here."
    ),
    "PARTNER_UNKNOWN_TITLE": _refusal(
        422, "PARTNER_UNKNOWN_TITLE", "“Middlemarch” has no ISBN, by which Riverside Library could find it."
    ),
    "STALE_QUEUE": (
        409,
        "The line has changed since you read it. Read it again, then repeat your change.",
        {"version": 184},
    ),
    "IDEMPOTENCY_IN_PROGRESS": (
        409,
        "A request with this Idempotency-Key is still running. Wait for its answer, then try again.",
        None,
    ),
    "STALE_VERSION": (412, "This record has changed since you read it. Read it again, then repeat your change.", None),
    "PAYLOAD_TOO_LARGE": (413, "The body is too large. At most 1 MB is read.", None),
    "UNSUPPORTED_MEDIA_TYPE": (415, 'Unsupported media type "text/plain" in request.', None),
    "MEMBER_BLOCKED": _rule(
        "MEMBER_BLOCKED", "Ada Lovelace is blocked: card reported stolen", reason="card reported stolen"
    ),
    "MEMBER_EXPIRED": _rule(
        "MEMBER_EXPIRED", "Ada Lovelace's membership ended on 2025-10-31.", expires_on="2025-10-31"
    ),
    "MEMBER_HAS_OVERDUE": _rule("MEMBER_HAS_OVERDUE", "Ada Lovelace has 1 overdue.", overdue=1),
    "LOAN_LIMIT_REACHED": _rule(
        "LOAN_LIMIT_REACHED", "Ada Lovelace has 5 on loan, and 5 is the limit.", open=5, limit=5
    ),
    "LOAN_TOO_LONG": _rule(
        "LOAN_TOO_LONG", "60 days is too long: this title is lent for at most 28.", days=60, limit=28
    ),
    "RESERVATION_LIMIT_REACHED": _rule(
        "RESERVATION_LIMIT_REACHED", "Ada Lovelace has 5 reservations, and 5 is the limit.", open=5, limit=5
    ),
    "RENEWAL_LIMIT_REACHED": _rule(
        "RENEWAL_LIMIT_REACHED", "This loan was renewed 2 times, and 2 is the limit.", renewals=2, limit=2
    ),
    "RENEWAL_BLOCKED_BY_RESERVATION": _rule(
        "RENEWAL_BLOCKED_BY_RESERVATION",
        "“Middlemarch” cannot be renewed: somebody is waiting for it.",
        waiting=1,
    ),
    "COPY_NOT_CIRCULATING": _refusal(422, "COPY_NOT_CIRCULATING", "“Middlemarch” is out of circulation."),
    "INVALID_TRANSITION": _refusal(
        422, "INVALID_TRANSITION", "Copy 1-1 was not damaged. It is available.", status="available"
    ),
    "IDEMPOTENCY_KEY_REUSED": (
        422,
        "This Idempotency-Key was used for a different request. Use a new key for a new request.",
        None,
    ),
    "BUSY": (503, "The desk is busy with this title or member. Please try again.", None),
    "DATABASE_UNAVAILABLE": (503, "The database does not answer. Please try again in a moment.", None),
}
