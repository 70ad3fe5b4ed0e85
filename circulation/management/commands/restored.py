from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis import RedisError

from events.restoring import go_on_beyond
from library import cache


class Command(BaseCommand):
    help = (
        "To be run once after a backup was restored, before anything else runs: forgets what Redis knows of the time "
        "that is lost, and has events go on under numbers that were not given in it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            go_on_beyond()
        except RedisError as error:
            raise CommandError(f"Redis does not answer: {error}. Run this again when it does.") from error
        if not cache.forget([cache.EVERYTHING], insist=True):
            raise CommandError("The cache does not answer. Run this again when it does.")
        self.stdout.write("The service may be started.")
