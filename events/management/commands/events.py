"""Looking at the stream, and repeating what it said."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from redis import RedisError
from tqdm import tqdm

from events import consuming
from events.models import Event, FailedMessage
from events.relay import publish_once_more
from events.stopping import when_told_to_stop
from events.stream import EVENTS, LENGTH, Entry


class Command(BaseCommand):
    help = "The stream of events: what it says, saying it again, and what a consumer could not handle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="tail | replay | dead-letters")

        tail = commands.add_parser("tail", help="what was published last, and what follows")
        tail.add_argument("-n", "--number", type=number, default=10, help="so many of the past; 10 unless given")
        tail.add_argument("--json", action="store_true", help="whole messages, one a line")
        tail.add_argument("--no-follow", action="store_true", help="end after those of the past")

        replay = commands.add_parser("replay", help="publish events of the past once more")
        replay.add_argument("--since", type=moment, help="events from this moment on, such as 2026-11-01")
        replay.add_argument("--from-id", type=int, help="events from this id on")
        replay.add_argument("--book", type=int, help="events of this title")
        replay.add_argument("--kind", choices=Event.Kind.values, help="events of this kind")

        letters = commands.add_parser("dead-letters", help="messages that a consumer gave up, or still tries")
        letters.add_argument("--retry", type=int, nargs="*", metavar="ID", help="handle these, or all, once more")
        letters.add_argument("--drop", type=int, nargs="+", metavar="ID", help="forget these")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["command"]:
                case "tail":
                    self._tail(options)
                case "replay":
                    self._replay(options)
                case "dead-letters":
                    self._dead_letters(options)
        except RedisError as error:
            raise CommandError(f"Redis does not answer: {error}") from error

    def _tail(self, options: dict[str, Any]) -> None:
        stop = when_told_to_stop()
        number = options["number"]
        past = EVENTS.last(max(number, 1))
        for entry in past if number else []:
            self._write(entry, options)
        last = past[-1].id if past else "0-0"
        while not options["no_follow"] and not stop.is_set():
            for entry in EVENTS.after(last, wait=0.5):
                self._write(entry, options)
                last = entry.id

    def _write(self, entry: Entry, options: dict[str, Any]) -> None:
        self.stdout.write(entry.message if options["json"] else in_a_line(entry))
        self.stdout.flush()

    def _replay(self, options: dict[str, Any]) -> None:
        wanted = {
            "occurred_at__gte": options["since"],
            "pk__gte": options["from_id"],
            "book_id": options["book"],
            "kind": options["kind"],
        }
        found = Event.objects.filter(**{name: value for name, value in wanted.items() if value is not None})
        with tqdm(total=found.count(), unit=" events", disable=None, delay=1) as bar:
            count = publish_once_more(found, progress=bar.update)
        self.stdout.write(f"{count} events will be published once more, after those that wait.")

    def _dead_letters(self, options: dict[str, Any]) -> None:
        letters = FailedMessage.objects.order_by("pk")
        if options["drop"]:
            dropped, _ = letters.filter(pk__in=options["drop"]).delete()
            self.stdout.write(f"{dropped} dropped.")
        elif options["retry"] is not None:
            self._retry(letters.filter(pk__in=options["retry"]) if options["retry"] else letters)
        else:
            for letter in letters:
                state = f"tried again at {letter.retry_at:%H:%M:%S}" if letter.retry_at else "given up"
                self.stdout.write(
                    f"{letter.pk}  {letter.group}  position {letter.position}  {letter.message.get('type', '')}  "
                    f"{letter.attempts} attempts, {state}: {letter.error}"
                )
            if not letters:
                self.stdout.write("There are none.")

    def _retry(self, letters: Any) -> None:
        known = {group.name: group for group in consuming.groups}
        handled = failed = 0
        for letter in letters:
            if letter.group in known and consuming.retry(letter, known[letter.group]):
                handled += 1
            else:
                failed += 1
        self.stdout.write(f"{handled} handled, {failed} failed again.")


def number(text: str) -> int:
    """From 0 to what the stream may hold."""
    found = int(text)
    if not 0 <= found <= 10 * LENGTH:
        raise ValueError(text)
    return found


def moment(text: str) -> datetime:
    """A date or a moment; without a zone, in the library's own."""
    day = parse_date(text) if len(text) == 10 else None
    found = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001
    if found is None:
        raise ValueError(text)
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def in_a_line(entry: Entry) -> str:
    """A message for the eye."""
    said = json.loads(entry.message)
    parts = [f"{entry.position:>8}", said["occurred_at"][:19], f"{said['type']:<22}"]
    if said["book"]:
        parts.append(f"“{said['book']['title']}”, {said['book']['available']} of {said['book']['total']} available")
    if said["copy"]:
        parts.append(f"copy {said['copy']['barcode']}")
    if said["member_id"]:
        parts.append(f"member {said['member_id']}")
    return "  ".join(parts)
