"""What is done to the service, at which moments: the same for the same seed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.storm.service import Service

EVERY = (2.0, 5.0)  # seconds between two
DOWN = (0.2, 1.5)  # seconds that something stays down


@dataclass(frozen=True)
class Strike:
    at: float  # seconds since the storm began
    what: str
    down: float

    def do(self, service: Service) -> None:
        for name in service.names:
            if self.what == f"kill {name}":
                service.kill(name)
                time.sleep(self.down)
                service.start(name)
                return
        KINDS[self.what](service, self.down)


def _kill_valkey(service: Service, down: float) -> None:
    service.kill_valkey()
    time.sleep(down)
    service.start_valkey()


KINDS: dict[str, Callable[[Service, float], None]] = {
    "crash PostgreSQL": lambda service, _: service.crash_postgres(),
    "kill Valkey": _kill_valkey,
    "flush Valkey": lambda service, _: service.flush_valkey(),
    "pause Valkey": lambda service, down: service.pause_valkey(2 * down),
}


def planned(seed: int, seconds: float, names: list[str]) -> list[Strike]:
    """Each kind comes before any comes twice, so that a short storm has as many as there is time for."""
    chance, strikes, at = random.Random(seed), list[Strike](), 0.0
    kinds = [*KINDS, *(f"kill {name}" for name in names)]
    left: list[str] = []
    while (at := at + chance.uniform(*EVERY)) < seconds - 1:
        if not left:
            left = chance.sample(kinds, len(kinds))
        strikes.append(Strike(round(at, 1), left.pop(), round(chance.uniform(*DOWN), 1)))
    return strikes


class Striking(threading.Thread):
    """Carries them out at their moments. What goes wrong with one is kept: it would be a fault of the storm."""

    def __init__(self, service: Service, strikes: list[Strike], began: float, say: Callable[[str], None]) -> None:
        super().__init__(name="strikes", daemon=True)
        self.service, self.strikes, self.began, self.say = service, strikes, began, say
        self.done: list[tuple[float, str]] = []
        self.failed: list[str] = []

    def run(self) -> None:
        for strike in self.strikes:
            time.sleep(max(0.0, self.began + strike.at - time.monotonic()))
            self.done.append((round(time.monotonic() - self.began, 1), strike.what))
            self.say(strike.what)
            try:
                strike.do(self.service)
            except Exception as error:
                self.failed.append(f"{strike.what}: {error}")
