"""What the model of the desk knows: plain rows that refer to each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

WAITING, SUSPENDED, READY = "waiting", "suspended", "ready"
FULFILLED, CANCELLED, EXPIRED = "fulfilled", "cancelled", "expired"
AVAILABLE, ON_LOAN, ON_HOLD_SHELF, IN_TRANSIT = "available", "on_loan", "on_hold_shelf", "in_transit"
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


# The branches, by hours from UTC: when each closes, and on which days of the week it stays closed.
CLOSES: dict[int, tuple[time, set[int]]] = {
    0: (time(23, 59, 59), set()),
    14: (time(18), {6}),
    -7: (time(17, 30), {0, 5, 6}),
}


def closing_after(now: datetime, days: int, hours_from_utc: int) -> datetime:
    """When that branch next closes, so many days from now at the soonest."""
    closing, closed = CLOSES[hours_from_utc]
    there = timedelta(hours=hours_from_utc)
    day = (now + there).date() + timedelta(days=days)
    while day.weekday() in closed or datetime.combine(day, closing, UTC) - there <= now:
        day += timedelta(days=1)
    return datetime.combine(day, closing, UTC) - there


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
    pick_up: int = 0  # the branch, by its hours from UTC
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
