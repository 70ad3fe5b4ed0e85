"""The log of mails to members, in a terminal."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from circulation.imports.files import printable
from integrations.notifications.models import Notice


class Command(BaseCommand):
    help = "Shows what became of the last mails to members: when each was queued, to whom, of which kind, and why not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("-n", "--number", type=int, default=10, help="so many; 10 unless given")
        parser.add_argument("--state", choices=Notice.State.values, help="only these")

    def handle(self, *args: Any, **options: Any) -> None:
        notices = Notice.objects.select_related("member")
        if options["state"]:
            notices = notices.filter(state=options["state"])
        last = list(notices.order_by("-pk")[: max(options["number"], 0)])
        for notice in reversed(last):
            self.stdout.write(printable(_in_a_line(notice)))
        if not last:
            self.stdout.write("There are none.")


def _in_a_line(notice: Notice) -> str:
    said = notice.why or notice.subject
    when, card = f"{notice.created_at:%Y-%m-%dT%H:%M:%S}", notice.member.card_number
    return f"{notice.pk:>8}  {when}  {notice.state:<8}{notice.kind:<13}{card}  {said}".rstrip()
