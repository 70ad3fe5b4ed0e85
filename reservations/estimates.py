"""How long a place in the line may take."""

from collections.abc import Sequence
from datetime import datetime, timedelta

# What each turn after the present loans is reckoned with; the length of a usual loan.
DAYS_A_TURN = 28


def wait_in_days(position: int, due: Sequence[datetime], *, at: datetime) -> int | None:
    """Whole days until the reservation at this position (1 is the head) may be served.

    Every copy on loan is taken to come back on its due date, soonest first, or today if that has passed, and then
    to be lent for a usual loan again. None when no copy is on loan.
    """
    if position < 1:
        return 0
    if not due:
        return None
    turn, copy = divmod(position - 1, len(due))
    back = max(sorted(due)[copy], at) + timedelta(days=turn * DAYS_A_TURN)
    return -((at - back) // timedelta(days=1))
