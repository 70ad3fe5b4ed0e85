"""Collects the texts of the admin for translators, in locale/: with GNU gettext, which is Debian's package gettext."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from config.labels import labels
from config.sentences import sentences

# What models are called, and what services say, stands in no call of gettext: written into a file while it is read.
COLLECTED = Path("config") / "labels_for_translators.py"


class Command(BaseCommand):
    help = "Collects the texts of the admin into locale/, for the languages named; then compiles what was translated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("languages", nargs="+", help="Such as de or pt_BR.")

    def handle(self, *args: Any, **options: Any) -> None:
        collected = settings.BASE_DIR / COLLECTED
        settings.LOCALE_PATHS[0].mkdir(exist_ok=True)
        collected.write_text("".join(f"gettext({text!r})\n" for text in [*labels(), *sentences()]))
        try:
            ignored = [".venv", "tests", "node_modules", ".static", ".local", "locale"]
            call_command("makemessages", locale=options["languages"], ignore_patterns=ignored, no_location=True)
        finally:
            collected.unlink()
        call_command("compilemessages", locale=options["languages"], ignore_patterns=ignored)
