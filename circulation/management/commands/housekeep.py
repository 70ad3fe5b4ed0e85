"""The background process of the desk."""

import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from circulation.housekeeping import keep_house, sweep


class Command(BaseCommand):
    help = "Sweeps every minute: expired holds, lines beside free copies, old answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep once, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["once"]:
            keep_house(threading.Event())
            return
        done = sweep(at=timezone.now())
        self.stdout.write(
            f"{done.expired} reservations expired, {done.served} copies set aside, {done.answers} old answers dropped."
        )
