"""A stream of our own, empty at the beginning, and messages that say no more than which event they tell of."""

import json

import pytest

from events import relay
from events.models import Event
from events.stream import Stream
from tests.factories import NOW


def short(publications):
    return [json.dumps({"id": publication.event_id, "position": publication.position}) for publication in publications]


@pytest.fixture
def stream(monkeypatch):
    """The one outlet of the relay, which has no other handler."""
    stream = Stream("tests")
    stream.remove()
    monkeypatch.setattr(relay, "handlers", [])
    monkeypatch.setattr(relay, "outlets", [relay.Outlet(stream, short)])
    yield stream
    stream.remove()


def happen(count):
    """So many events. Returns their ids."""
    return [
        Event.objects.create(kind=Event.Kind.MEMBER_EDITED, member_id=number, occurred_at=NOW).pk
        for number in range(count)
    ]


def publish():
    """As the relay does; returns how many."""
    published = 0
    while batch := relay.relay_pending():
        published += batch
    return published
