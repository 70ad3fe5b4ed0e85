"""`make run-split`: the public and the admin's service on this machine, each with a database of its own."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

from config import embedded, web
from config.run import Address, RunError, main
from config.several import (
    address_beside,
    commands_for,
    environment_of,
    keep,
    keep_running,
    manage,
    started,
    wait_until_all_answer,
)

PATIENCE = 60  # seconds for the demo library to arrive at the public service


def run() -> None:
    if embedded.is_given("DATABASE_URL"):
        raise RunError("make run-split makes a database for each service. With your own: see docs/operations.md.")
    admin = Address.from_environment()
    public = address_beside(admin, "PUBLIC_PORT")
    for address in (admin, public):
        address.check_free()
    embedded.ensure_running()
    with ExitStack() as stack:
        running, environments = {}, {}
        for service, address in (("admin", admin), ("public", public)):
            # The port of live availability comes past the other service's.
            environments[service] = environment_of(
                address, (address.port + 1) % 65535 + 1, f"circdesk_{service}", SERVICE=service
            )
            keep(service, environments[service])
            running[address] = stack.enter_context(started(environments[service]))
        wait_until_all_answer(running)
        load_demo(environments["public"])
        print(
            "\nBoth are running, and keep each other in step. Ctrl-C stops them. Commands for one of them:\n\n"
            f"  {commands_for('public')}; .venv/bin/python manage.py stores status\n",
            flush=True,
        )
        keep_running(running)


def load_demo(environment: dict[str, str]) -> None:
    """The public service's part of the demo library, once the admin's titles have come."""
    give_up = time.monotonic() + PATIENCE
    while True:
        loading = manage(environment, "load_demo")
        if loading.returncode == 0 or time.monotonic() > give_up:
            print((loading.stdout or loading.stderr).strip(), flush=True)
            return


if __name__ == "__main__":
    main(sys.argv[1:], run, 3 * web.GRACE)
