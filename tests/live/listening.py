"""A service with everything that live availability needs, and clients that listen."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.simulation.runs import ROOT
from tests.simulation.service import url_of, web_server

PATIENCE = 30  # seconds until a test gives up


@contextmanager
def live_server(database, **variables):
    """The process where one listens: its URL and itself."""
    with web_server(database, module="config.live", **variables) as (url, process):
        yield url, process


@contextmanager
def relay(database, **variables):
    """`manage.py relay_events` for this database."""
    environment = {"DATABASE_URL": url_of(database), "CACHE_KEY_PREFIX": database}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "relay_events"], cwd=ROOT, env=os.environ | environment | variables
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


class Listener:
    """Somebody who listens to a title, over HTTP."""

    def __init__(self, url, book, *, last=None, **headers):
        where = urlsplit(url)
        self._client = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE)
        headers = {"Accept": "text/event-stream", **({} if last is None else {"Last-Event-ID": str(last)}), **headers}
        self._client.request("GET", f"/api/books/{book}/availability/stream", headers=headers)
        self.answer = self._client.getresponse()
        self.status = self.answer.status

    def block(self):
        """The lines up to the next empty one; none at the end of the stream."""
        lines = []
        while (line := self.answer.readline()) not in (b"\n", b""):
            lines.append(line.decode().removesuffix("\n"))
        return lines

    def event(self):
        """The next event, as its kind and data; comments are passed over. None at the end of the stream."""
        while block := self.block():
            fields = dict(line.split(": ", 1) for line in block)
            if "event" in fields:
                self.last = fields.get("id")
                return fields["event"], json.loads(fields["data"])
        return None

    def numbers(self):
        """The data of the next event, which is availability under its version."""
        kind, data = self.event()
        assert (kind, self.last) == ("availability", str(data["version"]))
        return data

    def until(self, **wanted):
        """The first numbers that are such."""
        while True:
            data = self.numbers()
            if wanted.items() <= data.items():
                return data

    def leave(self):
        self.answer.close()
        self._client.close()
