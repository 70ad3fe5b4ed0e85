"""Who may listen, and from what on. At the web server: where one listens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.live.listeners import LISTENERS, Listener
from integrations.live.wording import FIRST, STILL_HERE, numbers
from library.api.operations import OperationView
from library.exceptions import BookNotFound
from reservations import availability
from rest.schema import endpoint

EXAMPLE = """retry: 2000

id: 184
event: availability
data: {"book_id":1,"total":2,"available":1,"on_loan":1,"on_hold_shelf":0,"waiting":0,\
"next_due_at":"2026-03-30T23:59:59Z","estimated_wait_days":0,"version":184,\
"branches":[{"branch":"Main Library","total":2,"available":1}]}

: still here

"""
DESCRIPTION = (
    "Server-sent events. First, and then with every change: an event `availability`, whose data is that of "
    "`/api/books/{book_id}/availability` and whose id is the title's `version`. Whoever comes again with that as "
    "`Last-Event-ID`, and nothing has changed, is not told again. Every 15 seconds without news a comment shows that "
    "the line stands. `gone` says that the title was withdrawn, and is the last event.\n\n"
    "A process of its own holds these streams. Where no proxy sends such requests there, 307 says where it is; where "
    "there is none, the answer is 404 `NOT_FOUND`."
)


class EventStreamRenderer(JSONRenderer):
    """Lets clients ask for a stream of events. What is none, such as an error, is JSON as ever."""

    media_type = "text/event-stream"
    format = "events"


class AvailabilityStream(OperationView):
    """At the web server, which would have to keep a thread for each who listens."""

    tag = "catalogue"

    def get_renderers(self) -> list[BaseRenderer]:
        return [*super().get_renderers(), EventStreamRenderer()]

    @endpoint(
        name="books_availability_stream",
        summary="How many copies of a title are where, as it changes",
        description=DESCRIPTION,
        answers={307: None},
        headers={307: ["Location"]},
        stream=EXAMPLE,
        refusals=["BOOK_NOT_FOUND", "NOT_FOUND", "BUSY"],
    )
    def get(self, request: Request, book_id: int) -> HttpResponseBase:
        availability.of(book_id)  # raises BookNotFound
        where = live_url(request)
        if not where:
            raise NotFound("Live availability is served by a process of its own, and this service does not know where.")
        return HttpResponse(status=307, headers={"Location": where + request.get_full_path()})

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(final, Response) and isinstance(final.accepted_renderer, EventStreamRenderer):
            final.content_type = final.content_type or "application/json"
        return final


def live_url(request: Request) -> str:
    """Where one listens, as LIVE_URL says. `:8001` is a port of whatever host the request was sent to."""
    url = settings.LIVE_URL
    if not url.startswith(":"):
        return url
    host = request.get_host()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return f"{request.scheme}://{name}{url}"


class Admitted(StreamingHttpResponse):
    """The beginning of a stream, and who listens to what follows. Whoever gets it must see that they leave."""

    def __init__(self, listener: Listener, beginning: bytes) -> None:
        super().__init__([beginning], content_type=EventStreamRenderer.media_type)
        self.listener = listener
        self.beginning = beginning
        self["Cache-Control"] = "no-cache"
        self["X-Accel-Buffering"] = "no"  # nginx would keep events back until it has a few kilobytes


class Listen(AvailabilityStream):
    """At the process where one listens."""

    def get(self, request: Request, book_id: int) -> HttpResponseBase:
        listener = LISTENERS.join(book_id)  # before the numbers are read, so that nothing in between is missed
        try:
            return Admitted(listener, FIRST + _news(listener, _known(request)))
        except BaseException:
            LISTENERS.leave(listener)
            raise


def _news(listener: Listener, known: int | None) -> bytes:
    """The present numbers, unless these are known. Raises BookNotFound."""
    book_id = listener.book_id
    title = availability.of(book_id)
    if known is not None and known > title["version"]:  # the cache is older than what was heard already
        found = availability.count([book_id])
        if book_id not in found:
            raise BookNotFound(book_id)
        title = found[book_id]
    listener.heard = title["version"]
    return STILL_HERE if known == title["version"] else numbers(title).text


def _known(request: Request) -> int | None:
    """The version that `Last-Event-ID` names; None without one, and for what can be none."""
    text = request.headers.get("Last-Event-ID", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
