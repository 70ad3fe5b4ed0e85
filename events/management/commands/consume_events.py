"""The consumers of the stream as a process."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events import consuming
from events.stopping import when_told_to_stop


class Command(BaseCommand):
    help = "Does what follows from events. Of several such processes one is at work for a group, the others stand by."
    requires_system_checks: tuple[str, ...] = ()  # what a web server checks: it would load every page of it

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("group", nargs="*", help="only these; by default all")

    def handle(self, *args: Any, **options: Any) -> None:
        known = {group.name: group for group in consuming.groups}
        names = options["group"] or sorted(known)
        if unknown := [name for name in names if name not in known]:
            raise CommandError(f"There is no group {unknown[0]}. There are: {', '.join(sorted(known)) or 'none'}.")
        consuming.work(when_told_to_stop(), [known[name] for name in names])
