"""One of each kind of data that answers have, for examples."""

from __future__ import annotations

from typing import Any

from accounts.api.tokens import ACCESS, REFRESH
from config.api.index import PLACES

HERE = "https://library.example.org"
BOOK = {
    "id": 1,
    "title": "Middlemarch",
    "author": "George Eliot",
    "isbn": "9780141439549",
    "publisher": "Penguin",
    "category": "fiction",
    "language": "en",
    "published_year": 1871,
    "in_circulation": True,
    "available": 1,
    "total": 2,
    "version": 184,
}
COPY = {
    "barcode": "1-1",
    "book_id": 1,
    "branch": "Main Library",
    "status": "available",
    "due_at": None,
    "holder_id": None,
}
MEMBER = {
    "id": 2,
    "name": "Ada Lovelace",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.org",
    "card_number": "C00000002",
    "category": "standard",
    "branch": "Main Library",
    "expires_on": None,
    "blocked_reason": "",
}
LOAN = {
    "id": 7,
    "book_id": 1,
    "title": "Middlemarch",
    "copy_barcode": "1-1",
    "member_id": 2,
    "lent_at": "2026-03-02T10:15:00Z",
    "due_at": "2026-03-30T23:59:59Z",
    "returned_at": None,
    "renewals": 0,
    "overdue": False,
}
RESERVATION = {
    "id": 5,
    "book_id": 1,
    "title": "Middlemarch",
    "member_id": 3,
    "status": "waiting",
    "position": 1,
    "placed_at": "2026-03-05T14:30:00Z",
    "estimated_wait_days": 25,
    "shelf_until": None,
    "needed_by": None,
    "copy_barcode": None,
    "branch": "Main Library",
}
KEY = {
    "id": 4,
    "name": "Self-check machine, entrance",
    "owner": "admin",
    "prefix": "cdk_8Kx2mQ4v",
    "scopes": ["catalogue:read", "circulation:write"],
    "created_at": "2026-03-01T09:00:00Z",
    "expires_at": None,
    "last_used_at": None,
    "revoked_at": None,
}
WEBHOOK = {
    "id": 3,
    "url": "https://catalogue.example.org/circdesk",
    "types": ["book.borrowed", "book.returned"],
    "description": "",
    "active": True,
    "silent_because": "",
    "failing_since": None,
    "owner": "admin",
    "key_id": None,
    "created_at": "2026-03-01T09:00:00Z",
}
JOB = {
    "id": 12,
    "kind": "import_members",
    "state": "done",
    "asked_by": "grace",
    "created_at": "2026-03-02T10:15:00Z",
    "started_at": "2026-03-02T10:15:00Z",
    "ended_at": "2026-03-02T10:15:02Z",
    "progress": {"done": 377, "total": 377},
    "result": {"added": 376, "changed": 0, "unchanged": 0, "refused": 1},
    "message": "members.csv: 376 added, 0 changed, 0 unchanged, 1 refused.",
    "refused": 1,
    "notes": ["members.csv:17: 'ada.example.org' is not an e-mail address."],
    "links": {"result": None, "errors": "/api/jobs/12/errors/"},
}
QUEUED = JOB | {
    "state": "queued",
    "started_at": None,
    "ended_at": None,
    "progress": {"done": 0, "total": 0},
    "result": {},
    "message": "",
    "refused": 0,
    "notes": [],
    "links": {"result": None, "errors": None},
}
ACCEPTED = "Accepted as job 12: /api/jobs/12/ tells how far it is."
NOTICES = {
    "language": "en",
    "unwanted": ["returned"],
    "kinds": [
        "registration",
        "reserved",
        "ready",
        "expiring",
        "due_soon",
        "overdue",
        "returned",
        "renewed",
        "cancelled",
    ],
}
SECRET = "whsec_bm90aGluZyBzaWducyB3aXRoIHRoaXMgb25lIHlldCE="
BRANCH = {"branch": "Main Library", "total": 2, "available": 1}
AVAILABILITY = {
    "book_id": 1,
    "total": 2,
    "available": 1,
    "on_loan": 1,
    "on_hold_shelf": 0,
    "waiting": 0,
    "next_due_at": "2026-03-30T23:59:59Z",
    "estimated_wait_days": 0,
    "version": 184,
    "branches": [BRANCH],
}
HELD = RESERVATION | {
    "status": "ready",
    "position": 0,
    "estimated_wait_days": 0,
    "shelf_until": "2026-03-18T23:59:59Z",
    "copy_barcode": "1-1",
}
CANCELLED = RESERVATION | {"status": "cancelled", "position": None, "estimated_wait_days": None}
BORROWED = BOOK | {
    "loan_id": 7,
    "copy_barcode": "1-1",
    "lent_at": "2026-03-02T10:15:00Z",
    "due_at": "2026-03-30T23:59:59Z",
    "overdue": False,
}
ELSEWHERE = {
    "id": 2,
    "partner": "Riverside Library",
    "book_id": 1,
    "title": "Middlemarch",
    "member_id": 3,
    "state": "confirmed",
    "reserved_until": "2026-03-31T23:59:59Z",
    "remote_id": 71,
    "remote_status": "ready",
    "shelf_until": "2026-03-31T23:59:59Z",
    "message": "",
    "asked_at": "2026-03-11T16:40:00Z",
}
UNCONFIRMED = ELSEWHERE | {
    "state": "unconfirmed",
    "remote_id": None,
    "remote_status": "",
    "shelf_until": None,
    "message": "It did not answer in time.",
}
# By the names of the components. What is not here is put together from what is.
DATA: dict[str, Any] = {
    "Availability": AVAILABILITY
    | {
        "partners": [
            {"name": "Riverside Library", "available": True, "copies_available": 1, "copies_total": 2, "age": 4},
            {
                "name": "Hillside Library",
                "available": None,
                "copies_available": None,
                "copies_total": None,
                "age": None,
            },
        ]
    },
    "BatchResult": {
        "status": 200,
        "body": {"success": True, "message": "Copy 1-1 is now due on 2026-03-30.", "data": LOAN},
    },
    "Book": BOOK,
    "BorrowedBook": BORROWED,
    "Copy": COPY,
    "Daia": {
        "document": [
            {
                "id": f"{HERE}/api/books/1/",
                "requested": "urn:isbn:9780141439549",
                "href": f"{HERE}/api/books/1/",
                "about": "Middlemarch / George Eliot",
                "item": [
                    {
                        "id": f"{HERE}/api/copies/1-1/",
                        "href": f"{HERE}/api/copies/1-1/",
                        "label": "1-1",
                        "department": {"content": "Main Library"},
                        "available": [{"service": "presentation"}, {"service": "loan"}],
                        "unavailable": [],
                    },
                    {
                        "id": f"{HERE}/api/copies/1-2/",
                        "href": f"{HERE}/api/copies/1-2/",
                        "label": "1-2",
                        "department": {"content": "Main Library"},
                        "available": [],
                        "unavailable": [
                            {"service": "presentation", "expected": "2026-03-30"},
                            {"service": "loan", "expected": "2026-03-30"},
                        ],
                    },
                ],
            }
        ],
        "institution": {"id": f"{HERE}/", "href": f"{HERE}/", "content": "Circdesk Library"},
        "timestamp": "2026-03-02T10:15:00Z",
    },
    "Delivery": {
        "id": 61,
        "webhook_id": "all-184",
        "event_id": 184,
        "type": "book.borrowed",
        "state": "delivered",
        "attempts": 1,
        "created_at": "2026-03-02T10:15:00Z",
        "next_attempt_at": None,
        "last_attempt_at": "2026-03-02T10:15:01Z",
        "status": 204,
        "answer": "",
        "error": "",
        "duration_ms": 48,
    },
    "Event": {
        "id": 184,
        "kind": "checkout",
        "occurred_at": "2026-03-02T10:15:00Z",
        "book_id": 1,
        "copy_id": 1,
        "member_id": 2,
        "loan_id": 7,
        "reservation_id": None,
        "actor_id": 1,
        "payload": {},
    },
    "Job": JOB,
    "Key": KEY,
    "Loan": LOAN,
    "Me": {"username": "ada", "email": "ada@example.org", "role": "member", "scopes": None, "member": MEMBER},
    "Member": MEMBER,
    "Moved": {"copy": COPY, "next": None},
    "NewSubscription": WEBHOOK | {"secret": SECRET},
    "Subscription": WEBHOOK,
    "NewKey": KEY | {"key": "cdk_8Kx2mQ4vT7aZ3rW9bN1cJ6yL0pE5sHgUdFiVoRtXqMk"},
    "NoticePreferences": NOTICES,
    "Pair": {"access": ACCESS, "refresh": REFRESH},
    "PartnerReservation": ELSEWHERE,
    "Places": {name: f"{HERE}{path}" for name, path in PLACES.items()},
    "Queue": {"book_id": 1, "version": 184, "reservations": [RESERVATION]},
    "Registered": {"username": "ada", "role": "member", "member": MEMBER},
    "Reservation": RESERVATION,
    "Returned": {
        "loan": LOAN | {"returned_at": "2026-03-11T16:40:00Z"},
        "next": {"action": "hold", "reservation": HELD},
    },
    "Scanned": {
        "action": "lent",
        "member": {
            "id": 2,
            "name": "Ada Lovelace",
            "card_number": "C00000002",
            "blocked_reason": "",
            "expires_on": None,
            "is_expired": False,
            "open_loans": 1,
            "overdue": 0,
            "to_collect": [],
        },
        "copy": {
            "barcode": "1-1",
            "book_id": 1,
            "title": "Middlemarch",
            "branch": "Main Library",
            "status": "on_loan",
        },
        "loan": LOAN,
        "next": None,
        "undo": None,
    },
    "Statistics": {
        "as_of": "2026-03-11T17:00:00Z",
        "since": "2026-02-10T00:00:00Z",
        "days": [
            {
                "day": "2026-03-11",
                "loans": 31,
                "returns": 27,
                "open_loans": 214,
                "overdue": 9,
                "waiting": 40,
                "ready": 12,
            }
        ],
        "top_titles": [{"book_id": 1, "title": "Middlemarch", "loans": 9}],
        "longest_lines": [{"book_id": 1, "title": "Middlemarch", "waiting": 3}],
        "titles": 1200,
        "copies": 1950,
        "open_loans": 412,
        "overdue": 17,
        "waiting": 38,
        "ready": 6,
        "turnover": 0.46,
    },
    "Branch": {
        "name": "Main Library",
        "time_zone": "Europe/Berlin",
        "closing_times": {
            "monday": None,
            "tuesday": "18:00:00",
            "wednesday": "18:00:00",
            "thursday": "20:00:00",
            "friday": "18:00:00",
            "saturday": "14:00:00",
            "sunday": None,
        },
        "closed_on": ["2026-12-25", "2026-12-26"],
    },
    "Status": {"book_id": 1, "availability": {"Riverside Library": True, "Hillside Library": None}},
    "StatusBook": BOOK
    | {
        "status": "available",
        "expected_return_at": "2026-03-30T23:59:59Z",
        "borrowers": [{"user_id": 2, "name": "Ada Lovelace", "copy_barcode": "1-1", "due_at": "2026-03-30T23:59:59Z"}],
    },
    "UserWithBooks": {"id": 2, "name": "Ada Lovelace", "borrowed_books": [BORROWED]},
}
