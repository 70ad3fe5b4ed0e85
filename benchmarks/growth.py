"""What is measured in libraries of several sizes: lists, pages, the desk, and a return into a long line."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import psycopg

from benchmarks import large_library, lists, load, places
from benchmarks.library import Size

CLIENTS = (1, 16)
DESK_SECONDS, LIST_SECONDS, PAGE_SECONDS, WARM_UP = 4.0, 1.2, 1.0, 0.4
RETURNS = 100  # into each line, in one turn
DIFFERENT = 300  # pages of each list
AT_ONCE = 200  # titles on a page, at most
Times = dict[str, list[list[float]]]  # size -> for each turn p50, p95, p99 in milliseconds

# Where it is listed, its order, and what tells one row from the next.
PAGES = {
    "titles by title": ("books/", "title", "left(title_folded, 100)", "library_book"),
    "titles by author": ("books/", "author", "left(authors_folded, 100)", "library_book"),
    "members by name": ("members/", "name", "last_name_folded", "library_member"),
    "loans by due date": ("loans/", "due_at", "due_at", "circulation_loan"),
    "reservations by date": ("reservations/", "placed_at", "placed_at", "reservations_reservation"),
    "history of the desk, latest first": (
        *("circulation/events/", "-occurred_at", "occurred_at"),
        "(SELECT * FROM events_event WHERE kind IN ('checkout', 'return'))",
    ),
}


@dataclass
class Grown:
    """All that was measured, as it is kept."""

    sizes: list[int]
    line: int  # how many wait in the longest one
    lists: dict[str, Times] = field(default_factory=dict)
    first_pages: dict[str, Times] = field(default_factory=dict)
    deep_pages: dict[str, Times] = field(default_factory=dict)
    desk: dict[str, Times] = field(default_factory=dict)
    returns: dict[str, Times] = field(default_factory=dict)
    paced: dict[str, float] = field(default_factory=dict)
    paced_size: int = 0


@dataclass(frozen=True)
class Place:
    """A service with a library of its own."""

    size: Size
    web: places.Web
    environment: Mapping[str, str]
    connection: psycopg.Connection
    lists: Mapping[str, list[str]]
    first_pages: Mapping[str, list[str]]
    deep_pages: Mapping[str, list[str]]


def note(into: dict[str, Times], what: str, size: Size, found: Sequence[float]) -> None:
    into.setdefault(what, {}).setdefault(str(size.titles), []).append([round(each, 3) for each in found])


def of_all(result: load.Result) -> list[float]:
    return [result.p50, result.p95, result.p99]


# --- Lists and pages -------------------------------------------------------------------------------------------------


def measure_list(into: Grown, place: Place, kind: str, turn: int) -> None:
    paths = place.lists[kind]
    note(into.lists, kind, place.size, of_all(_asked(place.web, paths[turn::2] or paths, LIST_SECONDS)))


def measure_pages(into: Grown, place: Place, kind: str) -> None:
    """One of the first pages, then one from anywhere, of the same list."""
    for kept, paths in ((into.first_pages, place.first_pages), (into.deep_pages, place.deep_pages)):
        note(kept, kind, place.size, of_all(_asked(place.web, paths[kind], PAGE_SECONDS)))


def _asked(web: places.Web, paths: list[str], seconds: float) -> load.Result:
    return load.run(load.Plan(web.port, "paths", 1, seconds, warm_up=WARM_UP, paths=paths))


def pages(connection: psycopg.Connection, size: Size) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Addresses of pages: those that begin with one of the first rows, and those that begin anywhere.

    Nobody's first page is among them: the same page asked again is answered from the cache.
    """
    first: dict[str, list[str]] = {}
    deep: dict[str, list[str]] = {}
    for kind, (path, ordering, key, table) in PAGES.items():
        way = "DESC" if ordering.startswith("-") else "ASC"
        one_in = max(1, size.titles // 10 // DIFFERENT)
        for into, query in (
            (first, f"SELECT {key}, id FROM {table} t ORDER BY {key} {way}, id {way} LIMIT {DIFFERENT}"),
            (deep, f"SELECT {key}, id FROM {table} t WHERE id % {one_in} = 0 ORDER BY md5(id::text) LIMIT {DIFFERENT}"),
        ):
            found = connection.execute(query)
            cursors = [lists.cursor(ordering, _written(value), number) for value, number in found]
            into[kind] = [f"/api/{path}?ordering={ordering}&cursor={quote_plus(each)}" for each in cursors]
    return first, deep


def _written(value: object) -> object:
    return value if isinstance(value, int | str) else value.isoformat()  # type: ignore[attr-defined]  # a time


def read_all_numbers(web: places.Web, size: Size) -> Iterator[int]:
    """Have the numbers of every title in the cache, where they stay for a day. Gives how many there are, so far."""
    starts = range(0, size.titles, AT_ONCE)
    paths = [f"/api/books/?limit={AT_ONCE}&cursor={lists.cursor('id', start, start)}" for start in starts]
    with ThreadPoolExecutor(2) as pool:
        for number, _ in enumerate(pool.map(lambda path: places.get(web.port, path), paths), 1):
            yield number * AT_ONCE


# --- The desk --------------------------------------------------------------------------------------------------------


def measure_desk(into: Grown, place: Place, clients: int, turn: int) -> None:
    result = load.run(desk_plan(place, clients, DESK_SECONDS, seed=turn))
    for what, found in zip(("check-out", "return"), result.steps, strict=True):
        note(into.desk, f"{what}, {clients} {'client' if clients == 1 else 'clients'}", place.size, found)


def desk_plan(place: Place, clients: int, seconds: float, *, seed: int, rate: float = 0.0) -> load.Plan:
    """Of titles that end in 4 and have no line, and members who have nothing."""
    first = place.size.titles // 100 // 10 * 10 + 4
    return load.Plan(
        *(place.web.port, "desk", clients, seconds),
        seed=seed,
        rate=rate,
        books=(first, 10, (place.size.titles - first) // 10),
        members=(2, 2, place.size.members // 2 - 1),
        copies=large_library.COPIES_PER_BOOK,
    )


def measure_returns(into: Grown, place: Place, turn: int) -> None:
    """The same returns: for a title that nobody waits for, for one with a line of ten, for that with the long line.

    They take turns, one after the other. Who is served by a return has the copy next, and brings it back.
    """
    none, long, ten = [], [], []
    member, free, size = 2, place.size.titles - 6, place.size
    tens = 2 + turn * _of_ten(size)
    with _desk(place.web) as post:
        for number in range(RETURNS):
            post("checkout", {"barcode": f"{free}-1", "member_id": member})
            none.append(post("return", {"barcode": f"{free}-1"})[0])
            took, answer = post("return", {"barcode": "1-1"})
            long.append(took)
            post("checkout", {"barcode": "1-1", "member_id": answer["next"]["reservation"]["member_id"]})
            if number < _of_ten(size):
                ten.append(post("return", {"barcode": f"{tens + number}-1"})[0])
    for what, found in (("no line", none), ("a line of 10", ten), ("the long line", long)):
        note(into.returns, what, size, load.percentiles(found))


def _of_ten(size: Size) -> int:
    """How many lines of ten there are for one turn."""
    return min(RETURNS, size.titles // 200 // 4)


@contextmanager
def _desk(web: places.Web) -> Iterator[Post]:
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=places.PATIENCE)) as client:
        yield Post(client)


@dataclass(frozen=True)
class Post:
    client: http.client.HTTPConnection

    def __call__(self, action: str, sent: dict[str, object]) -> tuple[float, dict[str, Any]]:
        """How many seconds it took, and what was answered."""
        begun = time.perf_counter()
        headers = {"Content-Type": "application/json"}
        self.client.request("POST", f"/api/circulation/{action}/", json.dumps(sent), headers)
        answer = self.client.getresponse()
        body = answer.read()
        took = time.perf_counter() - begun
        if answer.status >= 300:
            raise RuntimeError(f"{action} of {sent} was answered {answer.status}: {body.decode()}")
        data: dict[str, Any] = json.loads(body)["data"]
        return took, data
