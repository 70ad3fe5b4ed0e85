"""A server that is away is a line in the log of a worker; what is wrong with the program keeps its trace."""

import io
import logging

import psycopg
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisIsAway

from config.observability.traces import WithoutTraces, WithoutUnavailable


def said(name, problem, *, cause=None):
    """What stands in the log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(WithoutTraces())
    logger = logging.Logger(name)
    logger.addHandler(handler)
    try:
        raise problem from cause
    except type(problem):
        logger.exception("It failed: %s", problem)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (OperationalError("the connection is closed"), psycopg.OperationalError()),
        (OperationalError("couldn't get a connection"), None),
        (OperationalError("shutting down"), psycopg.errors.AdminShutdown()),
        (RedisIsAway("connection refused"), None),
    ],
)
def test_a_server_that_is_away_is_one_line(problem, cause):
    for name in ("celery.app.trace", "django_celery_beat.schedulers"):
        assert said(name, problem, cause=cause) == f"It failed: {problem}\n"


@pytest.mark.parametrize(
    ("name", "problem", "cause"),
    [
        ("celery.app.trace", ValueError("wrong"), None),
        ("celery.app.trace", SoftTimeLimitExceeded(), None),
        ("celery.app.trace", OperationalError("deadlock"), psycopg.errors.DeadlockDetected()),
        ("django.request", OperationalError("the connection is closed"), None),
    ],
)
def test_everything_else_keeps_its_trace(name, problem, cause):
    assert "Traceback (most recent call last)" in said(name, problem, cause=cause)


def test_that_an_answer_was_503_is_left_to_who_gave_it():
    only = next(found for found in logging.getLogger("django.request").filters if isinstance(found, WithoutUnavailable))

    told = [only.filter(logging.makeLogRecord({"status_code": status})) for status in (500, 503)]

    assert told == [True, False]
    assert only.filter(logging.makeLogRecord({}))
