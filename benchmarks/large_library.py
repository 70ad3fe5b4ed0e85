"""The libraries of `make bench-large`, built once and kept: a database for each size."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import library, places
from benchmarks.progress import Progress
from config import embedded
from config.servers import Postgres

LOCAL_DIR = Path(".local") / "bench-large"
SQL = Path(__file__).with_name("large_library.sql")
COPIES_PER_BOOK = 3
BYTES_A_TITLE = 9_000  # of a finished library, with its indexes
# A library, the copy of it that is worked in, and what sorting and the log take while it is built.
ROOM = 2.3


@dataclass(frozen=True)
class Size:
    """How much of everything there is."""

    titles: int

    @property
    def members(self) -> int:
        return self.titles // 5

    @property
    def line(self) -> int:
        """Those who wait for title 1: at most every second member."""
        return min(10_000, self.members // 2)

    @property
    def scale(self) -> float:
        return (self.titles / 100_000) ** 0.5

    @property
    def database(self) -> str:
        return f"large_{self.titles}"

    def __str__(self) -> str:
        return f"{self.titles:,} titles"


def missing_room(sizes: list[Size]) -> str:
    """What to say if the disk has no room for what is still to be built, else nothing."""
    needed = sum(size.titles for size in sizes) * BYTES_A_TITLE * ROOM
    free = shutil.disk_usage(embedded.home().directory).free
    if free > needed:
        return ""
    return (
        f"Not enough room: {needed / 1e9:.0f} GB are needed in {embedded.home().directory}, {free / 1e9:.0f} GB are "
        "free. Choose fewer or smaller libraries: SIZES=10000,100000."
    )


def stamp() -> str:
    """Tells one way of building from another: the migrations, and what stands here."""
    parts = [SQL, Path(__file__), *sorted(embedded.BASE_DIR.glob("*/migrations/*.py"))]
    parts += sorted(embedded.BASE_DIR.glob("integrations/*/migrations/*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()


def is_built(connection: psycopg.Connection, size: Size) -> bool:
    """Whether the database is there, and finished: its comment is the last thing that it gets."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [size.database]
    ).fetchone()
    return row == (stamp(),)


def steps() -> int:
    """How many steps of progress one library takes to build, about."""
    return len(_parts(Size(10_000))) + 3  # and figures, indexes, vacuum


def build(postgres: Postgres, size: Size, progress: Progress) -> None:
    """Build it anew. A database that was left unfinished goes."""
    with places.connect(postgres, "postgres") as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {size.database} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {size.database} TEMPLATE {places.EMPTY} OWNER {postgres.user}")
        connection.execute("ALTER SYSTEM SET max_wal_size = '8GB'")  # fewer checkpoints, of which each writes pages whole
        connection.execute("SELECT pg_reload_conf()")
        try:
            with places.connect(postgres, size.database) as inside:
                _fill(inside, size, progress)
        finally:
            connection.execute("ALTER SYSTEM RESET max_wal_size")
            connection.execute("SELECT pg_reload_conf()")
        connection.execute("CHECKPOINT")
        connection.execute(f"COMMENT ON DATABASE {size.database} IS '{stamp()}'")


def _fill(connection: psycopg.Connection, size: Size, progress: Progress) -> None:
    for setting, value in (
        ("maintenance_work_mem", "1GB"),
        ("work_mem", "256MB"),
        ("max_parallel_maintenance_workers", "1"),  # beside the one that leads
        ("synchronous_commit", "off"),
    ):
        connection.execute(f"SET {setting} = '{value}'")
    back = library.clear_the_way(connection.cursor())
    for name, statements in _parts(size):
        progress.step(f"{size}: {name}")
        connection.execute(statements)
    progress.step(f"{size}: numbers for the planner")
    connection.execute("ANALYZE")
    progress.step(f"{size}: indexes and foreign keys")
    for number, statement in enumerate(back, 1):
        progress.say(f"{size}: indexes and foreign keys, {number} of {len(back)}")
        connection.execute(statement)
    progress.step(f"{size}: vacuum")
    connection.execute("VACUUM (ANALYZE, FREEZE)")


def _parts(size: Size) -> list[tuple[str, str]]:
    """The script in its steps: the name of each, and its statements."""
    values = {"titles": size.titles, "members": size.members, "line": size.line, "scale": f"{size.scale:.6f}"}
    text = re.sub(r"(?<!:):(titles|members|line|scale)\b", lambda found: str(values[found[1]]), SQL.read_text("utf-8"))
    parts = re.split(r"(?m)^\n-- ([A-Z][\w ]+)\n(?=INSERT|CREATE|--)", text)
    return list(zip(parts[1::2], parts[2::2], strict=True))
