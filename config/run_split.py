"""`make run-split`: the public and the admin's service on this machine, each with a database of its own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg import sql

from config import embedded, web
from config.run import Address, RunError, answers, main

PATIENCE = 60  # seconds for the demo library to arrive at the public service


def run() -> None:
    if os.environ.get("DATABASE_URL"):
        raise RunError("make run-split makes a database for each service. With your own: see docs/operations.md.")
    admin = Address.from_environment()
    public = Address(admin.host, int(os.environ.get("PUBLIC_PORT") or admin.port % 65535 + 1))
    for address in (admin, public):
        address.check_free()
    embedded.ensure_running()
    with ExitStack() as stack:
        sides = {}
        for service, address in (("admin", admin), ("public", public)):
            environment = environment_of(service, address)
            keep(service, environment)
            sides[service] = stack.enter_context(side(environment)), address
        for process, address in sides.values():
            while not answers(address):
                check_runs(process)
                time.sleep(0.05)
        load_demo()
        print(
            "\nBoth are running, and keep each other in step. Ctrl-C stops them. Commands for one of them:\n\n"
            f"  set -a; . {shlex.quote(str(file_of('public')))}; set +a; .venv/bin/python manage.py stores status\n",
            flush=True,
        )
        while True:
            for process, _ in sides.values():
                check_runs(process)
            time.sleep(0.2)


def environment_of(service: str, address: Address) -> dict[str, str]:
    """What tells a process which of the two it is."""
    return {
        "SERVICE": service,
        "HOST": address.host,
        "PORT": str(address.port),
        "LIVE_PORT": str((address.port + 1) % 65535 + 1),  # past the other service's
        "DATABASE_URL": database(f"circdesk_{service}"),
        "REDIS_URL": os.environ.get("REDIS_URL") or embedded.redis_url(db=1),
        "SECRET_KEY": os.environ.get("SECRET_KEY") or embedded.development_secret_key(),
        "DEBUG": os.environ.get("DEBUG", "true"),
        "OPEN_DESK": os.environ.get("OPEN_DESK", "true"),
    }


def database(name: str) -> str:
    """The address of this database on the private PostgreSQL, made where it is not there."""
    url = embedded.database_url()
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{url.rpartition('/')[0]}/{name}"


def file_of(service: str) -> os.PathLike[str]:
    return embedded.local_dir() / f"{service}.env"


def keep(service: str, environment: Mapping[str, str]) -> None:
    """Write it where a shell can read it."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
    fd = os.open(file_of(service), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.writelines(lines)


@contextmanager
def side(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
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


def check_runs(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise RunError("One of the two services ended: see above.")


def load_demo() -> None:
    """The public service's part of the demo library, once the admin's titles have come."""
    environment = {**os.environ, **environment_of("public", Address.from_environment())}
    give_up = time.monotonic() + PATIENCE
    while True:
        loading = subprocess.run(
            [sys.executable, "manage.py", "load_demo"],
            cwd=embedded.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if loading.returncode == 0 or time.monotonic() > give_up:
            print((loading.stdout or loading.stderr).strip(), flush=True)
            return


if __name__ == "__main__":
    main(sys.argv[1:], run, 3 * web.GRACE)
