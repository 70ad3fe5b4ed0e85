"""`make run-partners`: two libraries on this machine that know each other, each with a database of its own."""

from __future__ import annotations

import sys
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

LIBRARIES = {"hillside": "Hillside Library", "riverside": "Riverside Library"}
# What each lets the other one do with the key that it gives away.
SCOPES = ("catalogue:read", "members:read", "members:write", "circulation:read", "circulation:write")


def run() -> None:
    if embedded.is_given("DATABASE_URL"):
        raise RunError("make run-partners makes a database for each library. With your own: see docs/operations.md.")
    first = Address.from_environment()
    addresses = {
        "hillside": first,
        "riverside": address_beside(first, "PARTNER_PORT"),
    }
    for address in addresses.values():
        address.check_free()
    embedded.ensure_running()
    with ExitStack() as stack:
        running, environments = {}, {}
        for name, address in addresses.items():
            environments[name] = environment_of(
                address,
                (address.port + 1) % 65535 + 1,  # past the other library's
                f"circdesk_{name}",
                LIBRARY_NAME=LIBRARIES[name],
                CACHE_KEY_PREFIX=f"circdesk-{name}",
            )
            keep(name, environments[name])
            running[address] = stack.enter_context(started(environments[name]))
        wait_until_all_answer(running)
        for name, other in (("hillside", "riverside"), ("riverside", "hillside")):
            introduce(name, environments[name], other, environments[other], addresses[other])
        places = "".join(f"  {LIBRARIES[name]:<18} {address.url}\n" for name, address in addresses.items())
        print(
            f"\n{places}\nBoth are running, and know each other. Ctrl-C stops them. Commands for one of them:\n\n"
            f"  {commands_for('riverside')}; .venv/bin/python manage.py check_invariants\n",
            flush=True,
        )
        keep_running(running)


def introduce(
    name: str, environment: dict[str, str], other: str, others_environment: dict[str, str], address: Address
) -> None:
    """Make one library a partner of the other, which gives it a key once."""
    partner = ("partner", LIBRARIES[other])
    told = _done(environment, *partner, "--url", address.url, "--private", "--card-prefix", name)
    if told.endswith("API key: not set."):
        key = _done(others_environment, "create_key", "admin", LIBRARIES[name], *SCOPES)
        _done(environment, *partner, "--key-from", "-", typed=key)


def _done(environment: dict[str, str], *command: str, typed: str = "") -> str:
    """What a command said. Raises RunError when it failed."""
    done = manage(environment, *command, typed=typed)
    if done.returncode:
        raise RunError(done.stderr.strip().rpartition("\n")[2])
    return done.stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1:], run, 3 * web.GRACE)
