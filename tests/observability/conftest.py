"""Whoever watches over the service: what was logged, as it is told, and what Prometheus is told."""

import json
import logging

import pytest
from django.core.cache import cache
from django.test import Client

from config.observability import figures, logs
from events import heartbeats, redis
from tests.observability.reading import Scraped


@pytest.fixture(autouse=True)
def _nothing_remembered(settings):
    """Figures, the cache and signs of life outlive the rows of a test."""
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    cache.clear()
    figures.forget()
    heartbeats._written.clear()
    redis._away, redis._silent_until = False, 0.0


@pytest.fixture
def http():
    return Client(SERVER_NAME="localhost")


@pytest.fixture
def scrape(http):
    """What Prometheus is told now."""

    def ask():
        figures.forget()
        response = http.get("/metrics")
        assert response.status_code == 200
        return Scraped(response.content.decode())

    return ask


class Lines:
    """A handler that writes what the console would get."""

    def __init__(self, form):
        self.written = []
        handler = self.handler = logging.Handler()
        handler.setFormatter({"json": logs.json_lines, "text": logs.text_lines}[form]())
        handler.emit = lambda record: self.written.append(handler.format(record))

    def of(self, name):
        """Those of one logger, read."""
        return [line for line in map(json.loads, self.written) if line["logger"] == name]


@pytest.fixture
def lines(request):
    """Everything of the service that is logged, from DEBUG on, as JSON (or as the parameter says)."""
    found = Lines(getattr(request, "param", "json"))
    loggers = [logging.getLogger(), logging.getLogger("django")]
    requests = logging.getLogger("config.observability.requests")
    before = requests.level
    requests.setLevel(logging.DEBUG)
    for logger in loggers:
        logger.addHandler(found.handler)
    yield found
    for logger in loggers:
        logger.removeHandler(found.handler)
    requests.setLevel(before)
