"""`make bench-large`: libraries of 10,000, of 100,000 and of a million titles, and what grows with them."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import redis

from benchmarks import growth, kept, large_library, large_report, lists, load, places
from benchmarks.growth import Grown, Place
from benchmarks.library import Size
from benchmarks.machine import Machine
from benchmarks.progress import Progress
from benchmarks.writing import clients as told_clients
from config import embedded
from config.servers import Postgres

SIZES = "10000,100000,1000000"
TURNS = 2  # of each list and page
DESK_TURNS = 3
CLIENTS, RATE = 75, 25.0  # what FOLIO publishes: so many clients, and circulations in a second of all together
CACHE = "1gb"  # for the numbers of a million titles; otherwise those that were asked for last would push out others


def main() -> None:
    sizes = [Size(int(titles)) for titles in (os.environ.get("SIZES") or SIZES).split(",")]
    paced_seconds = float(os.environ.get("PACED_SECONDS") or 180)
    progress = None
    try:
        postgres = places.prepare(large_library.LOCAL_DIR, keep=True)
        with places.connect(postgres, "postgres") as connection:
            missing = [size for size in sizes if not large_library.is_built(connection, size)]
        if why := large_library.missing_room(sizes, missing):
            sys.exit(why)
        progress = Progress(len(missing) * large_library.steps() + steps(sizes))
        for size in missing:
            large_library.build(postgres, size, progress)
        grown = run(postgres, sizes, paced_seconds, progress)
    except (embedded.ServerError, RuntimeError) as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. What was built is kept; the results of before stay as they are.")
    progress.end()
    kept.write("large", kept.stamped(Machine.this(postgres)) | dataclasses.asdict(grown))
    text = large_report.written(kept.read("large"))
    large_report.RESULTS.write_text(text, encoding="utf-8")
    print(text)


def steps(sizes: Sequence[Size]) -> int:
    """How many steps of progress measuring takes."""
    lists_and_pages = TURNS * (len(lists.KINDS) + len(growth.PAGES))
    return len(sizes) * (2 + lists_and_pages + DESK_TURNS * (len(growth.CLIENTS) + 1)) + 1


def run(postgres: Postgres, sizes: Sequence[Size], paced_seconds: float, progress: Progress) -> Grown:
    """Sizes take turns with each thing that is measured."""
    grown = Grown([size.titles for size in sizes], line=max(size.line for size in sizes))
    with ExitStack() as stack:
        _empty_cache()
        found = [stack.enter_context(_open(postgres, size, progress)) for size in sizes]
        for turn in range(TURNS):
            for kind in lists.KINDS:
                for place in found:
                    progress.step(f"{place.size}: {kind}")
                    growth.measure_list(grown, place, kind, turn)
            for kind in growth.PAGES:
                for place in found:
                    progress.step(f"{place.size}: pages of {kind}")
                    growth.measure_pages(grown, place, kind)
        for turn in range(DESK_TURNS):
            for clients in growth.CLIENTS:
                for place in found:
                    progress.step(f"{place.size}: the desk, {told_clients(clients)}")
                    growth.measure_desk(grown, place, clients, turn)
            for place in found:
                progress.step(f"{place.size}: returns into lines")
                growth.measure_returns(grown, place, turn)
        biggest = max(found, key=lambda place: place.size.titles)
        grown.paced_size = biggest.size.titles
        progress.step(f"{biggest.size}: {CLIENTS} clients, {RATE:.0f} circulations a second, {paced_seconds:.0f} s")
        with places.relay(biggest.environment):
            places.wait_until_all_is_published(biggest.connection)
            plan = growth.desk_plan(biggest, CLIENTS, paced_seconds, seed=DESK_TURNS, rate=RATE)
            grown.paced = dataclasses.asdict(load.run(plan))
    return grown


@contextmanager
def _open(postgres: Postgres, size: Size, progress: Progress) -> Iterator[Place]:
    """A copy of the library, and a service that works in it: what was built stays as it is."""
    progress.step(f"{size}: a copy to work in")
    with large_library.copy(postgres, size) as (url, connection):
        first, deep = growth.pages(connection, size)
        addresses = lists.addresses(connection, size)
        environment = {"DATABASE_URL": url, "CACHE_KEY_PREFIX": large_library.database(size)}
        with places.web_server(places.PRODUCT, environment=environment) as web:
            progress.step(f"{size}: reading the numbers of all titles into the cache")
            for number in growth.read_all_numbers(web, size):
                progress.say(f"{size}: reading the numbers of all titles into the cache, {number:,}")
            yield Place(size, web, environment, connection, addresses, first, deep)


def _empty_cache() -> None:
    with redis.Redis.from_url(embedded.redis_url()) as client:
        client.flushall()
        client.config_set("maxmemory", CACHE)


if __name__ == "__main__":
    os.chdir(embedded.BASE_DIR)
    embedded.end_in_order()
    main()
