"""The ASGI application of the process where one listens to availability: one route, and what every process answers.

Django decides who may listen, in a few threads and with the middleware that the web server has. The streams
themselves it never sees: it would keep a thread for each (docs/decisions/0012-live-availability.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import django
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from config.environment import read_settings
from config.observability import tracing
from config.requests import InUtf8

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
read_settings()
django.setup(set_prefix=False)
tracing.start()

from config.observability.requests import HEADER  # noqa: E402  (models load after django.setup)
from integrations.live import feed  # noqa: E402
from integrations.live.listeners import LISTENERS  # noqa: E402
from integrations.live.streaming import Receive, Send, stream  # noqa: E402
from integrations.live.views import Admitted  # noqa: E402

logger = logging.getLogger(__name__)

THREADS = 4  # that admit listeners; each is done in a few milliseconds


class Utf8Request(InUtf8, ASGIRequest):
    pass


class Handler(BaseHandler):
    """From a request to its answer. Bodies are not read: nobody sends one here."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()

    def answer(self, scope: dict[str, Any]) -> HttpResponseBase:
        set_script_prefix("/")
        signals.request_started.send(sender=type(self), scope=scope)
        request = Utf8Request(scope, BytesIO())
        request.urlconf = "config.live_urls"
        response = self.get_response(request)
        # Its numbers are public and come without credentials, so that pages of whatever site may show them; a page of
        # ours that was sent here from another port is one of another site, too.
        response.headers.setdefault("Access-Control-Allow-Origin", "*")
        response.close()  # gives the connection to PostgreSQL back
        return response


class Application:
    def __init__(self) -> None:
        self._handler = Handler()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="admission")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """From the start of the process to its end."""
        await receive()
        loop = asyncio.get_running_loop()
        stop = threading.Event()

        def tell(news: Any) -> None:
            loop.call_soon_threadsafe(LISTENERS.tell, news)

        def end(number: int, frame: object) -> None:
            # The server waits for open requests, and these would stay for ever. It hears of the signal as well: asyncio
            # takes note of it before this is called.
            stop.set()
            loop.call_soon_threadsafe(LISTENERS.end)

        def run_feed() -> None:
            try:
                feed.follow(LISTENERS, tell, stop)
            finally:
                if not stop.is_set():  # a defect: better no process than one that tells nothing any more
                    os.kill(os.getpid(), signal.SIGTERM)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        _allow_open_files()
        threading.Thread(target=run_feed, name="feed", daemon=True).start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        stop.set()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._handler.answer, scope)
        try:
            await send({"type": "http.response.start", "status": response.status_code, "headers": _headers(response)})
            if isinstance(response, Admitted) and scope["method"] == "GET":
                await stream(response.listener, response.beginning, receive, send)
            else:
                await send(
                    {"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else _body(response)}
                )
        finally:
            if isinstance(response, Admitted):
                LISTENERS.leave(response.listener)
                logger.debug("A listener left.", extra={"request_id": response.headers.get(HEADER)})


def _headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in [*response.items(), *cookies]]


def _body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else bytes(response.content)


def _allow_open_files() -> None:
    """Each listener is one, and the usual limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


application = Application()
