"""What nginx does for the service, by the very files of deploy/nginx."""

import http.client
import json
import socket
import subprocess
import tempfile
import threading
import uuid
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests
from axes.models import AccessAttempt

from config import web
from tests.deploy.nginx import nginx
from tests.waiting import until

PATIENCE = 20  # seconds
EVENT = "text/event-stream"


def error_of(answer, status, code):
    """In the envelope of the service, whoever of the two answered."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert (body["success"], body["error"]["code"], body["error"]["status_code"]) == (False, code, status)
    assert set(body["error"]) == {"message", "code", "details", "status_code"}


def connected(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)


def book(proxy, title="Emma"):
    return requests.post(f"{proxy.url}/api/books/", json={"title": title}, timeout=PATIENCE).json()["data"]["id"]


def line_of(proxy, number):
    """What the log says of a request."""
    return until(lambda: [line for line in proxy.log().splitlines() if f'"request_id":"{number}"' in line])[0]


# --- Who called ---------------------------------------------------------------------------------------


def test_nobody_writes_their_own_address(proxy):
    headers = {
        "X-Forwarded-For": "203.0.113.7",
        "X_Forwarded_For": "203.0.113.8",
        "Forwarded": "for=203.0.113.9",
        "X-Real-IP": "203.0.113.10",
    }
    wrong = {"username": "nobody", "password": "wrong"}

    assert requests.post(f"{proxy.url}/api/token/", json=wrong, headers=headers, timeout=PATIENCE).status_code == 401

    assert AccessAttempt.objects.get(username="nobody").ip_address == "127.0.0.1"


# --- What is not for the outside ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "/%6detrics", "//metrics", "/health", "/health/", "/health/ready", "/x/../health"]
)
def test_what_the_service_stands_on_is_told_nobody_outside(proxy, path):
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
    # As it stands: requests would tidy it up. Known by its number in the log, which nginx writes after the answer.
    client.request("GET", path, headers={"X-Request-ID": (number := uuid.uuid4().hex)})
    answer = client.getresponse()

    assert answer.status == 404
    assert json.loads(answer.read())["error"]["message"] == "There is nothing at this address."
    assert '"served_by":""' in line_of(proxy, number)  # no web server was asked
    client.close()


def test_whether_it_is_there_is_told_everybody(proxy):
    assert requests.get(f"{proxy.url}/health/live", timeout=PATIENCE).json() == {"status": "ok"}


def test_no_header_is_there_twice(proxy):
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
    for path in ("/api/books/", "/admin/login/", "/nothing", "/metrics"):
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        names = [name.lower() for name, _ in answer.getheaders() if name != "Vary"]
        assert len(names) == len(set(names)), path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    client.close()


# --- Bodies ---------------------------------------------------------------------------------------------


def test_a_large_file_is_taken_in(proxy):
    rows = "id,title,author\n" + "".join(
        f"{number},Book {number:0100d},Nobody\n" for number in range(1, 40_000)
    )  # 5 MB

    answer = requests.post(
        f"{proxy.url}/api/imports/", data={"kind": "books"}, files={"file": ("books.csv", rows)}, timeout=PATIENCE
    )

    assert answer.status_code == 202, answer.text


def test_a_body_that_is_too_large_is_refused_with_the_code_that_the_service_has_for_it(proxy):
    for size, status in ((1_000_000, 400), (1_000_001, 413), (9_000_000, 413)):
        answer = requests.post(
            f"{proxy.url}/api/books/",
            data=b" " * size,
            headers={"Content-Type": "application/json"},
            timeout=PATIENCE,
        )

        error_of(answer, status, "PAYLOAD_TOO_LARGE" if status == 413 else "MALFORMED_JSON")


def test_whoever_would_send_too_large_a_file_hears_it_before_they_have(proxy):
    with connected(proxy) as client:
        client.sendall(
            b"POST /api/imports/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000000\r\n\r\n" + b" " * 9_999
        )

        assert client.recv(12) == b"HTTP/1.1 413"


@contextmanager
def unended(proxy):
    """Several times as many requests as the web servers answer at a time, none of which is ended inside."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(proxy)) for _ in range(web.THREADS * 4)]
        for client in clients:
            client.sendall(
                b"POST /api/books/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b'Content-Length: 16\r\n\r\n{"title"'
            )
        yield clients


def test_whoever_sends_slowly_keeps_no_web_server_busy(proxy):
    """Without nginx they would: tests/faults/test_slow_clients.py."""
    with unended(proxy) as clients:
        for _ in range(20):
            assert requests.get(f"{proxy.url}/api/books/", timeout=PATIENCE).status_code == 200
        assert book(proxy)

        clients[0].sendall(b':"Emma"}')
        assert clients[0].recv(12) == b"HTTP/1.1 201"


