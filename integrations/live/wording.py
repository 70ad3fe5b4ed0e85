"""What goes over the line: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import math

from rest_framework.renderers import JSONRenderer

from integrations.live.listeners import News
from reservations.api.books import availability_data
from reservations.availability import Availability

RETRY = 2000  # milliseconds until a client whose connection was lost comes again
FIRST = b"retry: %d\n\n" % RETRY
STILL_HERE = b": still here\n\n"


def numbers(title: Availability) -> News:
    """The present numbers: the object that `GET .../availability` has as its data, under the title's version."""
    data = JSONRenderer().render(availability_data(title))
    return News(title["version"], b"id: %d\nevent: availability\ndata: %s\n\n" % (title["version"], data))


def gone(book_id: int) -> News:
    """The title was withdrawn. The stream ends with this."""
    return News(math.inf, b'event: gone\ndata: {"book_id":%d}\n\n' % book_id, is_last=True)
