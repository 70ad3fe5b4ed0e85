"""The generated parts of docs/events.md."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from integrations.publishing.schemas import message_schema, type_table


class Command(BaseCommand):
    help = "Prints the JSON Schema of messages; or writes it and the table of types into a page that has their marks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--into", type=Path, metavar="PAGE", help="such as docs/events.md")

    def handle(self, *args: Any, **options: Any) -> None:
        page: Path | None = options["into"]
        if page is None:
            self.stdout.write(json.dumps(message_schema(), indent=2))
        else:
            page.write_text(completed(page.read_text(encoding="utf-8")), encoding="utf-8")


def completed(text: str) -> str:
    """The page with its generated parts as they are now. Raises ValueError for one without their marks."""
    schema = f"```json\n{json.dumps(message_schema(), indent=2)}\n```"
    for name, part in (("types", type_table()), ("schema", schema)):
        begin, end = f"<!-- {name}: made by manage.py describe_events -->", f"<!-- end of {name} -->"
        start, stop = text.index(begin) + len(begin), text.index(end)
        text = f"{text[:start]}\n\n{part}\n\n{text[stop:]}"
    return text
