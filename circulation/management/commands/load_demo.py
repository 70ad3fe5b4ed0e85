"""A small library to try things with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from circulation import demo
from events.exceptions import DomainError


class Command(BaseCommand):
    help = "Loads a small demo library. Running it again changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            loaded = demo.load(at=timezone.now())
        except DomainError as problem:
            raise CommandError(problem.message) from problem
        self.stdout.write(f"Demo library{'' if loaded.is_new else ', loaded before'}: {loaded}.")
