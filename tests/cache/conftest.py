"""A Valkey of its own for tests that stop it."""

import tempfile
from pathlib import Path

import pytest
from django.core.cache import cache

from config.embedded import account_for
from config.servers import Home, Valkey
from events import redis


@pytest.fixture(autouse=True)
def _empty_and_asked(monkeypatch):
    """Each test begins with an empty cache that is asked, whatever went wrong with it before."""
    monkeypatch.setattr(redis, "_silent_until", 0.0)
    cache.clear()


@pytest.fixture
def valkey(settings):
    """A running Valkey that remembers what it held when it was stopped, named to the settings."""
    with tempfile.TemporaryDirectory(prefix="circdesk-cache-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o711)
        server = Valkey(Home(directory, directory / "sockets", account_for(directory)))
        server.home.make()
        server.start(print)
        use_cache_at(settings, server.url(db=0))
        yield server
        server.stop()


def use_cache_at(settings, url):
    """Have the service look for its cache there."""
    default = settings.CACHES["default"]
    settings.CACHES = {"default": {**default, "LOCATION": url}}
