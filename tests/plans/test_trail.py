"""The audit trail is found by an index, and read no further than people turn pages, however long it is."""

import pytest
from django.utils import timezone

from events.models import Event

TRAIL = "/admin/events/event/"


@pytest.mark.parametrize(
    ("query", "index", "most"),
    [
        ("", "event_by_time", 800),  # counts to 10,000
        ("area=desk", "event_of_the_desk", 800),
        ("area=access", "event_of_kind", 800),
        ("kind__exact=renew", "event_of_kind", 800),
        ("actor_id=5", "event_of_actor", 50),
        ("address=192.0.2.1", "event_of_address", 50),
        ("q=192.0.2.1", "event_of_address", 50),
        ("record_id=7&kind__startswith=branch.", "event_of_record", 50),
        ("book_id=50000", "event_of_book", 100),
        ("q=50000", "event_of_book", 100),
        ("q=50000-1", "event_of_copy", 100),
        ("member_id=777", "event_of_member", 400),
        ("occurred_at__gte=2050-01-01+00:00Z", "event_by_time", 50),
    ],
)
def test_the_trail_is_read_in_part_and_by_an_index(plans_of, query, index, most):
    seen = {"actor_id": 5, "address": "192.0.2.1", "record_id": 7}
    Event.objects.create(kind="branch.saved", occurred_at=timezone.now(), **seen)

    plans = plans_of(f"{TRAIL}?{query}")

    assert index in plans.indexes, str(plans)
    assert plans.pages <= most, str(plans)
