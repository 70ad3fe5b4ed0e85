"""A library that one can listen to, with a web server, the process where one listens, and the relay."""

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
import requests

from circulation.simulation.own_database import own_database
from tests.live.listening import PATIENCE, Listener, live_server, relay
from tests.servers import own_valkey
from tests.simulation.service import web_server


class Desk(SimpleNamespace):
    """`web` and `live` are URLs; `process` is the one where one listens."""

    def add(self, copies=1):
        """A new title. Its id."""
        return self._sent("POST", "/api/books", {"title": "Emma", "copies": copies})["id"]

    def lend(self, book):
        member = self._sent("POST", "/api/members", {"name": "Ada"})["id"]
        self._sent("POST", "/api/circulation/checkout", {"member_id": member, "book_id": book})

    def withdraw(self, book):
        self._sent("DELETE", f"/api/books/{book}")

    def availability(self, book):
        return self._sent("GET", f"/api/books/{book}/availability")

    def _sent(self, method, path, body=None):
        answer = requests.request(method, f"{self.web}{path}", json=body, timeout=PATIENCE)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"]


@contextmanager
def running_desk(**variables):
    with own_database(workers=1) as database, ExitStack() as stack:
        live, process = stack.enter_context(live_server(database, **variables))
        port = live.rpartition(":")[2]
        web, _ = stack.enter_context(web_server(database, LIVE_URL=f":{port}", **variables))
        stack.enter_context(relay(database, **variables))
        yield Desk(web=web, live=live, process=process, database=database)


@pytest.fixture(scope="module")
def desk(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), running_desk() as desk:
        yield desk


@pytest.fixture
def listen():
    """Has somebody listen at a URL to a title, until the end of the test at most."""
    with ExitStack() as stack:

        def connect(url, book, **more):
            listener = Listener(url, book, **more)
            stack.callback(listener.leave)
            return listener

        yield connect


@pytest.fixture
def valkey():
    """A Valkey that may be stopped, and forgets everything then."""
    with own_valkey(durable=False) as server:
        yield server


@pytest.fixture
def fragile_desk(django_db_setup, django_db_blocker, valkey):
    """A desk whose cache and events are in that Valkey."""
    addresses = {"REDIS_URL": valkey.url(db=0), "EVENTS_REDIS_URL": valkey.url(db=1)}
    with django_db_blocker.unblock(), running_desk(**addresses) as desk:
        yield desk
