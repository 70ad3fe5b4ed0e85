"""The process of `make run` where one listens to availability: granian, which ends with who started it."""

import os
import sys
from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from config.web import stop_with_parent

GRACE = 2  # seconds; streams end at once
ROOM = 65_536  # connections that are served at a time, so that it is LIVE_LISTENERS that limits them


def load_application() -> Callable[..., Any]:
    """Called in granian's worker process, whose parent is granian's main process."""
    stop_with_parent(GRACE)
    application: Callable[..., Any] = import_string("config.asgi.application")  # models load once per process
    return application


def main(host: str, port: int) -> None:
    stop_with_parent(GRACE + 1)
    server = Granian(
        "config.asgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_level=LogLevels.error,
        backpressure=ROOM,
        workers_kill_timeout=GRACE,
    )
    server.serve(target_loader=load_application, wrap_loader=False)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main(sys.argv[1], int(sys.argv[2]))
