"""What a client of the storm remembers of each operation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Asked:
    """One operation, under one key, however often it was sent. Times are seconds since the storm began."""

    key: str  # also its X-Request-ID, so that events name it
    operation: str
    path: str
    body: dict[str, Any]
    begun: float
    ended: float | None = None
    status: int | None = None  # None: nobody knows whether it was done
    answer: str = ""
    again: list[str] = field(default_factory=list)  # what the same key was answered later
    tries: int = 0

    @property
    def is_acknowledged(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def is_refused(self) -> bool:
        return self.status is not None and 400 <= self.status < 500

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.answer)["data"]
        return found


@dataclass(frozen=True)
class Looked:
    """A title's availability as somebody was shown it: asked for at `at`, in seconds since the storm began."""

    book_id: int
    at: float
    version: int  # the title's last event, of which it knew


@dataclass(frozen=True)
class Told:
    """An event, as the database has it."""

    id: int
    kind: str
    request_id: str | None
    book_id: int | None
    loan_id: int | None
    reservation_id: int | None
    is_undoing: bool = False


@dataclass(frozen=True)
class Found:
    """What is there when the storm is over, and what was shown meanwhile."""

    events: list[Told]  # in order of id
    stored: dict[str, tuple[int, str]]  # by key: status and body
    places: dict[int, tuple[int, Any, int]]  # of each reservation: priority, when it was placed, id
    positions: list[tuple[int, int]]  # of what was published: position and event
    notices: dict[str, str]  # state of each, by Message-ID
    mails: list[str]  # the Message-IDs that the mail server took
    broken: list[str]  # invariants
    ready: set[int] = field(default_factory=set)  # the reservations whose member a notice tells of their copy
    looks: list[Looked] = field(default_factory=list)
