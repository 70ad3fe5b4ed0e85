"""A mail server on loopback that behaves as it is told, well or badly, and remembers what it took."""

import asyncio
import email
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from email.policy import default

from aiosmtpd.controller import Controller

from tests.waiting import until


class Post:
    """While it is a context it takes mail. What it says to whom can be changed meanwhile.

    `says_to` are answers by address and `data_says` by address once it has the mail; `drops` are addresses whose mails
    it takes before it goes away without a word; `stalls` those to which it says nothing more.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.mails: list[email.message.EmailMessage] = []  # that it said it took
        self.seen: list[str] = []  # Message-IDs that it was given, also when it went away then
        self.connections = 0
        self.says_to: dict[str, str] = {}
        self.data_says: dict[str, str] = {}
        self.drops: set[str] = set()
        self.stalls: set[str] = set()
        self._lock = threading.Lock()
        self.port = free_port()
        self._controller = Controller(_Handler(self), hostname="127.0.0.1", port=self.port)

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_) -> None:
        self._controller.stop()

    @property
    def ids(self) -> list[str]:
        return [mail["Message-ID"] for mail in self.mails]

    @property
    def times(self) -> Counter[str]:
        return Counter(self.ids)

    @property
    def mail(self) -> email.message.EmailMessage:
        """The only one."""
        [mail] = self.mails
        return mail

    def wait_for(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        until(condition, lambda: f"took only {len(self.mails)}", seconds=seconds)


class _Handler:
    """The server asks every attribute of its handler, and so gets one that has no others."""

    def __init__(self, post: Post) -> None:
        self.post = post

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        self.post.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        if (said := self.post.says_to.get(address)) is not None:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=default)
        [address] = envelope.rcpt_tos
        post = self.post
        with post._lock:
            post.seen.append(mail["Message-ID"])
        if address in post.stalls:
            await asyncio.sleep(60)
        if address in post.drops:
            server.transport.abort()
            return "250 never heard"
        if said := post.data_says.get(address):
            return said
        await asyncio.sleep(post.delay)
        with post._lock:
            post.mails.append(mail)
        return "250 OK"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def silence():
    """A port that is listened at, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield listening.getsockname()[1]
