"""Check-out and return over HTTP, beside pgbench that leaves the same rows with one statement for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks import events, library, load, places, processes
from benchmarks.progress import Progress
from config.servers import Postgres

MANY = 16
LOADS = (1, 4, MANY, 32, 75)  # clients
TOLD = (1, MANY, 75)  # those in each turn; the others, which are only drawn, in the first
SECONDS = 5.0
BRIEFLY = 2.0  # seconds, of what only tells how it goes on from one load to the next
PACED_CLIENTS, PACED_RATE, PACED_SECONDS = 75, 25.0, 60.0  # what FOLIO publishes
# What differs by little is measured in short rounds, side by side: machines that others use, too, change their pace.
WAYS = ("open", "token", "key")
SHORT, SHORT_ROUNDS = 2.0, 3  # seconds, and how many in a turn
SCRIPT = Path(__file__).with_name("desk.sql")
# What the script had lent when its time was over.
TAKE_BACK = """
    WITH moved AS (
        SELECT id, book_id, barcode FROM library_copy WHERE status = 'on_loan'
    ), free AS (
        UPDATE library_copy SET status = 'available', holder_id = NULL, due_at = NULL WHERE status = 'on_loan'
    ), closed AS (
        UPDATE circulation_loan SET returned_at = now() WHERE returned_at IS NULL RETURNING id, copy_id, member_id
    )
    INSERT INTO events_event (kind, book_id, copy_id, member_id, loan_id, payload, occurred_at)
    SELECT 'return', book_id, moved.id, member_id, closed.id,
           jsonb_build_object('barcode', barcode, 'overdue', false), now()
    FROM moved JOIN closed ON copy_id = moved.id
"""


@dataclass
class Desk:
    """Operations in a second, one number for each turn; latencies beside."""

    floor: dict[int, list[places.Floor]] = field(default_factory=lambda: {clients: [] for clients in LOADS})
    product: dict[int, list[load.Result]] = field(default_factory=lambda: {clients: [] for clients in LOADS})
    paced: load.Result | None = None
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
    for clients in TOLD if turn else LOADS:
        seconds = SECONDS if clients in (1, MANY) else BRIEFLY
        progress.step(f"desk: pgbench, {clients} clients")
        library.settle(connection)
        into.floor[clients].append(_floor(postgres, connection, clients, seconds))
        progress.step(f"desk: service, {clients} clients")
        library.settle(connection)
        before = processes.cpu_of(web.process), processes.cpu_of(places.postmaster(postgres))
        result = _product(web, clients, turn, seconds=seconds)
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


def paced(web: places.Web) -> load.Result:
    """As many clients as FOLIO has, at its pace: by chance, and counted from when each request was meant to be sent."""
    return load.run(load.Plan(web.port, "desk", PACED_CLIENTS, PACED_SECONDS, warm_up=3.0, seed=1000, rate=PACED_RATE))


def _floor(postgres: Postgres, connection: psycopg.Connection, clients: int, seconds: float) -> places.Floor:
    given = {
        "clients": clients,
        "books": library.BOOKS,
        "members": library.MEMBERS,
        "copies": library.COPIES_PER_BOOK,
        "lent": 0,
    }
    found = places.pgbench(postgres, SCRIPT, clients=clients, seconds=seconds, given=given)
    connection.execute(TAKE_BACK)
    return found


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
