"""An endpoint on loopback that behaves as it is told, well or badly, and remembers what it was sent."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser

from standardwebhooks import Webhook

from tests.waiting import until


@dataclass(frozen=True)
class Received:
    """A request, whole."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified_by(self, secret: str):
        """The message; as a receiver reads it. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[["Receiver", socket.socket], None]:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""])
    return lambda receiver, client: client.sendall(head.encode() + body)


def stalling(receiver, client):
    """Says nothing until the receiver ends."""
    receiver.ended.wait(60)


def dripping(receiver, client):
    """A byte of a header now and then, for ever: no single one takes long."""
    client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not receiver.ended.wait(0.05):
        client.sendall(b"x")


def resetting(receiver, client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closing(receiver, client):
    """Closes without a word."""


def closing_early(receiver, client):
    """In the middle of what it promised."""
    client.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\nhalf of it")


def babbling(receiver, client):
    client.sendall(b"SSH-2.0-OpenSSH_9.7\r\n\r\n")


def flooding(receiver, client):
    """A hundred megabytes. `receiver.flooded` says how many bytes were taken."""
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    block = b"x" * 100_000
    for _ in range(1000):
        receiver.flooded += client.send(block)


def flooding_in_chunks(receiver, client):
    """Of which the first is said to have no end."""
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
    block = b"x" * 100_000
    for _ in range(1000):
        receiver.flooded += client.send(block)


class Receiver:
    """Listens while it is a context; `behaviour` may be changed meanwhile."""

    def __init__(self, behaviour=None, *, delay: float = 0.0, tls=None) -> None:
        self.behaviour = behaviour or answering(200, b"thank you")
        self.delay = delay  # seconds before each answer
        self.received: list[Received] = []
        self.connections = self.at_once = self.most_at_once = self.flooded = 0
        self.ended = threading.Event()
        self._turn = threading.Lock()
        self._listening = socket.create_server(("" if tls else "127.0.0.1", 0), backlog=100)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if tls else None
        if self._tls:
            self._tls.load_cert_chain(tls)
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?of=library"

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    @property
    def ids(self) -> list[str]:
        return [received.id for received in self.received]

    def wait_for(self, condition, seconds: float = 20.0) -> None:
        until(condition, lambda: f"received only {self.ids}", seconds=seconds)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=[client], daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with self._turn:
            self.connections += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with suppress(OSError), self._tls.wrap_socket(client, server_side=True) if self._tls else client as client:
                self._listen(client)
                time.sleep(self.delay)
                self.behaviour(self, client)
        finally:
            with self._turn:
                self.at_once -= 1

    def _listen(self, client: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (part := client.recv(65536)):
                return
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        headers = dict(BytesHeaderParser().parsebytes(rest).items())
        while len(body) < int(headers.get("Content-Length", 0)):
            body += client.recv(65536)
        with self._turn:
            self.received.append(Received(line.split()[1].decode(), headers, body))
