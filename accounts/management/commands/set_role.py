"""Makes an account a member, a librarian or an admin."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import ROLES, Role, User


class Command(BaseCommand):
    help = "Make an account a member, a librarian or an admin. Accounts are made by /api/register/ or in the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("role", choices=[role.label for role in ROLES])

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account {options['username']}.")
        user.role = Role[options["role"].upper()]
        user.save(update_fields=["is_staff", "is_superuser"])
        self.stdout.write(f"{user.username} is now {user.role.label}.")
