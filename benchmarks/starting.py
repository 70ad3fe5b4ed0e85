"""How long `make run` takes from its start to its first answer: on an empty machine's disk, and on every later day."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from benchmarks import places
from config import embedded


def measure() -> float:
    """Seconds. The first time it also makes the database and the demo library."""
    port = places.free_port()
    environment = {**_environment(), "PORT": str(port)}
    begun = time.perf_counter()
    process = subprocess.Popen(
        ["make", "run"], cwd=embedded.BASE_DIR, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        places.wait_until_it_answers(process, port)
        return time.perf_counter() - begun
    finally:
        places.end(process, signal.SIGINT)  # as Ctrl-C does


def clean() -> None:
    """Remove what it made."""
    subprocess.run(
        [sys.executable, "-m", "config.embedded", "clean"], cwd=embedded.BASE_DIR, env=_environment(), check=True
    )


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in (*places.SETTINGS, "SECRET_KEY")}
    return kept | {"LOCAL_DIR": str(places.LOCAL_DIR / "run")}
