"""One sweep by hand."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from circulation.housekeeping import sweep


class Command(BaseCommand):
    help = (
        "Ends what was not collected or is no longer needed, and serves the lines, now. Workers do so every minute; "
        "this is for when they cannot, as while Redis is away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = sweep(at=timezone.now())
        self.stdout.write(f"{done.expired} reservations expired, {done.served} copies set aside.")
