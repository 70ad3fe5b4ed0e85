"""Directories for private servers, and other processes that use them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import embedded
from config.servers import Postgres, Valkey

# Of the tests' own servers and settings: what is started here shall not see them.
HIDDEN = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "OPEN_DESK", "DJANGO_SETTINGS_MODULE", "HOST", "PORT"}
HIDDEN |= {"LIVE_PORT", "LIVE_URL", "EVENTS_REDIS_URL", "SERVICE", "BROKER_URL", "EMAIL_URL", "REMAP_SIGTERM"}
HIDDEN |= {"LOG_LEVEL", "LOG_DAYS", "SLOW_REQUEST_MS", "SLOW_QUERY_MS"}

USE_UNTIL_END_OF_INPUT = """
import sys
from config import embedded
try:
    embedded.ensure_running()
except embedded.ServerError as error:
    sys.exit(str(error))
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def directory_open_to_all() -> Iterator[Path]:
    """pytest's tmp_path is closed to the account that runs PostgreSQL for root. With a space in its name."""
    path = Path(tempfile.mkdtemp(prefix="circdesk tests "))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in HIDDEN} | more


def postgres_runs() -> bool:
    return Postgres(embedded.home()).running()


def valkey_runs() -> bool:
    return Valkey(embedded.home()).running()


class User:
    """Another process that uses the private servers of LOCAL_DIR."""

    def __init__(self, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USE_UNTIL_END_OF_INPUT],
            cwd=embedded.BASE_DIR,
            env=environment(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self) -> "User":
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.process.communicate()[1]
        return self

    def leave(self) -> None:
        """Ends in the ordinary way."""
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors

    def end_by(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
