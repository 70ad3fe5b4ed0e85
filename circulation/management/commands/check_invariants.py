"""Whether the library is sound."""

from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from circulation.invariants import INVARIANTS, Violation, broken

SHOWN = 10  # ids of each violation


class Command(BaseCommand):
    help = "Checks what must always hold of loans, lines and events. Names whatever does not, and then ends with 1."

    def handle(self, *args: Any, **options: Any) -> None:
        found: defaultdict[int, list[Violation]] = defaultdict(list)
        for violation in broken():
            found[violation.invariant].append(violation)
        for number, invariant in INVARIANTS.items():
            self.stdout.write(f"{number} {'BROKEN' if found[number] else 'OK':<6}  {invariant}")
            for violation in found[number]:
                self.stdout.write(f"           {violation.problem}: {_some(violation.ids)}")
        if violated := sum(bool(violations) for violations in found.values()):
            raise CommandError("1 invariant is broken." if violated == 1 else f"{violated} invariants are broken.")


def _some(ids: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, ids[:SHOWN]))
    return shown if len(ids) <= SHOWN else f"{shown} and {len(ids) - SHOWN} more"
