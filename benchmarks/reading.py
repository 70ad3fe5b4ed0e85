"""Availability from the cache, beside a bare Django view that sends as many bytes."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field

from benchmarks import load, places
from benchmarks.progress import Progress

MANY = 16
SECONDS = 4.0
TITLES = 1_000
CHANGES = 300
GIVE_UP = 10.0  # seconds
READERS = 4  # beside the one that looks for the change


@dataclass
class Reading:
    floor: list[load.Result] = field(default_factory=list)
    product: dict[int, list[load.Result]] = field(default_factory=lambda: {MANY: [], 1: []})
    stale: list[float] = field(default_factory=list)  # seconds from the answer to a change until nobody saw the old


def warm_up(web: places.Web) -> bytes:
    """Have every title in the cache. Returns one answer."""
    for book in range(1, TITLES + 1):
        answer = places.get(web.port, f"/api/books/{book}/availability/")
    return answer


def measure(into: Reading, web: places.Web, bare: places.Web, turn: int, progress: Progress) -> None:
    progress.step("availability: bare view")
    into.floor.append(_asked(bare, MANY, turn))
    for clients in (MANY, 1):
        progress.step(f"availability: service, {clients} clients")
        into.product[clients].append(_asked(web, clients, turn))


def _asked(server: places.Web, clients: int, turn: int) -> load.Result:
    return load.run(load.Plan(server.port, "availability", clients, SECONDS, seed=turn, titles=TITLES))


def changes(into: Reading, web: places.Web) -> None:
    """Lend and take back while others read. Several connections look, for each process has answers of its own."""
    stop = threading.Event()
    lookers = [_connection(web) for _ in range(READERS)]
    readers = [threading.Thread(target=_read_on, args=(web, number, stop)) for number in range(READERS)]
    for reader in readers:
        reader.start()
    chance = random.Random(1)
    client = _connection(web)
    try:
        for _ in range(CHANGES // 2):
            book = chance.randrange(TITLES) + 1
            copy = {"barcode": f"{book}-1"}
            for action, asked in (("checkout", copy | {"member_id": chance.randrange(TITLES) + 1}), ("return", copy)):
                before = max(_version(looker, book) for looker in lookers)
                client.request("POST", f"/api/circulation/{action}/", json.dumps(asked), JSON)
                answer = client.getresponse()
                body = answer.read()
                committed = time.perf_counter()
                if answer.status not in (200, 201):
                    raise RuntimeError(f"Refused: {body.decode()}")
                last_old = committed
                for looker in lookers * 2:  # the second time, those who saw the old one before others saw the new
                    while _version(looker, book) <= before:
                        last_old = time.perf_counter()
                        if last_old > committed + GIVE_UP:
                            raise RuntimeError(f"Title {book} is as it was before it changed, {GIVE_UP:.0f} s ago.")
                into.stale.append(last_old - committed)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
        for each in (client, *lookers):
            each.close()


JSON = {"Content-Type": "application/json"}


def _connection(web: places.Web) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", web.port, timeout=places.PATIENCE)


def _version(client: http.client.HTTPConnection, book: int) -> int:
    client.request("GET", f"/api/books/{book}/availability/")
    version: int = json.loads(client.getresponse().read())["data"]["version"]
    return version


def _read_on(web: places.Web, number: int, stop: threading.Event) -> None:
    chance = random.Random(number)
    client = _connection(web)
    while not stop.is_set():
        _version(client, chance.randrange(TITLES) + 1)
    client.close()
