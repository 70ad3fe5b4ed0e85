"""Lists and searches of 100,000 titles, one reader at a time, beside a bare Django view."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import psycopg

from benchmarks import library, load, places
from benchmarks.progress import Progress
from config.servers import Postgres

SECONDS, WARM_UP = 1.5, 0.5
DIFFERENT = 1_200  # addresses of each kind, so that few are asked twice
TURNS = 2


@dataclass
class Lists:
    """The latencies of each kind of list, and of the bare view beside it, one for each turn."""

    floor: list[load.Result] = field(default_factory=list)
    product: dict[str, list[load.Result]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


@contextmanager
def big_library(postgres: Postgres) -> Iterator[tuple[places.Web, Mapping[str, list[str]]]]:
    """A service with a library of its own, and the addresses that are asked of it, by their kind."""
    with places.fresh_database(postgres, "big") as url, places.connect(postgres, "big") as connection:
        with connection.cursor() as cursor:
            library.fill(cursor)
        library.settle(connection)
        addresses = _addresses(connection)
        with places.web_server(places.PRODUCT, environment={"DATABASE_URL": url}) as web:
            _page_through(web)
            yield web, addresses


def _page_through(web: places.Web) -> None:
    """Have the numbers of every title in the cache, where they stay for a day. Lists stay for a minute at most."""
    following = "/api/books/?limit=200"
    while following:
        url = json.loads(places.get(web.port, following))["data"]["next"]
        following = url and url.partition(f":{web.port}")[2]


def measure(
    into: Lists, web: places.Web, bare: places.Web, addresses: Mapping[str, list[str]], turn: int, progress: Progress
) -> None:
    progress.step("lists: bare view")
    into.floor.append(_asked(bare, ["/api/books/1/availability/"]))
    for kind, paths in addresses.items():
        progress.step(f"lists: {kind}")
        into.product[kind].append(_asked(web, paths[turn::TURNS] or paths))


def _asked(server: places.Web, paths: list[str]) -> load.Result:
    return load.run(load.Plan(server.port, "paths", 1, SECONDS, warm_up=WARM_UP, paths=paths))


# --- What is asked ---------------------------------------------------------------------------------------------------


def _word(number: int) -> str:
    """As big_library.sql makes them."""
    letters = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return letters.translate(str.maketrans("0123456789", "ghijklmnop"))[: 3 + number % 6]


def _misspelt(chance: random.Random) -> str:
    """A long word with two letters exchanged."""
    word = _word(chance.randrange(600) * 6 + 5)
    return f"{word[:3]}{word[4]}{word[3]}{word[5:]}"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "titles, the first page": lambda chance: f"books/?limit={chance.randint(20, 50)}",
    "titles by title, deep": lambda chance: f"books/?ordering=title&cursor={{title {chance.randrange(DIFFERENT)}}}",
    "titles by author, deep": lambda chance: f"books/?ordering=author&cursor={{author {chance.randrange(DIFFERENT)}}}",
    "a shelf by title": lambda chance: (
        f"books/?category=Category+{chance.randrange(12)}&publisher=Publisher+{chance.randrange(400)}&ordering=title"
    ),
    "a publisher, counted": lambda chance: f"books/?publisher=Publisher+{chance.randrange(400)}&count=true",
    "an author's name, in part": lambda chance: f"books/?author={_word(chance.randrange(4999))[:5]}",
    "years": lambda chance: f"books/?year_min={1925 + chance.randrange(90)}&year_max=2020&ordering=-published_year",
    "available titles": lambda chance: f"books/?available=true&cursor={{id {chance.randrange(DIFFERENT)}}}",
    "available at a branch": lambda chance: (
        f"books/?available=true&branch=Branch+{chance.randint(1, 8)}&cursor={{id {chance.randrange(DIFFERENT)}}}"
    ),
    "nothing available": lambda chance: f"books/?available=false&cursor={{id {chance.randrange(DIFFERENT)}}}",
    "a search for a word": lambda chance: f"books/?search={_word(chance.randrange(4000))}",
    "a search for beginnings": lambda chance: (
        f"books/?search={_word(chance.randrange(4000))[:3]}+{_word(chance.randrange(4993))[:2]}"
    ),
    "a search for a frequent word": lambda chance: f"books/?search=the+{_word(chance.randrange(4993))[:2]}",
    "a search with a typo": lambda chance: f"books/?search={_misspelt(chance)}",
    "a search with facets": lambda chance: f"books/?search={_word(chance.randrange(4000))}&facets=true",
    "facets of a publisher": lambda chance: f"books/?publisher=Publisher+{chance.randrange(400)}&facets=true",
    "facets of everything": lambda chance: "books/?facets=true",
    "members by name": lambda chance: f"members/?search={_word(chance.randrange(3000))[:4]}",
    "members by card": lambda chance: f"members/?search=C{chance.randint(1, 20_000):08d}",
    "open loans by due date": lambda chance: f"loans/?status=open&ordering=due_at&limit={chance.randint(20, 50)}",
    "a member's loans": lambda chance: f"members/{chance.randint(1, 20_000)}/history/",
    "reservations of a title": lambda chance: f"reservations/?book={chance.randint(2, 1000)}",
    "events of a title": lambda chance: f"circulation/events/?book={chance.randint(1, 100_000)}",
    "borrowed books and who has them": lambda chance: (
        f"admin/books/borrowed/?cursor={{id {chance.randrange(DIFFERENT)}}}"
    ),
    "statistics": lambda chance: "statistics/",
}


def _addresses(connection: psycopg.Connection) -> dict[str, list[str]]:
    chance = random.Random(1)
    cursors = _cursors(connection)
    made = {kind: [f"/api/{make(chance)}" for _ in range(DIFFERENT)] for kind, make in KINDS.items()}
    return {kind: [_filled(path, cursors) for path in dict.fromkeys(paths)] for kind, paths in made.items()}


def _filled(path: str, cursors: Mapping[str, str]) -> str:
    before, brace, name = path.partition("{")
    return f"{before}{quote_plus(cursors[name.rstrip('}')])}" if brace else path


def _cursors(connection: psycopg.Connection) -> dict[str, str]:
    """Where pages all over the catalogue begin, as the service writes it in `next`: nobody turns so many pages."""
    keys = {"id": "id", "title": "left(title_folded, 100)", "author": "left(authors_folded, 100)"}
    found = {}
    for ordering, key in keys.items():
        rows = connection.execute(
            f"SELECT {key}, id FROM library_book WHERE id % {100_000 // DIFFERENT} = 3 ORDER BY id LIMIT {DIFFERENT}"
        )
        for number, row in enumerate(rows):
            text = json.dumps([ordering, False, *row])
            found[f"{ordering} {number}"] = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return found
