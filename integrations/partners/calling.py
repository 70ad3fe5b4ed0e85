"""One request to a partner: only where it may be, in no more time than it is given, and no longer an answer than fits.

urllib3's pools, each for one request: proxies of the environment, redirects, cookies and passwords of a .netrc are no
matter for them. Connections are made here, so that the address that was asked is the one that is connected to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import RemoteDisconnected
from socket import socket
from typing import Any

from structlog.contextvars import get_contextvars
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    IncompleteRead,
    InvalidChunkLength,
    InvalidHeader,
    ProtocolError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as TookTooLong
from urllib3.response import BaseHTTPResponse

from integrations.addresses import Network
from integrations.partners.models import Partner
from integrations.reaching import PORTS, Forbidden, allowed_addresses, cut_off_at, socket_to, split, tls

LIMIT = 1_000_000  # bytes of an answer, unpacked
PART = 65_536  # bytes that are read at a time
PAUSE = (0.05, 0.2)  # seconds before a request is repeated, from and to
BUSY = (502, 503, 504)  # answers that say: in a moment, perhaps
USER_AGENT = "Circdesk/1.0"


class Failure(Exception):
    """A partner did not answer as it should. Says why in a sentence that never holds a key."""

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.may_pass = may_pass  # so that the same request may succeed in a moment


@dataclass(frozen=True)
class Reply:
    """What a partner answered."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Raises Failure."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Failure("Its answer is not JSON.") from None


class _Line:
    """The connection of one request, which ends with its deadline."""

    def __init__(self, networks: list[Network], deadline: float) -> None:
        self._networks, self.deadline = networks, deadline
        self._open = ExitStack()

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def connect(self, host: str, port: int) -> socket:
        connected = socket_to(allowed_addresses(host, port, self._networks), port, self.deadline)
        try:
            connected.settimeout(max(0.1, self.deadline - time.monotonic()))
            # A second handle on it: TLS takes the first one away.
            handle = self._open.enter_context(closing(connected.dup()))
            self._open.enter_context(cut_off_at(self.deadline, handle))
        except BaseException:
            connected.close()
            raise
        return connected

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline


# `_new_conn` is where urllib3's own proxies step in as well.
class _Plain(HTTPConnection):
    def __init__(self, *args: Any, line: _Line, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line = line

    def _new_conn(self) -> socket:
        return self._line.connect(self.host, self.port or PORTS["http"])


class _Secure(HTTPSConnection):
    def __init__(self, *args: Any, line: _Line, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line = line

    def _new_conn(self) -> socket:
        return self._line.connect(self.host, self.port or PORTS["https"])


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def get(partner: Partner, url: str, *, deadline: float) -> Reply:
    """Ask for something, once more when the connection broke or the partner was busy and there is time.

    `deadline` is a moment of the monotonic clock. Raises Failure.
    """

    def is_late(state: RetryCallState) -> bool:
        return time.monotonic() + state.upcoming_sleep >= deadline

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, Failure) and error.may_pass

    repeating = Retrying(
        retry=retry_if_exception(may_pass),
        wait=wait_random(*PAUSE),
        stop=lambda state: stop_after_attempt(2)(state) or is_late(state),
        reraise=True,
    )
    return repeating(_get, partner, url, deadline)


def _get(partner: Partner, url: str, deadline: float) -> Reply:
    reply = call(partner, "GET", url, deadline=deadline)
    if reply.status in BUSY:
        raise Failure(f"It answered {reply.status}.", may_pass=True)
    return reply


def call(
    partner: Partner,
    method: str,
    url: str,
    *,
    deadline: float,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request with the partner's key, never repeated. A redirect is an answer like any other. Raises Failure."""
    sent = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    if partner.api_key and partner.protocol == Partner.Protocol.CIRCDESK:
        sent["X-API-Key"] = partner.api_key
    if number := get_contextvars().get("request_id"):
        sent["X-Request-ID"] = number  # theirs and ours are found under the same one
    if body is not None:
        sent["Content-Type"] = "application/json"
    with _Line(partner.networks, deadline) as line:
        try:
            reply = _called(line, method, url, None if body is None else json.dumps(body).encode(), sent)
        except Forbidden as refusal:
            raise Failure(f"{refusal}.") from None
        except (HTTPError, OSError, ValueError) as error:
            if line.is_over:
                raise Failure("It did not answer in time.") from None
            raise _failure(error) from None
        if line.is_over:  # the end of what was cut off passes for the end of the answer
            raise Failure("It did not answer in time.")
    return reply


def _called(line: _Line, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
    parts = split(url)
    left = max(0.001, line.deadline - time.monotonic())
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    pool: HTTPConnectionPool
    if parts.scheme == "https":
        pool = _SecurePool(host, port, timeout=left, ssl_context=tls(), line=line)
    else:
        pool = _PlainPool(host, port, timeout=left, line=line)
    with closing(pool):
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        response = pool.urlopen(
            method,
            target,
            body=body,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )
        with closing(response):
            return Reply(response.status, _read(response))


def _read(response: BaseHTTPResponse) -> bytes:
    """The whole answer, part by part: how much a chunk holds, the other side says, and it may say anything."""
    text = b""
    while part := response.read1(PART, decode_content=True):
        text += part
        if len(text) > LIMIT:
            raise Failure(f"Its answer is longer than {LIMIT // 1_000_000} MB.")
    return text


def _failure(error: Exception) -> Failure:
    """What went wrong, in our words alone: those of others may hold what was sent."""
    reasons: tuple[object, ...] = (error, *error.args)
    if any(isinstance(each, TookTooLong | TimeoutError) for each in reasons):
        return Failure("It did not answer in time.")
    if isinstance(error, SSLError):
        said = next((why for each in reasons if (why := getattr(each, "verify_message", ""))), "no agreement")
        return Failure(f"TLS failed: {said}.")
    if isinstance(error, DecodeError):
        return Failure("Its answer cannot be unpacked.")
    if isinstance(error, IncompleteRead | InvalidChunkLength) or any(
        isinstance(each, IncompleteRead) for each in reasons
    ):
        return Failure("It broke off in the middle of its answer.", may_pass=True)
    if any(isinstance(each, RemoteDisconnected) for each in reasons):
        return Failure("It closed the connection without an answer.", may_pass=True)
    if said := next((each.strerror for each in reasons if isinstance(each, OSError) and each.strerror), ""):
        return Failure(f"The connection failed: {said}.", may_pass=True)
    if isinstance(error, ProtocolError | InvalidHeader):
        return Failure("Its answer is not HTTP.")
    return Failure("It cannot be asked: its URL is wrong.")
