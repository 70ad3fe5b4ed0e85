"""Live availability: what those who listen cost the process that holds them, and how soon all have heard of a change.

`python -m benchmarks.live` measures this alone.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psutil

from benchmarks import library, places, processes
from config import embedded

LISTENERS = 500
CHANGES = 20
IDLE = 15.0  # seconds in which nothing happens, except that each is told once that the line stands
BOOK, MEMBER = library.BOOKS, library.MEMBERS  # those that the desk's load asks for least
REQUEST = (
    f"GET /api/books/{BOOK}/availability/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
).encode()
EVENT = b"event: availability"


@dataclass(frozen=True)
class Live:
    alone: int  # bytes of memory of the process that holds the streams, with nobody there
    each: float  # bytes more for each listener
    idle: float  # the part of a core that they take while nothing happens
    heard: Sequence[
        float
    ]  # for each change, seconds from the sending of the request until the last one had the numbers

    @property
    def p95(self) -> float:
        return sorted(self.heard)[int(len(self.heard) * 0.95)]


def measure(web: places.Web) -> Live:
    """Lends and takes back a copy of a title to which all listen. The relay must be at work."""
    with places.live_server() as live:
        with _listening(live, 50):  # as many threads and buffers as it will have
            pass
        worker = _worker(live)
        alone = worker.memory_info().rss
        with _listening(live, LISTENERS) as listeners:
            all_of_them = worker.memory_info().rss
            before = processes.cpu_of(live.process)
            time.sleep(IDLE)
            idle = (processes.cpu_of(live.process) - before) / IDLE
            with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=places.PATIENCE)) as desk:
                heard = [_heard(desk, listeners, lend=number % 2 == 0) for number in range(CHANGES)]
    return Live(alone, (all_of_them - alone) / LISTENERS, idle, heard)


@contextmanager
def _listening(live: places.Web, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        listeners = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", live.port), timeout=places.PATIENCE))
            one.sendall(REQUEST)
            listeners.append(one)
        _wait_for_all(listeners)
        yield listeners


def _heard(desk: http.client.HTTPConnection, listeners: Sequence[socket.socket], *, lend: bool) -> float:
    """Seconds from the sending of a check-out or a return until all have heard."""
    path = "checkout" if lend else "return"
    sent = {"barcode": f"{BOOK}-1"} | ({"member_id": MEMBER} if lend else {})
    begun = time.perf_counter()
    desk.request("POST", f"/api/circulation/{path}/", json.dumps(sent), {"Content-Type": "application/json"})
    answer = desk.getresponse()
    answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{path} was answered {answer.status}.")
    _wait_for_all(listeners)
    return time.perf_counter() - begun


def _wait_for_all(listeners: Sequence[socket.socket]) -> None:
    """Until each has got an event."""
    missing = {one.fileno(): one for one in listeners}
    got = dict.fromkeys(missing, b"")
    poll = select.poll()
    for number in missing:
        poll.register(number, select.POLLIN)
    while missing:
        ready = poll.poll(places.PATIENCE * 1000)
        if not ready:
            raise RuntimeError(f"{len(missing)} listeners did not hear of a change.")
        for number, _ in ready:
            part = missing[number].recv(65536)
            if not part:
                raise RuntimeError("A stream ended.")
            got[number] += part
            if EVENT in got[number]:
                poll.unregister(number)
                del missing[number]


def _worker(live: places.Web) -> psutil.Process:
    [worker] = psutil.Process(live.process).children()
    return worker


def main() -> None:
    postgres = places.prepare()
    with ExitStack() as stack:
        library.make(stack.enter_context(places.connect(postgres, postgres.database)))
        stack.enter_context(places.relay())
        found = measure(stack.enter_context(places.web_server(places.PRODUCT)))
    print(f"{LISTENERS} listeners: {found.each / 1000:.1f} kB each, beside {found.alone / 1e6:.0f} MB of the process;")
    print(f"{100 * found.idle:.1f} % of a core while nothing happens;")
    print(f"{1000 * statistics.median(found.heard):.0f} ms until all have heard (p95 {1000 * found.p95:.0f} ms).")


if __name__ == "__main__":
    os.chdir(embedded.BASE_DIR)
    embedded.end_in_order()
    main()
