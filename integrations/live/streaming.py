"""The stream of one listener, over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from integrations.live.listeners import GOODBYE, Listener
from integrations.live.wording import STILL_HERE

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

KEEP_ALIVE = 15.0  # seconds; proxies end a line on which nothing was sent for a minute


async def stream(listener: Listener, beginning: bytes, receive: Receive, send: Send) -> None:
    """The body of the answer: from its beginning until the title, the client or this process goes."""
    watch = asyncio.create_task(_watch(listener, receive))
    try:
        await send({"type": "http.response.body", "body": beginning, "more_body": True})
        is_last = False
        while not is_last:
            news = await listener.next(KEEP_ALIVE)
            text, is_last = (STILL_HERE, False) if news is None else (news.text, news.is_last)
            await send({"type": "http.response.body", "body": text, "more_body": not is_last})
    finally:
        watch.cancel()


async def _watch(listener: Listener, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.tell(GOODBYE)
