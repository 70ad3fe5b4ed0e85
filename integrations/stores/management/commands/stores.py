"""The two stores of two services."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from events.models import Consumer
from events.relay import unpublished
from integrations.stores import snapshots
from integrations.stores.models import Snapshot


class Command(BaseCommand):
    help = "Of two services: how far this one has come with what the other one tells, or have it told everything anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("command", choices=["status", "resync"])

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.SERVICE == "all":
            raise CommandError("There is one service here, and one store (SERVICE=all).")
        if options["command"] == "resync":
            with transaction.atomic():
                snapshots.want()
            self.stdout.write("Everything will be taken over anew. `stores status` says how far it has come.")
            return
        consumer = Consumer.objects.filter(group="store").first()
        snapshot = Snapshot.objects.first()
        self.stdout.write(f"This is the {settings.SERVICE} service.")
        self.stdout.write(f"Events still to be told: {unpublished()}")
        self.stdout.write(f"Followed the other service up to position: {consumer.position if consumer else 'not yet'}")
        self.stdout.write(f"Taken over as a whole: {snapshot or 'not yet'}")
