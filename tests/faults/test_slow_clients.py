"""Clients that begin a request and do not end it: the others go on."""

import socket
import time
from contextlib import ExitStack

import pytest
import requests

from circulation.simulation.own_database import own_database
from config import wsgi
from tests.simulation.service import web_server

UNENDED = b"%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture
def service(django_db_blocker):
    with django_db_blocker.unblock(), own_database(workers=1) as name, web_server(name) as (url, _):
        yield url


LINES = [b"POST /api/books/", b"GET /api/books/", b"POST /api/nothing/", b"POST /admin/login/"]


@pytest.mark.parametrize("line", LINES)
def test_unended_requests_take_nobodys_turn(service, line):
    address = service.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(wsgi.TURNS * 4):
            slow = stack.enter_context(socket.create_connection((address[0], int(address[1]))))
            slow.sendall(UNENDED % line)
        time.sleep(0.2)  # until they have arrived

        for _ in range(20):
            assert requests.get(f"{service}/health/live", timeout=10).status_code == 200
        made = requests.post(f"{service}/api/books/", json={"title": "Emma"}, timeout=10)
        assert made.status_code == 201
