"""The sender of webhooks as a process."""

from typing import Any

from django.core.management.base import BaseCommand

from events.stopping import when_told_to_stop
from integrations.webhooks.delivery import keep_delivering


class Command(BaseCommand):
    help = "Sends webhooks, and tries again what was not received. Several such processes share the work."
    requires_system_checks: tuple[str, ...] = ()  # what a web server checks: it would load every page of it

    def handle(self, *args: Any, **options: Any) -> None:
        keep_delivering(when_told_to_stop())
