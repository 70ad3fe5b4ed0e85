"""The service as in production, in pieces that can be struck one by one, with servers of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes
from typing import Any

import psutil
import redis
from aiosmtpd.controller import Controller

from benchmarks import places
from config import embedded
from config.servers import Postgres, Valkey

WEBS = 2
COMMANDS: dict[str, Sequence[str]] = {
    "relay": ("manage.py", "relay_events"),
    "consumers": ("manage.py", "consume_events"),
    "worker": ("-m", "config.work"),  # with beat
}


class Post:
    """A mail server that takes every mail, and remembers the Message-ID of each."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.port = places.free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.taken.append(message_from_bytes(envelope.content)["Message-ID"])
        return "250 OK"

    @contextmanager
    def open(self) -> Iterator[Post]:
        self._controller.start()
        try:
            yield self
        finally:
            self._controller.stop()


class Service:
    """Each process can be killed without a word, with all that it started, and begun again."""

    def __init__(self, postgres: Postgres, post: Post, application: str) -> None:
        self.postgres, self.valkey, self.post = postgres, Valkey(embedded.home()), post
        self.ports = [places.free_port() for _ in range(WEBS)]
        self._commands: dict[str, Sequence[str]] = dict(COMMANDS)
        for number, port in enumerate(self.ports, start=1):
            self._commands[f"web {number}"] = (
                *("-m", "granian", "--interface", "wsgi", "--no-ws", "--log-level", "error", "--host", "127.0.0.1"),
                *("--port", str(port), "--workers", "1", "--blocking-threads", "16", application),
            )
        self._environment = os.environ | {"EMAIL_URL": f"smtp://127.0.0.1:{post.port}"}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._turn = threading.RLock()

    @property
    def names(self) -> list[str]:
        return list(self._commands)

    def start(self, name: str) -> None:
        with self._turn:
            self._running[name] = subprocess.Popen(
                [sys.executable, *self._commands[name]],
                cwd=embedded.BASE_DIR,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # of servers that are struck down; what matters is checked
                start_new_session=True,
            )

    def start_all(self) -> None:
        """Those that do not run; returns when both web servers answer."""
        with self._turn:
            for name in self.names:
                if name not in self._running or self._running[name].poll() is not None:
                    self.start(name)
            for number, port in enumerate(self.ports, start=1):
                places.wait_until_it_answers(self._running[f"web {number}"], port)

    def kill(self, name: str) -> None:
        with self._turn:
            process = self._running.pop(name, None)
            if process is None:
                return
            gone = []
            if process.poll() is None:
                above = psutil.Process(process.pid)
                gone = [above, *above.children(recursive=True)]
            for one in gone:
                one.kill()
            process.wait()
            psutil.wait_procs(gone, timeout=10)

    def end(self) -> None:
        for name in list(self._running):
            self.kill(name)

    # --- The servers below ---

    def crash_postgres(self) -> None:
        """An immediate shutdown: no checkpoint, every session cut off. It recovers as it starts."""
        os.kill(places.postmaster(self.postgres), signal.SIGQUIT)
        self.postgres.stop()
        self.postgres.start(lambda _: None)

    def kill_valkey(self) -> None:
        with redis.Redis.from_url(embedded.redis_url()) as client:
            os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
        self.valkey.stop()

    def start_valkey(self) -> None:
        self.valkey.start(lambda _: None)

    def flush_valkey(self) -> None:
        """Everything: the cache, the streams, the broker's queues."""
        with redis.Redis.from_url(embedded.redis_url()) as client:
            client.flushall()

    def pause_valkey(self, seconds: float) -> None:
        with redis.Redis.from_url(embedded.redis_url()) as client:
            client.client_pause(round(seconds * 1000))


@contextmanager
def running(application: str) -> Iterator[Service]:
    """With everything begun; all of it is gone afterwards."""
    os.environ["SECRET_KEY"] = secrets.token_urlsafe()
    postgres = places.prepare()
    with Post().open() as post:
        service = Service(postgres, post, application)
        try:
            service.start_all()
            yield service
        finally:
            service.end()
