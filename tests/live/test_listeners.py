"""One listener: what is told in which order, and what one misses who is slow."""

import asyncio

import pytest

from events.exceptions import Busy
from integrations.live import streaming
from integrations.live.listeners import GOODBYE, Listener, Listeners, News


def news(version, *, is_last=False):
    return News(version, b"%d;" % version, is_last)


def heard(listener):
    """What it would hear now, None for nothing."""
    found = asyncio.run(listener.next(0.01))
    return None if found is None else found.text


def test_the_newest_is_heard_and_what_came_before_is_not():
    listener = Listener(7)
    for version in (1, 2, 3):
        listener.tell(news(version))

    assert heard(listener) == b"3;"
    assert heard(listener) is None


@pytest.mark.parametrize("version", [3, 2])
def test_what_is_no_newer_is_not_heard(version):
    listener = Listener(7)
    listener.heard = 3
    listener.tell(news(version))
    assert heard(listener) is None

    listener.tell(news(5))
    listener.tell(news(4))
    listener.tell(news(version))
    assert heard(listener) == b"5;"
    listener.tell(news(version))
    assert heard(listener) is None


def test_what_was_heard_on_another_way_meanwhile_is_not_heard_again():
    """As when the present numbers are read for one who joined, while the feed tells of older ones."""
    listener = Listener(7)
    listener.tell(news(3))
    listener.heard = 4

    assert heard(listener) is None
    assert listener.heard == 4


def test_nothing_is_heard_after_the_last():
    listener = Listener(7)
    listener.tell(GOODBYE)
    listener.tell(news(5))

    assert heard(listener) == b""


def test_who_waits_is_told_at_once():
    async def scene():
        listeners = Listeners()
        one, other = listeners.join(7), listeners.join(8)
        waiting = asyncio.create_task(one.next(60))
        also_waiting = asyncio.create_task(other.next(0.01))
        await asyncio.sleep(0)
        listeners.tell({7: news(1)})
        return (await waiting).text, await also_waiting

    assert asyncio.run(scene()) == (b"1;", None)


def test_who_waits_is_not_woken_by_what_was_heard_already():
    async def scene():
        listener = Listener(7)
        listener.heard = 3
        waiting = asyncio.create_task(listener.next(60))
        await settled()
        listener.tell(news(3))
        await settled()
        is_woken = waiting.done()
        waiting.cancel()
        return is_woken

    assert asyncio.run(scene()) is False


def test_there_are_no_more_than_there_is_room_for(settings):
    settings.LIVE_LISTENERS = 2
    listeners = Listeners()
    first, _ = listeners.join(7), listeners.join(8)

    with pytest.raises(Busy):
        listeners.join(7)
    listeners.leave(first)
    listeners.join(9)

    assert (len(listeners), listeners.titles()) == (2, {8, 9})


class Line:
    """What an ASGI server does with a stream."""

    def __init__(self):
        self.sent = []
        self.room = asyncio.Event()
        self.room.set()
        self.gone = asyncio.Event()

    async def send(self, message):
        await self.room.wait()
        self.sent.append(message["body"])
        self.has_ended = not message["more_body"]

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def settled():
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_reads_slowly_misses_what_is_in_between_and_not_the_last():
    async def scene():
        line, listener = Line(), Listener(7)
        stream = asyncio.create_task(streaming.stream(listener, b"begin;", line.receive, line.send))
        await settled()
        line.room.clear()
        for version in range(1, 100):
            listener.tell(news(version))
            await settled()
        line.room.set()
        await settled()
        listener.tell(news(100, is_last=True))
        await stream
        return line.sent, line.has_ended

    assert asyncio.run(scene()) == ([b"begin;", b"1;", b"99;", b"100;"], True)


def test_while_nothing_happens_a_comment_is_sent_now_and_then(monkeypatch):
    monkeypatch.setattr(streaming, "KEEP_ALIVE", 0.01)

    async def scene():
        line = Line()
        stream = asyncio.create_task(streaming.stream(Listener(7), b"begin;", line.receive, line.send))
        while len(line.sent) < 4:
            await asyncio.sleep(0.01)
        line.gone.set()
        await stream
        return line.sent[:4]

    assert asyncio.run(scene()) == [b"begin;", b": still here\n\n", b": still here\n\n", b": still here\n\n"]


def test_the_stream_of_a_client_that_left_ends():
    async def scene():
        line = Line()
        line.gone.set()
        await asyncio.wait_for(streaming.stream(Listener(7), b"", line.receive, line.send), 30)

    asyncio.run(scene())
