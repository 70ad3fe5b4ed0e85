"""Registers a partner library without the admin's pages, which the public one of two services does not have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.partners.breaker import forget
from integrations.partners.models import Partner


class Command(BaseCommand):
    help = "Register a partner library, or change what is given of one that is there already."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--url", dest="base_url", help="where it is, such as https://library.example.org")
        parser.add_argument("--protocol", choices=Partner.Protocol.values)
        parser.add_argument("--key-from", metavar="FILE", help="a file with its API key for us; - for the input")
        parser.add_argument("--position", type=int, help="partners with lower numbers come first")
        parser.add_argument("--daia-id", help="what a DAIA server is asked for, such as urn:isbn:{isbn}")
        parser.add_argument("--card-prefix", help="how our readers' card numbers begin there")
        parser.add_argument("--timeout", type=float, help="seconds that it may take to answer")
        private = parser.add_mutually_exclusive_group()
        private.add_argument("--private", dest="allows_private", action="store_true", default=None)
        private.add_argument("--public", dest="allows_private", action="store_false")
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--on", dest="is_on", action="store_true", default=None)
        state.add_argument("--off", dest="is_on", action="store_false")

    def handle(self, *args: Any, **options: Any) -> None:
        partner = Partner.objects.filter(name__iexact=options["name"]).first()
        is_new = partner is None
        partner = partner or Partner(name=options["name"])
        for field in partner._meta.fields:
            if field.name != "name" and options.get(field.name) is not None:
                setattr(partner, field.name, options[field.name])
        if options["key_from"]:
            partner.api_key = self._key(options["key_from"])
        try:
            partner.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        partner.save()
        forget(partner.pk)
        key = "set" if partner.api_key else "not set"
        self.stdout.write(f"{partner} is {'registered' if is_new else 'changed'}. API key: {key}.")

    def _key(self, source: str) -> str:
        try:
            return (sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")).strip()
        except (OSError, UnicodeError) as error:
            raise CommandError(f"{source} cannot be read: {error}") from error
