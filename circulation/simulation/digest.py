"""The final state of a simulated library as one number, the same wherever the same happened."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from circulation.models import Loan
from circulation.simulation.desk import Holdings
from library.models import Copy, Member
from reservations.models import Reservation

SHORT = 12  # signs; enough to tell runs apart at a glance


def digest(holdings: Holdings) -> str:
    """SHA-256 over copies, loans, reservations and members, named by their numbers instead of by ids."""
    titles = {book_id: number for number, book_id in holdings.book_ids.items()}
    members: dict[int | None, int | None] = {pk: number for number, pk in holdings.member_ids.items()}
    members[None] = None
    copies: dict[int | None, tuple[int, int] | None] = {None: None}
    rows: list[list[Any]] = []
    for copy in Copy.objects.order_by("book_id", "id"):
        number = holdings.barcodes[titles[copy.book_id]].index(copy.barcode) + 1
        copies[copy.pk] = (titles[copy.book_id], number)
        rows.append(["copy", copies[copy.pk], copy.status, members[copy.holder_id], _when(copy.due_at)])
    rows += [["member", members[member.pk], member.blocked_reason] for member in Member.objects.order_by("id")]
    for loan in Loan.objects.order_by("id"):
        moments = [_when(loan.lent_at), _when(loan.due_at), _when(loan.returned_at)]
        rows.append(["loan", copies[loan.copy_id], members[loan.member_id], *moments, loan.renewals])
    for place in Reservation.objects.order_by("id"):
        who = [titles[place.book_id], members[place.member_id], copies[place.copy_id]]
        moments = [_when(place.placed_at), _when(place.shelf_until), _when(place.closed_at)]
        rows.append(["reservation", *who, place.status, place.priority, *moments])
    lines = sorted(json.dumps(row) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _when(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
