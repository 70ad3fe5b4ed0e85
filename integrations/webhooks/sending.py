"""One POST to an address that somebody else named: only where it may go, not for longer than it may take.

http.client over a socket that was connected here: nothing of what a larger client does for its user (proxies of the
environment, redirects, repetition, cookies) happens, and the address that was asked is the one that is connected to.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult

from django.conf import settings

from integrations.reaching import PORTS, Forbidden, allowed_addresses, cut_off_at, socket_to, split, tls

CONNECT = 3.0  # seconds
TOTAL = 10.0  # seconds, but for the look-up of the name, which cannot be cut short
READ = 64 * 1024  # bytes of the answer
SHOWN = 500  # characters of it


@dataclass(frozen=True)
class Outcome:
    """What an endpoint said. Without a status it said nothing; with an error it did not receive the message."""

    status: int | None
    answer: str
    error: str
    milliseconds: int

    @property
    def is_received(self) -> bool:
        return not self.error

    @property
    def is_gone(self) -> bool:
        return self.status == 410


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Send the body and read the beginning of the answer. Never raises for what the other side does."""
    began = time.monotonic()
    status, answer, error = None, "", ""
    try:
        status, answer, error = _posted(split(url), body, headers, began + TOTAL)
    except Forbidden as refusal:
        error = f"{refusal}, nor in one of WEBHOOK_NETWORKS."
    except TimeoutError:
        error = f"It took longer than {CONNECT:g} seconds to connect to it."
    except ssl.SSLError as problem:
        said = str(getattr(problem, "verify_message", "") or problem.reason or problem)
        error = f"TLS failed: {said.rstrip('.')}."
    except http.client.RemoteDisconnected:
        error = "It closed the connection without an answer."
    except http.client.HTTPException as problem:
        error = f"The answer is not HTTP: {type(problem).__name__}."
    except (OSError, ValueError) as problem:
        error = f"The connection failed: {getattr(problem, 'strerror', None) or problem or type(problem).__name__}."
    took = time.monotonic() - began
    if status is None and took >= TOTAL:
        error = f"It took longer than {TOTAL:g} seconds."
    return Outcome(status, _storable(answer, SHOWN), _storable(error, 300), round(took * 1000))


def _posted(parts: SplitResult, body: bytes, headers: Mapping[str, str], deadline: float) -> tuple[int, str, str]:
    with _connected(parts, deadline) as connection, cut_off_at(deadline, connection.sock) as is_cut:
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request("POST", target, body=body, headers=dict(headers))
        response = connection.getresponse()
        if is_cut.is_set():
            raise TimeoutError  # an end in the middle of the headers passes for their end
        text = b""
        with suppress(OSError, ValueError, http.client.HTTPException):  # the status is there, which says it all
            # How much a chunk holds, the other side says, and it may say anything.
            text = b"" if response.chunked else response.read(READ)
    return response.status, text.decode(errors="replace"), _complaint(response)


def _complaint(response: http.client.HTTPResponse) -> str:
    if 200 <= response.status < 300:
        return ""
    if 300 <= response.status < 400:
        return (
            f"It answered {response.status}, a redirect to {response.headers.get('Location')}, which is not followed."
        )
    return f"It answered {response.status}."


@contextmanager
def _connected(parts: SplitResult, deadline: float) -> Iterator[http.client.HTTPConnection]:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, port)
    addresses = allowed_addresses(host, port, settings.WEBHOOK_NETWORKS)
    connection.sock = socket_to(addresses, port, time.monotonic() + CONNECT)
    try:
        connection.sock.settimeout(TOTAL)
        if parts.scheme == "https":
            connection.sock = secure = tls().wrap_socket(
                connection.sock, server_hostname=host, do_handshake_on_connect=False
            )
            with cut_off_at(deadline, secure):
                secure.do_handshake()
        yield connection
    finally:
        connection.close()


def _storable(text: str, length: int) -> str:
    return text.replace("\0", "�")[:length]
