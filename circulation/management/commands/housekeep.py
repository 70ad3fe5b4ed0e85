"""The background process of the desk."""

import logging
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, close_old_connections
from django.utils import timezone

from circulation.housekeeping import sweep
from events.relay import relay_pending

logger = logging.getLogger(__name__)

IDLE = 0.1  # seconds between looks for new events
SWEEP_EVERY = 60.0  # seconds


class Command(BaseCommand):
    help = "Publishes events and sweeps every minute: expired holds, lines beside free copies, old answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="publish what is pending, sweep once, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            while relay_pending():
                pass
            done = sweep(at=timezone.now())
            self.stdout.write(
                f"{done.expired} reservations expired, {done.served} copies set aside, "
                f"{done.answers} old answers dropped."
            )
            return
        next_sweep = 0.0
        while True:
            try:
                if time.monotonic() >= next_sweep:
                    next_sweep = time.monotonic() + SWEEP_EVERY
                    sweep(at=timezone.now())
                published = relay_pending()
            except Error as error:
                # The database may restart under a process that is meant to run for months.
                logger.warning("Housekeeping waits for the database: %s", error)
                close_old_connections()
                published = 0
                time.sleep(1)
            if not published:
                time.sleep(IDLE)
