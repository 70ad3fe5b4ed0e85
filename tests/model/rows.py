"""What the model of the desk knows: plain rows that refer to each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

WAITING, SUSPENDED, READY = "waiting", "suspended", "ready"
FULFILLED, CANCELLED, EXPIRED = "fulfilled", "cancelled", "expired"
AVAILABLE, ON_LOAN, ON_HOLD_SHELF = "available", "on_loan", "on_hold_shelf"
MISSING, LOST, DAMAGED, WITHDRAWN = "missing", "lost", "damaged", "withdrawn"


@dataclass
class Terms:
    loan_days: int = 28
    max_loans: int = 5
    max_renewals: int = 2
    max_reservations: int = 5
    shelf_days: int = 7
    lend_while_overdue: bool = False


@dataclass(eq=False)
class Member:
    kind: str = ""
    blocked: bool = False
    expires_on: date | None = None
    deleted: bool = False


@dataclass(eq=False)
class Title:
    kind: str = ""
    circulating: bool = True
    withdrawn_at: datetime | None = None


@dataclass(eq=False)
class Copy:
    title: Title
    barcode: str
    hours_from_utc: int = 0
    state: str = AVAILABLE
    holder: Member | None = None
    due_at: datetime | None = None

    def becomes(self, state: str, holder: Member | None = None, due_at: datetime | None = None) -> None:
        self.state, self.holder, self.due_at = state, holder, due_at

    def end_of_day(self, now: datetime, days: int) -> datetime:
        """The last second of a day where this copy stands."""
        there = timedelta(hours=self.hours_from_utc)
        return datetime.combine((now + there).date() + timedelta(days=days), time(23, 59, 59), UTC) - there


@dataclass(eq=False)
class Loan:
    copy: Copy
    member: Member | None
    lent_at: datetime
    due_at: datetime
    returned_at: datetime | None = None
    renewals: int = 0


@dataclass(eq=False)
class Reservation:
    title: Title
    member: Member | None
    placed_at: datetime
    needed_by: datetime | None = None
    state: str = WAITING
    priority: int = 0
    copy: Copy | None = None
    shelf_until: datetime | None = None
    closed_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.state in (WAITING, SUSPENDED, READY)

    def becomes(self, state: str, now: datetime, copy: Copy | None = None, shelf_until: datetime | None = None) -> None:
        self.state, self.copy, self.shelf_until = state, copy, shelf_until
        self.closed_at = None if self.live else now
