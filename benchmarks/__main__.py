"""`make bench`: floors and service side by side, in turn, on private servers; a table, kept in RESULTS.md."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import redis

from benchmarks import (
    desk,
    events,
    importing,
    kept,
    library,
    lists,
    live,
    partners,
    places,
    processes,
    reading,
    report,
    starting,
)
from benchmarks.machine import Machine
from benchmarks.progress import Progress
from config import embedded

TURNS = 3
STEPS_A_TURN = 2 * len(desk.TOLD) + 3 + 3 + 1 + 1 + 1  # desk, availability, partners, import, start


def main() -> None:
    progress = Progress(
        8 + 2 * (len(desk.LOADS) - len(desk.TOLD)) + TURNS * STEPS_A_TURN + lists.TURNS * (1 + len(lists.KINDS))
    )
    try:
        results = run(progress)
    except (embedded.ServerError, RuntimeError) as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. The results of before stay as they are.")
    finally:
        starting.clean()
    progress.end()
    kept.write("bench", kept.stamped(results.machine) | report.kept_of(results))
    text = report.written(results)
    report.RESULTS.write_text(text, encoding="utf-8")
    print(text)


def run(progress: Progress) -> report.Results:
    progress.step("starting servers")
    postgres = places.prepare()
    results = report.Results(Machine.this(postgres))
    with ExitStack() as stack:
        connection = stack.enter_context(places.connect(postgres, postgres.database))
        library.make(connection)
        web = stack.enter_context(places.web_server(places.PRODUCT))
        answer = reading.warm_up(web).decode()
        bare_settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.bare", "BARE_BODY": answer}
        bare = stack.enter_context(places.web_server(places.BARE, environment=bare_settings))
        places.librarian()
        signed_in = stack.enter_context(places.web_server(places.PRODUCT, environment=places.CLOSED))
        closed = desk.Closed(signed_in, places.token(signed_in.port), places.key())
        for turn in range(TURNS):
            desk.measure(results.desk, postgres, connection, web, closed, turn, progress)
            reading.measure(results.reading, web, bare, turn, progress)
        progress.step("availability: how old it is after a change")
        library.settle(connection)
        reading.changes(results.reading, web)
        worker = stack.enter_context(places.worker())
        stack.enter_context(places.relay())
        progress.step(f"desk: {desk.PACED_CLIENTS} clients at a pace, {desk.PACED_SECONDS:.0f} s")
        places.wait_until_all_is_published(connection)
        results.desk.paced = desk.paced(web)
        progress.step("memory; is the library still sound?")
        places.manage("check_invariants")
        places.wait_until_all_is_published(connection)
        results.memory = [
            *processes.costs(web.process, "web server"),
            *processes.costs(worker, "worker, with beat"),
            *processes.costs(places.postmaster(postgres), "PostgreSQL"),
            *processes.costs(_valkey(), "Valkey"),
        ]
        progress.step(f"{live.LISTENERS} listeners")
        results.live.append(live.measure(web))
        partners.prepare(connection)
        for turn in range(TURNS):
            progress.step(f"the desk beside {partners.ASKERS} who ask a partner that is silent")
            partners.measure(results.partners, connection, web, turn)
        progress.step("with events, and without")
        results.recording = events.recording()  # leaves loans that nothing tells of
    with ExitStack() as stack:
        progress.step("100,000 titles")
        web, addresses = stack.enter_context(lists.big_library(postgres))
        bare = stack.enter_context(places.web_server(places.BARE, environment=bare_settings))
        for turn in range(lists.TURNS):
            lists.measure(results.lists, web, bare, addresses, turn, progress)
    with tempfile.TemporaryDirectory() as directory:
        file = importing.source(Path(directory))
        for turn in range(TURNS):
            progress.step("import, then COPY")
            results.imports.append(importing.measure(postgres, file, turn))
    progress.step("the memory of an import of 10,000 rows, and of 100,000")
    results.peaks = importing.peaks(postgres)
    for turn in range(TURNS):
        progress.step("make run" if turn else "make run, for the first time")
        results.starts.append(starting.measure())
    return results


def _valkey() -> int:
    """The id of its process."""
    with redis.Redis.from_url(embedded.redis_url()) as client:
        return int(client.info("server")["process_id"])


if __name__ == "__main__":
    os.chdir(embedded.BASE_DIR)
    embedded.end_in_order()
    main()
