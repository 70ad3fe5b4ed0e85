"""How the log is set up, and what is loaded for that."""

import json
import subprocess
import sys

import pytest

from config import embedded
from config.observability.logs import settings_of

ROOT = embedded.BASE_DIR

# As granian begins in a container, and then loads the service.
BEGIN = """
import json, logging, sys
from pathlib import Path
from granian.log import LogLevels, configure_logging
configure_logging(LogLevels.info, json.loads(Path("config/observability/granian.json").read_text()))
logging.getLogger("_granian").info("Starting for %s", "ada@example.org")
import config.wsgi
# (redis-py loads the API and the SDK of OpenTelemetry wherever they are installed.)
print(*{"opentelemetry.instrumentation", "opentelemetry.exporter", "sentry_sdk", "wrapt"} & set(sys.modules))
"""


def test_the_server_writes_as_the_service_does_and_nothing_is_loaded_that_is_not_set_up():
    begun = subprocess.run(
        [sys.executable, "-c", BEGIN], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )

    assert begun.stdout == "\n"
    line = json.loads(begun.stderr.splitlines()[0])
    del line["time"]
    assert line == {"level": "info", "logger": "_granian", "message": "Starting for [redacted]"}


@pytest.mark.parametrize(
    ("debug", "level", "root", "requests", "celery"),
    [
        (False, "", "WARNING", "INFO", "WARNING"),
        (True, "", "INFO", "WARNING", "WARNING"),
        (False, "WARNING", "WARNING", "WARNING", "WARNING"),
        (True, "DEBUG", "DEBUG", "DEBUG", "DEBUG"),
    ],
)
def test_requests_have_their_lines_in_production_unless_it_is_said(debug, level, root, requests, celery):
    found = settings_of(debug=debug, level=level, form="json", keep=True, traced=False)

    assert found["root"] == {"handlers": ["console", "database"], "level": root}
    assert found["loggers"]["config.observability.requests"]["level"] == requests
    assert found["loggers"]["celery"]["level"] == celery


def test_nothing_is_kept_in_the_database_where_that_is_not_wanted():
    found = settings_of(debug=False, level="", form="text", keep=False, traced=False)

    assert set(found["handlers"]) == {"console"}
    assert found["root"]["handlers"] == found["loggers"]["django"]["handlers"] == ["console"]
