"""Redis, which may be away at any moment: one warning when it goes, and no waiting for it while it is gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django_redis.exceptions import ConnectionInterrupted
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE = 5.0  # seconds between questions to a Redis that does not answer

failures = (RedisError, ConnectionInterrupted, BrokerError, OSError)
_away = False
_silent_until = 0.0


def ask(call: Callable[[], T], *, insist: bool = False) -> T | None:
    """The answer of Redis, or None if it is away.

    While it is away one question a pause is asked, by whoever comes first; the others go on at once. `insist` asks even
    then.
    """
    global _away, _silent_until
    if _away and not insist:
        if time.monotonic() < _silent_until:
            return None
        _silent_until = time.monotonic() + PAUSE
    try:
        answer = call()
    except failures as error:
        if not _away:
            logger.warning("Redis does not answer (%s). Going on without it.", error)
        _away, _silent_until = True, time.monotonic() + PAUSE
        return None
    if _away:
        logger.info("Redis answers again.")
        _away = False
    return answer
