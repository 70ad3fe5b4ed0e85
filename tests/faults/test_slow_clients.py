"""Clients that begin a request and do not end it. For those that may send a body a proxy must wait: docs/api.md."""

import socket
import time
from contextlib import ExitStack

import pytest
import requests

from circulation.simulation.own_database import own_database
from config import web
from tests.simulation.service import web_server

UNENDED = b"%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture
def service(django_db_blocker):
    with django_db_blocker.unblock(), own_database(workers=1) as name, web_server(name) as (url, _):
        yield url


LINES = [b"GET /api/books/", b"POST /api/nothing/", b"POST /admin/login/"]


@pytest.mark.parametrize("line", LINES)
def test_who_reads_need_not_be_waited_for(service, line):
    address = service.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(web.THREADS * 4):
            slow = stack.enter_context(socket.create_connection((address[0], int(address[1]))))
            slow.sendall(UNENDED % line)
        time.sleep(0.2)  # until they have arrived

        for _ in range(20):
            assert requests.get(f"{service}/health/live", timeout=10).status_code == 200
        made = requests.post(f"{service}/api/books/", json={"title": "Emma"}, timeout=10)
        assert made.status_code == 201
