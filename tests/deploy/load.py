"""Librarians at work over HTTP: each lends and takes back one copy, over one connection, as fast as answers come."""

import http.client
import json
import threading
import time
import uuid
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests

PATIENCE = 20  # seconds for an answer


class Librarian(threading.Thread):
    """What failed is written down as whoever asks once would see it.

    With a key, and only then, a request that found its connection closed is sent again, as HTTP has it (RFC 9112,
    9.3.1): `repeated` counts those. `reopened` counts answers that asked for a new connection, which no client minds.
    """

    def __init__(self, url, member, book, stop, *, with_keys):
        super().__init__(daemon=True)
        self._address = urlsplit(url)
        self._member = member
        self._book = book
        self._stop_asking = stop
        self._with_keys = with_keys
        self.answered = self.reopened = self.repeated = 0
        self.failures = []

    def run(self):
        client = None
        while not self._stop_asking.is_set():
            for path in ("checkout", "return"):
                client = self._ask(
                    client, f"/api/circulation/{path}/", {"member_id": self._member, "book_id": self._book}
                )
        if client is not None:
            client.close()

    def _ask(self, client, path, body):
        """The connection for the next one; None if that needs a new one."""
        headers = {"Content-Type": "application/json"}
        if self._with_keys:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        is_old = client is not None
        while True:
            client = client or http.client.HTTPConnection(self._address.hostname, self._address.port, timeout=PATIENCE)
            try:
                client.request("POST", path, json.dumps(body), headers)
                answer = client.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                client.close()
                client = None
                if not (is_old and self._with_keys and isinstance(error, ConnectionError)):
                    self.failures.append(f"{path}: {error!r}")
                    time.sleep(0.01)  # or it would fill the log of failures, and the machine
                    return None
                is_old = False
                self.repeated += 1
        self.answered += 1
        if answer.status not in (200, 201):
            self.failures.append(f"{path}: {answer.status} {text[:300]!r}")
        if answer.will_close:
            self.reopened += 1
            return None
        return client


@contextmanager
def at_work(url, *, librarians=6, with_keys=True):
    """Inside, they work. Yields them; afterwards they have stopped, and each holds their copy no more."""
    stop = threading.Event()
    staff = [
        Librarian(
            url,
            _made(url, "members", name=f"Reader {n}"),
            _made(url, "books", title=f"Book {n}"),
            stop,
            with_keys=with_keys,
        )
        for n in range(librarians)
    ]
    for librarian in staff:
        librarian.start()
    try:
        yield staff
    finally:
        stop.set()
        for librarian in staff:
            librarian.join(PATIENCE * 2)


def _made(url, what, **values):
    """Its number. Over HTTP, so that it has the events by which the invariants know it."""
    answer = requests.post(f"{url}/api/{what}/", json=values, timeout=PATIENCE)
    number: int = answer.json()["data"]["id"]
    return number
