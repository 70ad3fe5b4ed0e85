"""Processes between what happens and who hears of it, to be killed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import psutil
from django.db import connection

from config.servers import Valkey
from tests.simulation.service import url_of


class Carriers:
    def __init__(self, valkey: Valkey, commands: Mapping[str, Sequence[str]], **variables: str) -> None:
        self.commands = commands
        self.environment = os.environ | {
            "DATABASE_URL": url_of(connection.settings_dict["NAME"]),
            "REDIS_URL": valkey.url(db=1),
            "EVENTS_REDIS_URL": valkey.url(db=2),
            **variables,
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            self.running[name] = subprocess.Popen(
                [sys.executable, *self.commands[name]], env=self.environment, stdout=subprocess.DEVNULL
            )

    def kill(self, *names: str) -> None:
        """As a machine that goes down: without a word, with all that it started."""
        for name in names:
            process = self.running.pop(name)
            gone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for one in gone:
                one.kill()
            process.wait()
            psutil.wait_procs(gone, timeout=10)

    def restart(self, *names: str) -> None:
        self.kill(*names)
        self.start(*names)
