"""A Circdesk of its own that serves HTTP, and a bad line to it."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import requests

from circulation.simulation.own_database import own_database
from tests.config.test_run import free_port
from tests.factories import BranchFactory
from tests.simulation.runs import ROOT

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 0\r\n"
    b'Content-Length: 40\r\nConnection: close\r\n\r\n{"success":false,"error":{"code":"BUSY"}}'[:-1]
)


@contextmanager
def service(**variables):
    """Its URL. Inside, this process is connected to its database. It has two branches."""
    with own_database(workers=1) as name, web_server(name, **variables) as (url, _):
        BranchFactory(name="Harbour")
        yield url


@contextmanager
def web_server(database, *, module="config.web", log=None, **variables):
    """Its URL and its process, in a session of its own."""
    port = free_port()
    environment = {
        "DATABASE_URL": url_of(database),
        "CACHE_KEY_PREFIX": database,
        "OPEN_DESK": "true",
        "OPEN_DESK_I_UNDERSTAND": "true",
        "CACHE_IN_PROCESS": "true",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", module, "127.0.0.1", str(port)],
        cwd=ROOT,
        env=os.environ | environment | variables,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait(20)


def url_of(database):
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}"))


def _wait_until_it_answers(url):
    give_up = time.monotonic() + 30
    while True:
        try:
            requests.get(f"{url}/health/live", timeout=5)
            return
        except requests.ConnectionError:
            assert time.monotonic() < give_up
            time.sleep(0.05)


class BadLine:
    """Passes everything on to a service, except that now and then an answer to a POST gets lost on its way back.

    The service has done by then what it was asked. Every `nth` of them is cut off, and as many are replaced by
    the excuse of somebody in between.
    """

    def __init__(self, url, nth=6):
        parts = urlsplit(url)
        self._service = (parts.hostname, parts.port)
        self._nth = nth
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._turn = threading.Lock()
        self.posts = self.lost = self.excused = 0
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listening.close()

    def _serve(self):
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=[client], daemon=True).start()

    def _pass_on(self, client):
        with closing(client), socket.create_connection(self._service) as service, suppress(OSError):
            while request := _message(client):
                service.sendall(request)
                answer = _message(service)
                fate = self._fate(request)
                if fate == "lost":
                    return
                client.sendall(BUSY if fate == "excused" else answer)
                if fate == "excused":
                    return

    def _fate(self, request):
        if not request.startswith(b"POST"):
            return "passed on"
        with self._turn:
            self.posts += 1
            if self.posts % self._nth == 0:
                self.lost += 1
                return "lost"
            if self.posts % self._nth == self._nth // 2:
                self.excused += 1
                return "excused"
        return "passed on"


def _message(sender):
    """One request or answer, whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := sender.recv(65536)):
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    missing = (int(length[1]) if length else 0) - len(body)
    while missing > 0:
        part = sender.recv(65536)
        data += part
        missing -= len(part)
    return data
