"""How much each caller may ask in a minute, counted in Redis in one round trip. Without Redis nobody is held up.

The algorithm is GCRA: an allowance refills evenly, and what was saved up may be used at once.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from throttled import RateLimiterType, RateLimitResult, RedisStore, Throttled, per_min
from throttled.exceptions import StoreUnavailableError

from accounts.access import rules_of
from accounts.callers import Caller, caller_of
from accounts.permissions import route_of
from events import redis

if TYPE_CHECKING:
    from rest_framework.views import APIView  # loads this module itself, through the settings


class Allowance(BaseThrottle):
    """Counts a request against what its caller may ask. The table says of which kind it is."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.retry_after = 0.0
        if not is_counted():
            return True
        caller = caller_of(request)
        kind = _kind(request)
        result = counted(kind, _group(caller), caller.name)
        if result is None:
            return True
        self.retry_after = result.state.retry_after
        request._request.rate_limit = headers(kind, result)  # type: ignore[attr-defined]
        return not result.limited

    def wait(self) -> float | None:
        """Seconds until the next request will be let in."""
        return max(1, math.ceil(self.retry_after))


def is_counted() -> bool:
    """Whether anybody's requests are counted here."""
    return settings.THROTTLE and not settings.OPEN_DESK


def counted(kind: str, group: str, caller: str) -> RateLimitResult | None:
    """One request more of this caller. None: Redis is away, and nobody counts."""
    limiter = _limiter(str(settings.CACHES["default"]["LOCATION"]), settings.THROTTLE_RATES[group][kind])

    def count() -> RateLimitResult:
        try:
            return limiter.limit(f"{kind}:{caller}")
        except StoreUnavailableError as error:  # around that of Redis, of which `ask` knows what it means
            raise error.__cause__ or error from None

    return redis.ask(count)


def headers(kind: str, result: RateLimitResult) -> dict[str, str]:
    """How much is left, and until when it is full again (draft-ietf-httpapi-ratelimit-headers)."""
    state = result.state
    return {
        "RateLimit-Policy": f'"{kind}";q={state.limit};w=60',
        "RateLimit": f'"{kind}";r={state.remaining};t={math.ceil(state.reset_after)}',
    }


def _group(caller: Caller) -> str:
    if caller.key:
        return "key"
    return "staff" if caller.is_staff else caller.role.label


def _kind(request: Request) -> str:
    rules = rules_of(route_of(request._request), request.method or "")
    return rules[0].rate if rules and request.method != "OPTIONS" else "read"


@cache
def _limiter(location: str, per_minute: int) -> Throttled:
    """One for each size of allowance; they share their connections."""
    options: Any = settings.CACHES["default"]["OPTIONS"]
    store = RedisStore(
        server=location,
        options={
            "CONNECTION_POOL_KWARGS": {
                "socket_connect_timeout": options["SOCKET_CONNECT_TIMEOUT"],
                "socket_timeout": options["SOCKET_TIMEOUT"],
                **options["CONNECTION_POOL_KWARGS"],
            }
        },
    )
    return Throttled(
        using=RateLimiterType.GCRA.value,
        quota=per_min(per_minute),
        store=store,
        key_prefix=f"{settings.CACHES['default']['KEY_PREFIX']}-allowance",
    )
