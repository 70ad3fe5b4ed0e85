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
from benchmarks.library import Size
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
        asked = addresses(connection, Size(library.BIG))
        with places.web_server(places.PRODUCT, environment={"DATABASE_URL": url}) as web:
            _page_through(web)
            yield web, asked


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


def _misspelt(chance: random.Random, size: Size) -> str:
    """A long word with two letters exchanged."""
    word = _word(chance.randrange(size.among(600)) * 6 + 5)
    return f"{word[:3]}{word[4]}{word[3]}{word[5:]}"


KINDS: dict[str, Callable[[random.Random, Size], str]] = {
    "titles, the first page": lambda chance, size: f"books/?limit={chance.randint(20, 50)}",
    "titles by title, deep": lambda chance, size: (
        f"books/?ordering=title&cursor={{title {chance.randrange(DIFFERENT)}}}"
    ),
    "titles by author, deep": lambda chance, size: (
        f"books/?ordering=author&cursor={{author {chance.randrange(DIFFERENT)}}}"
    ),
    "a shelf by title": lambda chance, size: (
        f"books/?category=Category+{chance.randrange(12)}&publisher=Publisher+{chance.randrange(size.among(400))}&ordering=title"
    ),
    "a publisher, counted": lambda chance, size: (
        f"books/?publisher=Publisher+{chance.randrange(size.among(400))}&count=true"
    ),
    "an author's name, in part": lambda chance, size: f"books/?author={_word(chance.randrange(size.among(4999)))[:5]}",
    "years": lambda chance, size: (
        f"books/?year_min={1925 + chance.randrange(90)}&year_max=2020&ordering=-published_year"
    ),
    "available titles": lambda chance, size: f"books/?available=true&cursor={{id {chance.randrange(DIFFERENT)}}}",
    "available at a branch": lambda chance, size: (
        f"books/?available=true&branch=Branch+{chance.randint(1, 8)}&cursor={{id {chance.randrange(DIFFERENT)}}}"
    ),
    "nothing available": lambda chance, size: f"books/?available=false&cursor={{id {chance.randrange(DIFFERENT)}}}",
    "a search for a word": lambda chance, size: f"books/?search={_word(chance.randrange(size.among(4000)))}",
    "a search for beginnings": lambda chance, size: (
        f"books/?search={_word(chance.randrange(size.among(4000)))[:3]}+{_word(chance.randrange(size.among(4993)))[:2]}"
    ),
    "a search for a frequent word": lambda chance, size: (
        f"books/?search=the+{_word(chance.randrange(size.among(4993)))[:2]}"
    ),
    "a search with a typo": lambda chance, size: f"books/?search={_misspelt(chance, size)}",
    "a search with facets": lambda chance, size: (
        f"books/?search={_word(chance.randrange(size.among(4000)))}&facets=true"
    ),
    "facets of a publisher": lambda chance, size: (
        f"books/?publisher=Publisher+{chance.randrange(size.among(400))}&facets=true"
    ),
    "facets of everything": lambda chance, size: "books/?facets=true",
    "members by name": lambda chance, size: f"members/?search={_word(chance.randrange(size.among(3000)))[:4]}",
    "members by card": lambda chance, size: f"members/?search=C{chance.randint(1, size.members):08d}",
    "open loans by due date": lambda chance, size: f"loans/?status=open&ordering=due_at&limit={chance.randint(20, 50)}",
    "a member's loans": lambda chance, size: f"members/{chance.randint(1, size.members)}/history/",
    "reservations of a title": lambda chance, size: f"reservations/?book={chance.randint(2, size.titles // 100)}",
    "events of a title": lambda chance, size: f"circulation/events/?book={chance.randint(1, size.titles)}",
    "borrowed books and who has them": lambda chance, size: (
        f"admin/books/borrowed/?cursor={{id {chance.randrange(DIFFERENT)}}}"
    ),
    "statistics": lambda chance, size: "statistics/",
}


def addresses(connection: psycopg.Connection, size: Size, different: int = DIFFERENT) -> dict[str, list[str]]:
    """So many of each kind, some of them twice where there are not so many."""
    chance = random.Random(1)
    found = cursors(connection, size, different)
    made = {kind: [f"/api/{make(chance, size)}" for _ in range(different)] for kind, make in KINDS.items()}
    return {kind: [_filled(path, found) for path in dict.fromkeys(paths)] for kind, paths in made.items()}


def _filled(path: str, cursors: Mapping[str, str]) -> str:
    before, brace, name = path.partition("{")
    if not brace:
        return path
    ordering, number = name.rstrip("}").split()
    return f"{before}{quote_plus(cursors[f'{ordering} {int(number) % (len(cursors) // 3)}'])}"


def cursors(connection: psycopg.Connection, size: Size, different: int) -> dict[str, str]:
    """Where pages all over the catalogue begin, as the service writes it in `next`: nobody turns so many pages."""
    keys = {"id": "id", "title": "left(title_folded, 100)", "author": "left(authors_folded, 100)"}
    found = {}
    for ordering, key in keys.items():
        rows = connection.execute(
            f"SELECT {key}, id FROM library_book WHERE id % {size.titles // different} = 3 "
            f"ORDER BY id LIMIT {different}"
        )
        for number, row in enumerate(rows):
            found[f"{ordering} {number}"] = cursor(ordering, *row)
    return found


def cursor(ordering: str, *key: object) -> str:
    text = json.dumps([ordering, False, *key])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
