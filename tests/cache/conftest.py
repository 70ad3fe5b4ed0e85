"""A Valkey of its own for tests that stop it."""

import pytest
from django.core.cache import cache

from events import redis
from tests.servers import own_valkey


@pytest.fixture(autouse=True)
def _empty_and_asked(monkeypatch):
    """Each test begins with an empty cache that is asked, whatever went wrong with it before."""
    monkeypatch.setattr(redis, "_silent_until", 0.0)
    cache.clear()


@pytest.fixture
def valkey(settings):
    """A running Valkey that remembers what it held when it was stopped, named to the settings."""
    with own_valkey() as server:
        use_cache_at(settings, server.url(db=0))
        yield server


def use_cache_at(settings, url):
    """Have the service look for its cache there."""
    default = settings.CACHES["default"]
    settings.CACHES = {"default": {**default, "LOCATION": url}}
