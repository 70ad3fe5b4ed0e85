"""Check-out and return over HTTP, beside pgbench that leaves the same rows with one statement for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks import events, library, load, places, processes
from benchmarks.progress import Progress
from config.servers import Postgres

MANY = 16
SECONDS = 5.0
# What differs by little is measured in short rounds, side by side: machines that others use, too, change their pace.
WAYS = ("open", "token", "key")
SHORT, SHORT_ROUNDS = 2.0, 3  # seconds, and how many in a turn
SCRIPT = Path(__file__).with_name("desk.sql")
OPERATIONS = 2  # of one run of the script: a check-out and a return


@dataclass
class Desk:
    """Operations in a second, one number for each turn; latencies beside."""

    floor: dict[int, list[float]] = field(default_factory=lambda: {MANY: [], 1: []})  # clients -> per second
    product: dict[int, list[load.Result]] = field(default_factory=lambda: {MANY: [], 1: []})
    signed_in: dict[str, list[load.Result]] = field(default_factory=lambda: {way: [] for way in WAYS})
    keyed: list[load.Result] = field(default_factory=list)
    with_relay: list[load.Result] = field(default_factory=list)
    relayed: list[float] = field(default_factory=list)  # events in a second, by a relay that catches up
    web_cpu: list[float] = field(default_factory=list)  # seconds for one operation, by 16 clients
    database_cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Closed:
    """A desk where one signs in, and the credentials that do."""

    web: places.Web
    token: str
    key: str


def measure(
    into: Desk,
    postgres: Postgres,
    connection: psycopg.Connection,
    web: places.Web,
    closed: Closed,
    turn: int,
    progress: Progress,
) -> None:
    for clients in (MANY, 1):
        progress.step(f"desk: pgbench, {clients} clients")
        library.settle(connection)
        into.floor[clients].append(_floor(postgres, clients))
        progress.step(f"desk: service, {clients} clients")
        library.settle(connection)
        before = processes.cpu_of(web.process), processes.cpu_of(places.postmaster(postgres))
        result = _product(web, clients, turn)
        after = processes.cpu_of(web.process), processes.cpu_of(places.postmaster(postgres))
        into.product[clients].append(result)
        if clients == MANY:
            done = result.requests_in_all
            into.web_cpu.append((after[0] - before[0]) / done)
            into.database_cpu.append((after[1] - before[1]) / done)
    progress.step(f"desk: open and signed in, {MANY} clients")
    for _ in range(SHORT_ROUNDS):
        for way, server, credential in (
            ("open", web, ""),
            ("token", closed.web, closed.token),
            ("key", closed.web, closed.key),
        ):
            library.settle(connection)
            into.signed_in[way].append(_product(server, MANY, turn, credential=credential, seconds=SHORT))
    progress.step(f"desk: service, {MANY} clients, with keys")
    library.settle(connection)
    into.keyed.append(_product(web, MANY, turn, keyed=True))
    progress.step(f"desk: the relay catches up, then {MANY} clients beside it")
    library.settle(connection)
    with places.relay():
        into.relayed.append(events.published_per_second(connection))
        into.with_relay.append(_product(web, MANY, turn))


def _floor(postgres: Postgres, clients: int) -> float:
    given = {
        "clients": clients,
        "books": library.BOOKS,
        "members": library.MEMBERS,
        "copies": library.COPIES_PER_BOOK,
    }
    return OPERATIONS * places.pgbench(postgres, SCRIPT, clients=clients, seconds=SECONDS, given=given)


def _product(
    web: places.Web,
    clients: int,
    turn: int,
    *,
    keyed: bool = False,
    credential: str = "",
    seconds: float = SECONDS,
) -> load.Result:
    return load.run(load.Plan(web.port, "desk", clients, seconds, keyed=keyed, credential=credential, seed=turn))
