"""Clients that begin a request and do not end it. For those that may send a body a proxy must wait: docs/api.md."""

import socket
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from circulation.simulation.own_database import own_database
from config import web
from tests.simulation.service import web_server
from tests.waiting import until

pytestmark = pytest.mark.slow

UNENDED = b"%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
PATIENCE = 10  # seconds


@pytest.fixture
def service(django_db_blocker):
    with django_db_blocker.unblock(), own_database(workers=1) as name, web_server(name) as (url, _):
        yield url


@contextmanager
def unended(service, line):
    """Several times as many requests as are answered at a time, none of which is ended inside."""
    parts = urlsplit(service)
    with ExitStack() as stack:
        clients = []
        for _ in range(web.THREADS * 4):
            client = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE))
            client.sendall(UNENDED % line)
            clients.append(client)
        yield clients


def is_alive(service, *, within):
    try:
        return requests.get(f"{service}/health/live", timeout=within).status_code == 200
    except requests.Timeout:
        return False


@pytest.mark.parametrize("line", [b"GET /api/books/", b"POST /api/nothing/", b"POST /admin/login/"])
def test_who_reads_need_not_be_waited_for(service, line):
    with unended(service, line) as clients:
        assert {client.recv(9) for client in clients} == {b"HTTP/1.1 "}  # answered before their end

        for _ in range(20):
            assert is_alive(service, within=PATIENCE)
        made = requests.post(f"{service}/api/books/", json={"title": "Emma"}, timeout=PATIENCE)
        assert made.status_code == 201


def test_who_may_send_a_body_is_waited_for(service):
    """The control: what the test above would see, and what the proxy is for."""
    with unended(service, b"POST /api/books/"):
        until(lambda: not is_alive(service, within=0.5), seconds=PATIENCE)

    until(lambda: is_alive(service, within=0.5), seconds=PATIENCE)
