"""The desk beside many who ask what a partner library has that does not answer.

`python -m benchmarks.partners` measures this alone.
"""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg

from benchmarks import library, load, places

ASKERS = 50
EACH = 0.5  # seconds that one of them waits between an answer and the next request
CLIENTS, SECONDS = 4, 6.0  # at the desk
TITLES = 2_000  # that are asked for: those with an ISBN
NAME = "Library that does not answer"


@dataclass
class Partners:
    """Check-outs and returns: while 50 ask for titles and there is no partner, and while it is there and silent."""

    without: list[load.Result] = field(default_factory=list)
    silent: list[load.Result] = field(default_factory=list)
    asked: int = 0  # requests while it was silent
    slowest: float = 0.0  # seconds that one of those took


def prepare(connection: psycopg.Connection) -> None:
    """Numbers for titles: partners are asked by them. Nobody looks at their check digits."""
    connection.execute("UPDATE library_book SET isbn = '978' || lpad(id::text, 10, '0') WHERE id <= %s", [TITLES])
    library.settle(connection)


def measure(into: Partners, connection: psycopg.Connection, web: places.Web, turn: int) -> None:
    """One turn: without the partner, then with it, its breaker closed to begin with."""
    connection.execute("DELETE FROM partners_partner")
    with _asking(web):
        into.without.append(_desk(web, turn))
    with _silent_server() as port:
        places.manage("partner", NAME, "--url", f"http://127.0.0.1:{port}", "--private")
        with _asking(web) as found:
            into.silent.append(_desk(web, turn))
        connection.execute("DELETE FROM partners_partner")
    into.asked += len(found)
    into.slowest = max(into.slowest, *found)


def _desk(web: places.Web, turn: int) -> load.Result:
    return load.run(load.Plan(web.port, "desk", CLIENTS, SECONDS, warm_up=0.5, seed=turn))


@contextmanager
def _silent_server() -> Iterator[int]:
    """Takes connections and says nothing. Gives its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=ASKERS * 10) as listening:
        yield listening.getsockname()[1]


@contextmanager
def _asking(web: places.Web) -> Iterator[list[float]]:
    """Many who ask for one title after the other. Gives how long each answer took, once they have ended."""
    over, took = threading.Event(), list[float]()
    books = itertools.cycle(range(1, TITLES + 1))
    threads = [threading.Thread(target=_ask, args=(web.port, books, over, took)) for _ in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield took
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _ask(port: int, books: Iterator[int], over: threading.Event, took: list[float]) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=places.PATIENCE)
    while not over.wait(EACH):
        book = next(books)
        began = time.monotonic()
        client.request("GET", f"/status/{book}")
        answer = json.loads(client.getresponse().read())
        took.append(time.monotonic() - began)
        if answer != {"book_id": book, "availability": dict.fromkeys(answer["availability"])}:
            raise RuntimeError(f"Not what was asked for: {answer}")
    client.close()


def main() -> None:
    postgres = places.prepare()
    found = Partners()
    with ExitStack() as stack:
        connection = stack.enter_context(places.connect(postgres, postgres.database))
        library.make(connection)
        prepare(connection)
        web = stack.enter_context(places.web_server(places.PRODUCT))
        for turn in range(3):
            measure(found, connection, web, turn)
    for name, results in (("without", found.without), ("silent", found.silent)):
        print(name, *(f"p50 {r.p50:.1f} p95 {r.p95:.1f} p99 {r.p99:.1f} {r.per_second:.0f}/s;" for r in results))
    print(f"asked {found.asked}, slowest {found.slowest:.2f} s")


if __name__ == "__main__":
    main()
