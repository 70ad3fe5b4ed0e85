"""How the tests are spread over processes."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One process builds the big library and runs all tests in it; the others go to whoever is free.

    (`--dist loadgroup` does nothing under this pytest: it marks tests by an attribute that is gone.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Spread(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "plans" if nodeid.startswith("tests/plans/") else nodeid

    return Spread(config, log)


def pytest_collection_modifyitems(items):
    """The long ones first, so that at the end no process works alone."""
    items.sort(key=lambda item: not (item.nodeid.startswith("tests/plans/") or "slow" in item.keywords))
