"""A throw-away PostgreSQL and Valkey for one run of the tests, named to the settings by the environment.

Loaded as a pytest plugin (`-p tests.servers`), so that they run before pytest-django reads the settings.
Under pytest-xdist the first process starts them; each worker has a database and a Valkey database of its own.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config import embedded
from config.ownership import Home, open_private
from config.servers import Postgres, Server, Valkey

PREFIX = "circdesk-tests-"
MAX_CONNECTIONS = 300  # the races open many


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    known = early_config.known_args_namespace
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None:
        _use_own_valkey_database(int(worker.removeprefix("gw")))
    elif not (known.help or known.version):
        start()
    return (yield)


def start() -> None:
    for directory in _bases():
        _remove_leftovers(directory)
    home = _make_home()
    postgres = Postgres(home, durable=False, max_connections=MAX_CONNECTIONS)
    valkey = Valkey(home, durable=False)
    atexit.register(_remove, valkey, postgres)
    embedded.end_in_order()
    postgres.start(lambda _: None)
    valkey.start(lambda _: None)
    os.environ |= {
        "DATABASE_URL": postgres.url(),
        "REDIS_URL": valkey.url(db=1),
        "EVENTS_REDIS_URL": valkey.url(db=33),
        "LOCAL_DIR": str(home.directory / "local"),
        "BROKER_URL": "",
        "EMAIL_URL": "",
        "CACHE_IN_PROCESS": "false",  # who changes something in one process sees so in the other at once
        "SECRET_KEY": "only-for-the-tests-and-nothing-else",
        "DEBUG": "false",
        "OPEN_DESK": "false",
        # What requests and slow servers leave in the log is for the tests of that.
        "LOG_LEVEL": "WARNING",
        "LOG_DAYS": "0",
        "SLOW_REQUEST_MS": "600000",
        "SLOW_QUERY_MS": "600000",
    }


@contextmanager
def own_valkey(*, durable: bool = True) -> Iterator[Valkey]:
    """A running Valkey for tests that stop it. A durable one remembers what it held when it was stopped."""
    with tempfile.TemporaryDirectory(prefix="circdesk-valkey-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o711)
        server = Valkey(Home(directory, directory / "sockets", embedded.account_for(directory)), durable=durable)
        server.home.make()
        server.start(print)
        try:
            yield server
        finally:
            server.stop()


def _use_own_valkey_database(worker: int) -> None:
    url, _, _ = os.environ["REDIS_URL"].partition("?")
    os.environ["REDIS_URL"] = f"{url}?db={worker + 2}"
    os.environ["EVENTS_REDIS_URL"] = f"{url}?db={worker + 34}"  # of 64


def _bases() -> list[Path]:
    return [Path(tempfile.gettempdir()).resolve(), Path("/var/tmp")]


def _make_home() -> Home:
    """In the first directory that the account of the servers may enter, should we be root."""
    for base in _bases():
        account = embedded.account_for(base)
        if account is None or account.may_enter(base):
            break
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    directory.chmod(0o711 if account else 0o700)
    home = Home(directory, directory / "sockets", account)
    home.make()
    # Locked while this process lives, and from the moment that it has this name: see _remove_leftovers.
    fcntl.flock(open_private(directory / "in-use.new", os.O_RDWR), fcntl.LOCK_EX)
    (directory / "in-use.new").rename(directory / "in-use.lock")
    return home


def _remove_leftovers(base: Path) -> None:
    """What a killed run could not remove itself."""
    for directory in base.glob(f"{PREFIX}*"):
        lock = directory / "in-use.lock"
        if directory.lstat().st_uid != os.geteuid() or not lock.exists():
            continue
        fd = open_private(lock, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            home = Home(directory, directory / "sockets", embedded.account_for(directory))
            _remove(Valkey(home, durable=False), Postgres(home, durable=False))
        finally:
            os.close(fd)


def _remove(*servers: Server) -> None:
    for server in servers:
        server.stop()
    shutil.rmtree(servers[0].home.directory, ignore_errors=True)
