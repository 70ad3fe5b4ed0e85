"""The libraries of `make bench-large`, built once and kept: a database for each size."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks import library, places
from benchmarks.library import Size
from benchmarks.progress import Progress
from config import embedded
from config.servers import Postgres

LOCAL_DIR = Path(".local") / "bench-large"
SQL = Path(__file__).with_name("large_library.sql")
COPIES_PER_BOOK = 3
BYTES_A_TITLE = 8_000  # of a library, with its indexes
LOG = 10e9  # bytes, for the write-ahead log while one is built or worked in, and for sorting


def missing_room(sizes: Sequence[Size], missing: Sequence[Size]) -> str:
    """What to say if the disk has no room for what is still to be built, and copies of all; else nothing."""
    needed = BYTES_A_TITLE * sum(size.titles for size in (*sizes, *missing)) + LOG
    directory = embedded.home().directory
    free = shutil.disk_usage(directory).free
    if free > needed:
        return ""
    return (
        f"Not enough room in {directory}: {needed / 1e9:.0f} GB are needed, {free / 1e9:.0f} GB are free. "
        "Choose fewer or smaller libraries: make bench-large SIZES=10000,100000"
    )


def database(size: Size) -> str:
    return f"large_{size.titles}"


def stamp(size: Size) -> str:
    """Tells one way of building from another: the migrations, and the statements that fill the tables."""
    digest = hashlib.sha256("".join(statements for _, statements in _parts(size)).encode())
    for path in sorted([*embedded.BASE_DIR.glob("*/migrations/*.py"), *embedded.BASE_DIR.glob("*/*/migrations/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_built(connection: psycopg.Connection, size: Size) -> bool:
    """Whether the database is there, and finished: its comment is the last thing that it gets."""
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [database(size)]
    ).fetchone()
    return row == (stamp(size),)


def steps() -> int:
    """How many steps of progress one library takes to build, about."""
    return len(_parts(Size(10_000))) + 3  # and figures, indexes, vacuum


def build(postgres: Postgres, size: Size, progress: Progress) -> None:
    """Build it anew. A database that was left unfinished goes."""
    with places.connect(postgres, "postgres") as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database(size)} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {database(size)} TEMPLATE {places.EMPTY} OWNER {postgres.user}")
        connection.execute(
            "ALTER SYSTEM SET max_wal_size = '8GB'"
        )  # fewer checkpoints, of which each writes pages whole
        connection.execute("SELECT pg_reload_conf()")
        try:
            with places.connect(postgres, database(size)) as inside:
                _fill(inside, size, progress)
        finally:
            connection.execute("ALTER SYSTEM RESET max_wal_size")
            connection.execute("SELECT pg_reload_conf()")
        connection.execute("CHECKPOINT")
        connection.execute(f"COMMENT ON DATABASE {database(size)} IS '{stamp(size)}'")


@contextmanager
def copy(postgres: Postgres, size: Size) -> Iterator[tuple[str, psycopg.Connection]]:
    """A copy to work in, which goes afterwards. Gives its DATABASE_URL, and a connection."""
    name = f"work_{size.titles}"
    with places.connect(postgres, "postgres") as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # of a run that was killed
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {database(size)} OWNER {postgres.user} STRATEGY file_copy")
        try:
            with places.connect(postgres, name) as inside:
                yield places.url(postgres, name), inside
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
