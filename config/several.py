"""Several services of `make` on this machine, each with a database of its own on the same private servers."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import psycopg
from psycopg import sql

from config import embedded, web
from config.run import Address, RunError, answers, port_number


def address_beside(first: Address, variable: str) -> Address:
    """Where the second one is: the port that this variable names, or the next one. Raises RunError."""
    port = os.environ.get(variable)
    return Address(first.host, port_number(variable, port) if port else first.port % 65535 + 1)


def environment_of(address: Address, live_port: int, database: str, **more: str) -> dict[str, str]:
    """What tells a process which of them it is."""
    return {
        "HOST": address.host,
        "PORT": str(address.port),
        "LIVE_PORT": str(live_port),
        "DATABASE_URL": database_url(database),
        **_passed_on("REDIS_URL", embedded.redis_url(db=1)),
        **_passed_on("SECRET_KEY", embedded.development_secret_key()),
        "DEBUG": os.environ.get("DEBUG", "true"),
        "OPEN_DESK": os.environ.get("OPEN_DESK", "true"),
        **more,
    }


def _passed_on(variable: str, default: str) -> dict[str, str]:
    """As it was given to us, which may be by a file; else the default."""
    file = f"{variable}_FILE"
    if os.environ.get(file):
        return {file: os.environ[file]}
    return {variable: os.environ.get(variable) or default}


def database_url(name: str) -> str:
    """The address of this database on the private PostgreSQL, made where it is not there."""
    url = embedded.database_url()
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{url.rpartition('/')[0]}/{name}"


def file_of(name: str) -> os.PathLike[str]:
    """Where the environment of one of them is kept."""
    return embedded.local_dir() / f"{name}.env"


def keep(name: str, environment: Mapping[str, str]) -> None:
    """Write it where a shell can read it."""
    lines = [f"{variable}={shlex.quote(value)}\n" for variable, value in environment.items()]
    fd = os.open(file_of(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.writelines(lines)


def commands_for(name: str) -> str:
    """What a shell reads before commands for one of them."""
    return f"set -a; . {shlex.quote(str(file_of(name)))}; set +a"


@contextmanager
def started(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """One of them, as `make run` starts it, until told to stop."""
    process = subprocess.Popen(
        [sys.executable, "-m", "config.run", "--stop-with-parent"],
        cwd=embedded.BASE_DIR,
        env={**os.environ, **environment},
        start_new_session=True,  # Ctrl-C is for us, who then stop it in order
    )
    try:
        yield process
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.terminate()
        try:
            process.wait(2 * web.GRACE)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_until_all_answer(running: Mapping[Address, subprocess.Popen[bytes]]) -> None:
    """Raises RunError when one of them ends."""
    for address, process in running.items():
        while not answers(address):
            _check_runs(process)
            time.sleep(0.05)


def keep_running(running: Mapping[Address, subprocess.Popen[bytes]]) -> NoReturn:
    """Until somebody stops this process. Raises RunError when one of them ends."""
    while True:
        for process in running.values():
            _check_runs(process)
        time.sleep(0.2)


def _check_runs(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise RunError("One of the two services ended: see above.")


def manage(environment: Mapping[str, str], *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """A command of manage.py for one of them."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=embedded.BASE_DIR,
        env={**os.environ, **environment},
        capture_output=True,
        input=typed,
        text=True,
        check=False,
    )
