"""A worker's lines name the request that woke it."""

import logging

import pytest
from celery import Celery
from celery.signals import before_task_publish
from django.db import connection
from structlog.contextvars import bound_contextvars

from config.observability import tasks

logger = logging.getLogger("tests.tasks")

pytestmark = pytest.mark.django_db


@pytest.fixture
def task():
    app = Celery("tests", set_as_current=False)

    @app.task(name="tests.task")
    def task(fails=False):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        logger.warning("at work")
        if fails:
            raise ValueError("as asked")

    return task


def sent(**headers):
    """Headers as a request leaves them in the message that wakes a worker."""
    before_task_publish.send(sender="tests.task", headers=headers, body=None)
    return headers


def test_a_message_takes_the_number_of_the_request_along(task):
    with bound_contextvars(request_id="desk-1"):
        assert sent(id="1") == {"id": "1", "request_id": "desk-1"}
    assert sent(id="1") == {"id": "1"}


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_task_logs_has_the_number_and_the_name_and_nothing_stays(task, lines, settings, fails):
    settings.SLOW_QUERY_MS = 0

    task.apply(kwargs={"fails": fails}, headers={"request_id": "desk-1"})
    logger.warning("after it")

    [said, later] = lines.of("tests.tasks")
    assert (said["request_id"], said["route"]) == ("desk-1", "tests.task")
    assert "request_id" not in later
    [slow] = lines.of("config.observability.requests")
    assert (slow["sql"], slow["request_id"], slow["route"]) == ("SELECT 1", "desk-1", "tests.task")
    assert tasks._open == {}
    assert connection.execute_wrappers == []
