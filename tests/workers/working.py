"""Celery workers as processes of their own, on the database and the Valkey of the tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from django.db import connection

from tests.simulation.service import url_of


@contextmanager
def worker(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """One that runs until the end of the block, if it is not killed before. Without `command` that of `make run`."""
    process = subprocess.Popen(
        [sys.executable, "-m", *(command or ["config.work"])],
        env=os.environ | {"DATABASE_URL": url_of(connection.settings_dict["NAME"])},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        try:
            process.wait(20)
        finally:
            for child in started:
                if child.is_running():
                    child.kill()
