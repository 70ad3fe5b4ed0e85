"""Where everything runs: private servers, databases, and the processes of the service, all stopped at the end."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.load import percentiles
from config import embedded, live, web
from config.servers import ENVIRONMENT, Postgres

LOCAL_DIR = Path(".local") / "bench"  # in the checkout, beside the data that `make run` keeps
# Of what runs below us: not those of a surrounding make, nor addresses of other servers.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "HOST", "PORT")
SETTINGS = {
    "LOCAL_DIR": str(LOCAL_DIR),
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DEBUG": "false",
    "OPEN_DESK": "true",
    "OPEN_DESK_I_UNDERSTAND": "true",
}
# A desk where one signs in. What may be asked in a minute is counted, and is more than anybody can ask.
CLOSED = {
    "OPEN_DESK": "false",
    "ACCESS_TOKEN_MINUTES": "60",
    "THROTTLE_RATES": "staff:write=100000000,key:write=100000000",
}
LIBRARIAN = "librarian"
LOG = "service.log"  # in LOCAL_DIR
PATIENCE = 30.0  # seconds for a process to answer, or to end
EMPTY = "empty"  # the database that was migrated and nothing else


def prepare(directory: Path = LOCAL_DIR, *, keep: bool = False) -> Postgres:
    """Start private servers, with nothing in them unless it is kept. They stop when this process ends, however."""
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ |= {**SETTINGS, "LOCAL_DIR": str(directory), "SECRET_KEY": secrets.token_urlsafe()}
    if not keep:
        embedded.clean()  # what a killed run left
        atexit.register(_clean)  # after the servers stopped: what is registered later is called sooner
    embedded.ensure_running()
    (embedded.local_dir() / LOG).write_bytes(b"")
    postgres = Postgres(embedded.home())
    manage("migrate", "--verbosity", "0")
    with connect(postgres, "postgres") as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {EMPTY}")
        connection.execute(f"CREATE DATABASE {EMPTY} TEMPLATE {postgres.database} OWNER {postgres.user}")
    return postgres


def _clean() -> None:
    (embedded.local_dir() / LOG).unlink(missing_ok=True)
    embedded.clean()


def connect(postgres: Postgres, database: str) -> psycopg.Connection:
    """As the administrator, who may order a checkpoint. Every statement is a transaction of its own."""
    return psycopg.connect(_address(postgres, database), autocommit=True)


def _address(postgres: Postgres, database: str, user: str = "postgres") -> str:
    return make_conninfo(host=str(postgres.home.sockets), port=postgres.port, dbname=database, user=user)


def url(postgres: Postgres, database: str) -> str:
    """The DATABASE_URL of one of its databases."""
    return postgres.url().removesuffix(f"/{postgres.database}") + f"/{database}"


@contextmanager
def fresh_database(postgres: Postgres, name: str) -> Iterator[str]:
    """An empty library. Gives its DATABASE_URL."""
    with connect(postgres, "postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {EMPTY} OWNER {postgres.user}")
        connection.execute("CHECKPOINT")
        try:
            yield url(postgres, name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True)
class Floor:
    """What pgbench found: transactions in a second, and how long they took in milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float


def pgbench(postgres: Postgres, script: Path, *, clients: int, seconds: float, given: Mapping[str, int]) -> Floor:
    """Run the script, over and over."""
    with tempfile.TemporaryDirectory() as directory:
        command: list[str | Path] = [
            *(postgres.binaries() / "pgbench", "-n", "-M", "prepared", "-f", script),
            *("-c", str(clients), "-j", "1", "-T", str(round(seconds)), "-l", f"--log-prefix={directory}/each"),
            *(f"-D{name}={value}" for name, value in given.items()),
            _address(postgres, postgres.database, postgres.user),
        ]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        if "number of failed transactions: 0 " not in done.stdout:
            raise RuntimeError(f"pgbench failed: {done.stdout}{done.stderr}")
        [line] = [line for line in done.stdout.splitlines() if line.startswith("tps = ")]
        [log] = Path(directory).iterdir()
        with log.open(encoding="ascii") as each:
            took = [int(line.split(maxsplit=3)[2]) / 1e6 for line in each]  # after whose and which it was
    return Floor(float(line.split()[2]), *percentiles(took))


