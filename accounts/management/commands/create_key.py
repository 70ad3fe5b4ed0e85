"""Makes an API key for a program."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.exceptions import ScopeTooWide
from accounts.keys import create_key
from accounts.models import Scope, User


class Command(BaseCommand):
    help = "Make an API key that acts for a librarian or an admin, and print it. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="who acts through it")
        parser.add_argument("name", help="what uses it, such as “self-check machine, entrance”")
        parser.add_argument("scopes", nargs="+", choices=Scope.values, metavar="scope", help=", ".join(Scope.values))
        parser.add_argument("--days", type=int, help="how long it is good for; without it, for ever")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = User.objects.filter(username=options["username"]).first()
        if owner is None:
            raise CommandError(f"There is no account {options['username']}.")
        days: int | None = options["days"]
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError("A key is good for 1 to 36500 days.")
        if len(options["name"]) > 60:
            raise CommandError("A name has at most 60 characters.")
        expires_at = timezone.now() + timedelta(days=days) if days is not None else None
        try:
            _, text = create_key(owner=owner, name=options["name"], scopes=options["scopes"], expires_at=expires_at)
        except ScopeTooWide as error:
            raise CommandError(error.message) from error
        self.stdout.write(text)
