"""The relay as a process."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from events.relay import keep_publishing, relay_pending
from events.stopping import when_told_to_stop


class Command(BaseCommand):
    help = "Publishes committed events on the stream as they come. A second one stands by."
    requires_system_checks: tuple[str, ...] = ()  # what a web server checks: it would load every page of it

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="publish what is there, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["once"]:
            keep_publishing(when_told_to_stop())
            return
        published = 0
        while batch := relay_pending():
            published += batch
        self.stdout.write(f"{published} events published.")
