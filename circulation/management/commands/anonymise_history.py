"""Forgets who borrowed what long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from circulation.anonymising import anonymise_history, past_loans, past_reservations, past_self_service
from circulation.progress import bar


class Command(BaseCommand):
    help = (
        "Forget who had what that was returned, or whose reservation ended, longer ago than so many days. What was "
        "lent stays in every figure. Nothing that is on loan or in a line is touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than", type=int, required=True, metavar="DAYS", help="0: everything that ended")
        parser.add_argument("--dry-run", action="store_true", help="only say how much it would be")

    def handle(self, *args: Any, **options: Any) -> None:
        days: int = options["older_than"]
        if not 0 <= days <= 36_500:
            raise CommandError("Give 0 to 36500 days.")
        before = timezone.now() - timedelta(days=days)
        loans, reservations = past_loans(before).count(), past_reservations(before).count()
        if options["dry_run"]:
            self.stdout.write(f"{loans} loans and {reservations} reservations would say no longer whose they were.")
            return
        rows = loans + reservations + past_self_service(before).count()
        with bar("Anonymising", total=rows, unit="row") as shown:
            done = anonymise_history(before=before, progress=shown.update)
        self.stdout.write(f"{done.loans} loans and {done.reservations} reservations say no longer whose they were.")
