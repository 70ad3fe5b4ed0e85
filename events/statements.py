"""An event as the last part of a statement that changes what it tells of: for what a desk does all day.

SQL rather than the ORM, which takes longer to build each of three statements than PostgreSQL takes to carry them out.
"""

from __future__ import annotations

import json
from typing import Any

from events.models import Event


def with_event(changes: str, *, changed: str, loan_id: str = "%(loan)s::bigint", returning: str = "id") -> str:
    """`changes` are a WITH clause. The event is written if its part `changed` has a row, and `returning` comes back."""
    return f"""{changes}
INSERT INTO events_event
    (kind, occurred_at, book_id, copy_id, member_id, loan_id, reservation_id, actor_id, key_id, address,
     request_id, source, payload)
SELECT %(kind)s, %(at)s::timestamptz, %(book)s::bigint, %(copy)s::bigint, %(member)s::bigint, {loan_id},
       %(reservation)s::bigint, %(actor)s::bigint, %(key)s::bigint, %(address)s::inet, %(request)s::varchar,
       %(source)s::varchar, %(payload)s::jsonb
FROM {changed}
RETURNING {returning}
"""


def parameters_of(told: Event) -> dict[str, Any]:
    """Of such a statement, for its event; other parts may use them too."""
    return {
        "kind": told.kind,
        "at": told.occurred_at,
        "book": told.book_id,
        "copy": told.copy_id,
        "member": told.member_id,
        "loan": told.loan_id,
        "reservation": told.reservation_id,
        "actor": told.actor_id,
        "key": told.key_id,
        "address": told.address,
        "request": told.request_id,
        "source": told.source,
        "payload": json.dumps(told.payload),
    }
