"""The web server of `make run`: granian, which ends with the process that started it, however that one ends.

Production runs granian itself, see docs/operations.md.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from django.core.servers.basehttp import get_internal_wsgi_application
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

# In each process, where one of them runs at a time. Eight take turns so often that a short request costs a fifth more
# CPU, and check-outs are no faster for it.
THREADS = 4
GRACE = 10  # seconds for the requests that are being answered


def stop_with_parent(grace: float) -> None:
    """Ends this process like `kill` does when its parent is gone, and for good after `grace` seconds.

    A parent that was killed cannot tell its children, and an orphan would keep the port.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def load_application() -> Callable[..., Any]:
    """Called in granian's worker process, whose parent is granian's main process."""
    stop_with_parent(GRACE)
    return get_internal_wsgi_application()


def main(host: str, port: int) -> None:
    stop_with_parent(GRACE + 1)
    server = Granian(
        "config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
        websockets=False,
        log_level=LogLevels.error,
        workers_kill_timeout=GRACE,
    )
    server.serve(target_loader=load_application, wrap_loader=False)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main(sys.argv[1], int(sys.argv[2]))
