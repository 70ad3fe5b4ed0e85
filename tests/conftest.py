"""How the tests are spread over processes, and what is left of each."""

import pytest
from django.test import TransactionTestCase

from tests.emptying import empty

# What builds something that takes long: a big library, two services, partners, web servers behind nginx, collectors of
# traces; and what changes the defaults of PostgreSQL's role.
SHARED = (
    "tests/plans/",
    "tests/stores/test_two_services.py",
    "tests/partners/",
    "tests/deploy/",
    "tests/observability/test_served.py",
    "tests/config/test_pgbouncer.py",
    "tests/storm/test_storm.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests that share what takes long to build run in one process; the others go to whoever is free.

    (`--dist loadgroup` does nothing under this pytest: it marks tests by an attribute that is gone.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Spread(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return next((shared for shared in SHARED if nodeid.startswith(shared)), nodeid)

    return Spread(config, log)


def pytest_collection_modifyitems(items):
    """The long ones first, so that at the end no process works alone."""
    items.sort(key=lambda item: not (item.nodeid.startswith(SHARED) or "slow" in item.keywords))


def pytest_configure():
    TransactionTestCase._fixture_teardown = empty
