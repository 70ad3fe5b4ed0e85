"""What goes to the other service's store: for each event, the rows of ours that it tells of, as they are now.

A row may already be newer than the event; then a later event will tell of it again. Its version is the event's id:
whoever receives it takes over nothing that is older than what they have.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from events.models import Publication
from integrations.stores.tables import Row, Table, named_by


def messages(publications: Sequence[Publication]) -> list[str]:
    """One for each, also where nothing of ours is told of: positions have no gaps."""
    named = [named_by(publication.event) for publication in publications]
    wanted: dict[Table, set[int]] = defaultdict(set)
    for rows in named:
        for table, row in rows:
            wanted[table].add(row)
    present: dict[Table, dict[int, Row]] = {table: table.present(ids) for table, ids in wanted.items()}
    return [
        json.dumps(
            {
                "version": publication.event_id,
                "rows": [[table.name, row, present[table].get(row)] for table, row in rows],
            }
        )
        for publication, rows in zip(publications, named, strict=True)
    ]