# --- Live availability -------------------------------------------------------------------------------------


def test_listeners_hear_at_once_what_happened(proxy, relay):
    number = book(proxy)
    member = requests.post(f"{proxy.url}/api/members/", json={"name": "Ada"}, timeout=PATIENCE).json()["data"]["id"]
    with requests.get(f"{proxy.url}/api/books/{number}/availability/stream/", stream=True, timeout=PATIENCE) as stream:
        lines = (line for line in stream.iter_lines(chunk_size=1, decode_unicode=True) if line.startswith("data:"))

        assert stream.headers["Content-Type"].startswith(EVENT)
        assert json.loads(next(lines)[5:])["available"] == 1

        lent = requests.post(
            f"{proxy.url}/api/circulation/checkout/", json={"member_id": member, "book_id": number}, timeout=PATIENCE
        )
        assert lent.status_code in (200, 201)

        assert json.loads(next(lines)[5:])["available"] == 0


# --- Nobody there ----------------------------------------------------------------------------------------


def test_when_no_web_server_answers_clients_hear_it_in_the_words_of_the_api(service):
    with socket.create_server(("127.0.0.1", 0)) as bound:
        nobody = f"127.0.0.1:{bound.getsockname()[1]}"
    with nginx({"web-1": nobody, "web-2": nobody, "live": nobody}) as proxy:
        for method, headers in (("GET", {}), ("POST", {}), ("PUT", {}), ("POST", {"Idempotency-Key": "k"})):
            answer = requests.request(method, f"{proxy.url}/api/books/1/", headers=headers, timeout=PATIENCE)

            error_of(answer, 502, "NO_ANSWER")
            assert answer.headers["Retry-After"] == "5"
        error_of(requests.get(f"{proxy.url}/api/books/1/availability/stream/", timeout=PATIENCE), 502, "NO_ANSWER")


@pytest.fixture(scope="module")
def breaking():
    """An nginx before two web servers that take requests and end without an answer; and what they were sent."""
    asked = []

    def take(listening):
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client:
                    asked.append(client.recv(65536))

    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        for listening in servers:
            threading.Thread(target=take, args=[listening], daemon=True).start()
        first, second = (f"127.0.0.1:{listening.getsockname()[1]}" for listening in servers)
        upstreams = {"web-1": first, "web-2": second, "live": first}
        # Or both would soon be left alone.
        proxy = stack.enter_context(nginx(upstreams, instead={"max_fails=1 fail_timeout=5s": "max_fails=0"}))
        yield proxy, asked, upstreams


@pytest.mark.parametrize(
    ("method", "headers", "is_asked_again"),
    [
        ("GET", {}, True),
        ("POST", {"Idempotency-Key": "a"}, True),
        ("PUT", {"Idempotency-Key": "a"}, True),
        ("POST", {}, False),
        ("PATCH", {}, False),
        ("PUT", {}, False),
        ("DELETE", {}, False),
        ("PUT", {"Idempotency-Key": ""}, False),
    ],
)
def test_what_was_sent_is_sent_again_only_where_it_is_done_once(breaking, method, headers, is_asked_again):
    proxy, asked, _ = breaking
    asked.clear()

    answer = requests.request(method, f"{proxy.url}/api/books/1/", headers=headers, timeout=PATIENCE)

    error_of(answer, 502, "NO_ANSWER")
    assert len(asked) == (2 if is_asked_again else 1)


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(breaking):
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / "certificate", Path(name) / "key"]
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]),
            ],
            check=True,
            capture_output=True,
        )
        with nginx(breaking[2], tls=[path.read_text(encoding="ascii") for path in files]) as proxy:
            proxy.certificate = files[0]
            yield proxy


def test_whoever_comes_without_tls_is_sent_where_there_is(tls):
    answer = requests.post(f"{tls.url}/api/books/?a=b", allow_redirects=False, timeout=PATIENCE)

    assert (answer.status_code, answer.headers["Location"]) == (308, "https://127.0.0.1/api/books/?a=b")


def test_the_service_is_told_who_came_by_tls_and_under_which_name(tls, breaking):
    asked = breaking[1]
    asked.clear()

    requests.get(
        f"https://127.0.0.1:{tls.tls_port}/api/books/",
        headers={"X-Forwarded-Proto": "http", "X-Forwarded-Host": "elsewhere.example.org"},
        verify=tls.certificate,
        timeout=PATIENCE,
    )

    _, *headers = asked[0].decode("ascii").strip().split("\r\n")
    told = dict(line.split(": ", 1) for line in headers)
    assert told["X-Forwarded-Proto"] == "https"
    assert told["Host"] == f"127.0.0.1:{tls.tls_port}"
    assert "X-Forwarded-Host" not in told
