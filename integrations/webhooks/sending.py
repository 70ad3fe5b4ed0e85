"""One POST to an address that somebody else named: only where it may go, not for longer than it may take.

http.client over a socket that was connected here: nothing of what a larger client does for its user (proxies of the
environment, redirects, repetition, cookies) happens, and the address that was asked is the one that is connected to.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult, urlsplit

import certifi

from integrations.webhooks.addresses import addresses_of, is_allowed

CONNECT = 3.0  # seconds
TOTAL = 10.0  # seconds, but for the look-up of the name, which cannot be cut short
READ = 64 * 1024  # bytes of the answer
SHOWN = 500  # characters of it
PORTS = {"http": 80, "https": 443}


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


class _Refused(Exception):
    """The address is not one that webhooks may go to."""


def split(url: str) -> SplitResult:
    """The parts of a URL that webhooks may have. Raises ValueError, which says what is wrong with it."""
    if not re.fullmatch(r"[!-\[\]-~]+", url):
        raise ValueError("Write the URL in ASCII, without spaces and backslashes.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("This is no URL.") from None
    if parts.scheme not in PORTS:
        raise ValueError("The URL begins with https:// or http://.")
    if not parts.hostname or port == 0:
        raise ValueError("This is no URL.")
    if "@" in parts.netloc:
        raise ValueError("Name and password do not belong in the URL: messages are signed.")
    if "#" in url:
        raise ValueError("What follows a # would not be sent.")
    return parts


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Send the body and read the beginning of the answer. Never raises for what the other side does."""
    began = time.monotonic()
    status, answer, error = None, "", ""
    try:
        status, answer, error = _posted(split(url), body, headers, began + TOTAL)
    except _Refused as refusal:
        error = str(refusal)
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
    with _connected(parts, deadline) as connection, _cut_off_at(deadline, connection.sock) as is_cut:
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
    connection.sock = _socket_to(host, port)
    try:
        connection.sock.settimeout(TOTAL)
        if parts.scheme == "https":
            connection.sock = tls = _tls().wrap_socket(
                connection.sock, server_hostname=host, do_handshake_on_connect=False
            )
            with _cut_off_at(deadline, tls):
                tls.do_handshake()
        yield connection
    finally:
        connection.close()


def _socket_to(host: str, port: int) -> socket.socket:
    """Connected to the first address that may be connected to and answers. Raises _Refused or OSError."""
    allowed = [address for address in addresses_of(host, port) if is_allowed(address)]
    if not allowed:
        raise _Refused(f"{host} is not on the public internet, nor in one of WEBHOOK_NETWORKS.")
    give_up = time.monotonic() + CONNECT
    for address in allowed:
        try:
            return socket.create_connection((address, port), timeout=max(0.1, give_up - time.monotonic()))
        except OSError:
            if address == allowed[-1] or time.monotonic() >= give_up:
                raise
    raise AssertionError("unreachable")


@contextmanager
def _cut_off_at(deadline: float, connected: socket.socket) -> Iterator[threading.Event]:
    """Ends the connection at that moment, whatever it is doing: a time limit of a socket begins anew with each byte."""
    is_cut = threading.Event()

    def cut() -> None:
        is_cut.set()
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not that of TLS, which others are using

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield is_cut
    finally:
        timer.cancel()


@cache
def _tls() -> ssl.SSLContext:
    """Trusts whom the machine trusts, such as the library's own authority, and whom browsers do."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _storable(text: str, length: int) -> str:
    return text.replace("\0", "�")[:length]
