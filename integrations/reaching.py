"""Connections to addresses that somebody named: only where they may go, and not for longer than they may take."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from urllib.parse import SplitResult, urlsplit

import certifi

from integrations.addresses import Network, addresses_of, is_allowed

PORTS = {"http": 80, "https": 443}


class Forbidden(Exception):
    """The address is not one that may be connected to. Says which, without a full stop."""


def split(url: str) -> SplitResult:
    """The parts of a URL that may be asked. Raises ValueError, which says what is wrong with it."""
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
        raise ValueError("Name and password do not belong in the URL.")
    if "#" in url:
        raise ValueError("What follows a # would not be sent.")
    return parts


def allowed_addresses(host: str, port: int, networks: Iterable[Network]) -> list[str]:
    """The addresses of a host that may be connected to, at least one. The look-up cannot be cut short.

    Raises Forbidden when it has others only, and OSError when it has none.
    """
    allowed = [address for address in addresses_of(host, port) if is_allowed(address, networks)]
    if not allowed:
        raise Forbidden(f"{host} is not on the public internet")
    return allowed


def socket_to(addresses: list[str], port: int, give_up: float) -> socket.socket:
    """Connected to the first of these addresses that answers by this moment of the monotonic clock. Raises OSError."""
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=max(0.1, give_up - time.monotonic()))
        except OSError:
            if address == addresses[-1] or time.monotonic() >= give_up:
                raise
    raise AssertionError("unreachable")


@contextmanager
def cut_off_at(deadline: float, connected: socket.socket) -> Iterator[threading.Event]:
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
def tls() -> ssl.SSLContext:
    """Trusts whom the machine trusts, such as the library's own authority, and whom browsers do."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