def postmaster(postgres: Postgres) -> int:
    """The id of its process."""
    return int((postgres.data / "postmaster.pid").read_text().splitlines()[0])


def manage(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Runs a command of manage.py. Returns what it said."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=embedded.BASE_DIR,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"manage.py {arguments[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


def peak_memory(*arguments: str, environment: Mapping[str, str]) -> int:
    """Bytes that a command of manage.py had in memory when it had most."""
    with running([sys.executable, "manage.py", *arguments], environment) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"manage.py {arguments[0]} failed; see {embedded.local_dir() / LOG}")
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def librarian() -> None:
    """Make the account of one."""
    given = {"DJANGO_SUPERUSER_PASSWORD": os.environ["SECRET_KEY"], "DJANGO_SUPERUSER_EMAIL": "l@example.org"}
    manage("createsuperuser", "--noinput", "--username", LIBRARIAN, environment=given)
    manage("set_role", LIBRARIAN, "librarian")


def token(port: int) -> str:
    """The header of somebody who signed in there."""
    body = json.dumps({"username": LIBRARIAN, "password": os.environ["SECRET_KEY"]})
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        client.request("POST", "/api/token/", body, {"Content-Type": "application/json"})
        access = json.loads(client.getresponse().read())["data"]["access"]
    finally:
        client.close()
    return f"Authorization: Bearer {access}\r\n"


def key() -> str:
    """The header of a program that has one."""
    return f"X-API-Key: {manage('create_key', LIBRARIAN, 'benchmark', 'circulation:write').strip()}\r\n"


@dataclass(frozen=True)
class Web:
    port: int
    process: int  # its id


PRODUCT = ("config.wsgi:application",)
BARE = ("--factory", "django.core.wsgi:get_wsgi_application")


@contextmanager
def web_server(application: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Iterator[Web]:
    """granian as in the Dockerfile, with a worker for each core."""
    port = free_port()
    workers = str(os.cpu_count() or 1)
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--log-level", "error"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", workers, "--blocking-threads", str(web.THREADS)),
        *application,
    ]
    with running(command, environment) as server:
        wait_until_it_answers(server, port)
        yield Web(port, server.pid)


@contextmanager
def live_server() -> Iterator[Web]:
    """The process where one listens to availability, as in docker-compose.yml."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--log-level", "error"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--backpressure", str(live.ROOM)),
        *("--workers-kill-timeout", str(live.GRACE), "config.asgi:application"),
    ]
    with running(command) as server:
        wait_until_it_answers(server, port)
        yield Web(port, server.pid)


@contextmanager
def worker() -> Iterator[int]:
    """What does in production what nobody waits for, with beat. Gives its process id."""
    with running(
        [sys.executable, "-m", "celery", "--app=config.celery", "worker", "--beat", "--concurrency=2"]
    ) as process:
        yield process.pid


@contextmanager
def relay(environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """What publishes events in production."""
    with running([sys.executable, "manage.py", "relay_events"], environment):
        yield


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended in order. What it says of each request is written, as in production, but to a file."""
    with (embedded.local_dir() / LOG).open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=embedded.BASE_DIR,
            env=os.environ | (environment or {}),
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """Ask the process and what it started to stop, and wait for it."""
    if process.poll() is None:
        os.killpg(process.pid, how)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str) -> bytes:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request("GET", path)
        return client.getresponse().read()
    finally:
        client.close()


def wait_until_all_is_published(connection: psycopg.Connection) -> None:
    """Until the relay has worked off what is pending. Raises RuntimeError if it does not get there."""
    give_up = time.monotonic() + PATIENCE * 4
    while time.monotonic() < give_up:
        waiting = connection.execute(
            "SELECT EXISTS (SELECT FROM events_pendingevent) "
            "OR EXISTS (SELECT FROM events_relay WHERE published < numbered)"
        ).fetchone()
        if waiting == (False,):
            return
        time.sleep(0.05)
    raise RuntimeError("The relay does not publish what is pending.")


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, path: str = "/health/live") -> None:
    give_up = time.monotonic() + PATIENCE * 4
    while process.poll() is None and time.monotonic() < give_up:
        try:
            get(port, path)
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
    raise RuntimeError(f"{process.args!r} does not answer; see {embedded.local_dir() / LOG}")
