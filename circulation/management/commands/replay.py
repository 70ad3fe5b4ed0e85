"""A trace of events, replayed at the desk."""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from circulation.imports.formats.rows import FileError
from circulation.replay import Outcome, Standing, TraceEvent, read_trace, replay, standing
from events.exceptions import Busy


class Command(BaseCommand):
    help = (
        'Replays a JSON list of events, {"eventtype": "checkout", "book_id": 1000, "member_id": 2000, "date": '
        '"2023-05-10"}; eventtype is checkout, reserve, return or fulfill. By day, and within a day check-outs and '
        "reservations, then returns, then fulfilments, each in the file's order and at noon UTC. A check-out with "
        "nothing free joins the line; fulfill serves its head, whoever that is. Limits, overdue loans and shelf "
        "expiry do not apply. Refusals are outcomes, and the replay goes on. Replaying a trace again changes nothing: "
        "events no later than the last one on record for their title are passed over. If any event is malformed, "
        "each is reported by file and line, nothing is replayed, and the command ends with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--fulfil-on-return",
            choices=["hold", "loan"],
            help=f"set a returned copy aside for the head of the line, or lend it (now: {settings.FULFIL_ON_RETURN})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        events = self._read(path)
        outcomes: list[Outcome] = []
        try:
            for outcome in replay(events, fulfil_on_return=options["fulfil_on_return"]):
                self.stdout.write(_line(outcome))
                outcomes.append(outcome)
        except (Busy, OperationalError) as problem:
            stopped = f"Stopped after {len(outcomes)} of {len(events)} events: {str(problem).strip()}"
            raise CommandError(f"{stopped} Replay the file again to go on.") from problem
        self.stdout.write(f"\n{_summary(outcomes)}\n\n")
        for title in standing([event.book_id for event in events]):
            self.stdout.write(_standing(title))

    def _read(self, path: Path) -> list[TraceEvent]:
        try:
            events, malformed = read_trace(path)
        except FileError as problem:
            raise CommandError(f"{path} {problem} Nothing was replayed.") from problem
        for row in malformed:
            self.stderr.write(f"{path}:{row.line}: {row.reason}")
        if malformed:
            count = "1 event is" if len(malformed) == 1 else f"{len(malformed)} events are"
            raise CommandError(f"{count} malformed. Nothing was replayed.")
        return events


def _line(outcome: Outcome) -> str:
    event = outcome.event
    member = "" if event.member_id is None else event.member_id
    asked = f"{event.day}  {event.kind:<8}  {event.book_id:>6}  {member:>6}"
    return f"{asked}  {outcome.result:<18}  {outcome.details}".rstrip()


def _summary(outcomes: list[Outcome]) -> str:
    done = Counter(outcome.result for outcome in outcomes if not outcome.refused)
    refused = Counter(outcome.result for outcome in outcomes if outcome.refused)
    parts = [f"{count} {result}" for result, count in sorted(done.items())]
    if refused:
        codes = ", ".join(f"{count} {code}" for code, count in sorted(refused.items()))
        parts.append(f"{refused.total()} refused ({codes})")
    events = "1 event" if len(outcomes) == 1 else f"{len(outcomes)} events"
    return f"{events}: {', '.join(parts)}." if parts else f"{events}."


def _standing(title: Standing) -> str:
    lent, set_aside, waiting = (
        ", ".join(map(str, members)) for members in (title.lent, title.set_aside, title.waiting)
    )
    parts = [f"lent to {lent}" if lent else "nothing lent"]
    if set_aside:
        parts.append(f"set aside for {set_aside}")
    parts.append(f"waiting: {waiting}" if waiting else "nobody waits")
    return f"{title.book.pk} “{title.book.title}”: {'; '.join(parts)}."
