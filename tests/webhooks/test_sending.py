"""One POST, to endpoints that are well and to those that are not; and to where nothing may be sent."""

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from integrations.reaching import split
from integrations.webhooks import sending
from integrations.webhooks.sending import post
from tests.webhooks import receiving
from tests.webhooks.receiving import Receiver, answering

CERTIFICATE = Path(__file__).parent / "localhost.pem"  # made for these tests, for a hundred years


def send(url, body=b'{"id": 1}'):
    return post(url, body, {"webhook-id": "all-1", "Content-Type": "application/json"})


def told(outcome):
    return (outcome.status, outcome.answer, outcome.error)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(sending, "CONNECT", 0.3)
    monkeypatch.setattr(sending, "TOTAL", 0.6)


# --- What it says --------------------------------------------------------------------------------------------


def test_what_is_sent_arrives_and_what_is_answered_is_kept(receiver):
    outcome = send(receiver.url)

    assert told(outcome) == (200, "thank you", "")
    assert outcome.is_received
    assert 0 <= outcome.milliseconds <= sending.TOTAL * 1000
    [received] = receiver.received
    assert (received.target, received.body, received.id) == ("/hook?of=library", b'{"id": 1}', "all-1")
    assert received.headers["Host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_success(receiver, status):
    receiver.behaviour = answering(status)

    assert send(receiver.url).is_received


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_anything_else_is_a_failure_and_says_which(receiver, status):
    receiver.behaviour = answering(status, b"no")

    outcome = send(receiver.url)

    assert told(outcome) == (status, "no", f"It answered {status}.")
    assert not outcome.is_received
    assert outcome.is_gone == (status == 410)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_failure_says_where_it_led(receiver, status):
    with Receiver() as elsewhere:
        receiver.behaviour = answering(status, Location=elsewhere.url)
        outcome = send(receiver.url)

        assert elsewhere.connections == 0
    assert outcome.error == f"It answered {status}, a redirect to {elsewhere.url}, which is not followed."


def test_of_a_long_answer_its_beginning_is_read_and_less_is_kept(receiver):
    receiver.behaviour = receiving.flooding

    outcome = send(receiver.url)

    assert told(outcome) == (200, "x" * 500, "")
    receiver.wait_for(lambda: receiver.at_once == 0)
    assert receiver.flooded < 20_000_000  # what the system buffers, and no more


def test_an_answer_in_chunks_is_not_read(receiver):
    receiver.behaviour = receiving.flooding_in_chunks

    outcome = send(receiver.url)

    assert told(outcome) == (200, "", "")
    receiver.wait_for(lambda: receiver.at_once == 0)
    assert receiver.flooded < 20_000_000


def test_an_answer_that_no_text_is_can_be_stored(receiver):
    receiver.behaviour = answering(200, b"\0\xff\xfe ok")

    assert send(receiver.url).answer == "��� ok"


# --- What it does not say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        (receiving.resetting, None, "The connection failed: Connection reset by peer."),
        (receiving.closing, None, "It closed the connection without an answer."),
        (receiving.babbling, None, "The answer is not HTTP: BadStatusLine."),
        (receiving.closing_early, 500, "It answered 500."),
    ],
)
def test_an_endpoint_that_misbehaves_is_a_failure(receiver, behaviour, status, error):
    receiver.behaviour = behaviour

    outcome = send(receiver.url)

    assert (outcome.status, outcome.error) == (status, error)


@pytest.mark.parametrize("behaviour", [receiving.stalling, receiving.dripping])
@pytest.mark.usefixtures("hurried")
def test_one_that_takes_too_long_is_cut_off(receiver, behaviour):
    receiver.behaviour = behaviour
    began = time.monotonic()

    outcome = send(receiver.url)

    assert (outcome.status, outcome.error) == (None, "It took longer than 0.6 seconds.")
    assert time.monotonic() - began > 0.5


@pytest.mark.usefixtures("_loopback", "hurried")
def test_a_tls_handshake_that_takes_too_long_is_cut_off():
    """A server that drips the beginning of a record, so that no single read takes long."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip():
            client, _ = server.accept()
            with client:
                client.sendall(b"\x16\x03\x03\x40\x00")
                while not ended.wait(0.05):
                    client.sendall(b"\x02")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        outcome = send(f"https://127.0.0.1:{server.getsockname()[1]}/")
        ended.set()

    assert outcome.status is None
    assert outcome.error == "It took longer than 0.6 seconds."


@pytest.mark.usefixtures("_loopback")
def test_where_nobody_listens_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert send(f"http://127.0.0.1:{port}/").error == "The connection failed: Connection refused."


@pytest.fixture
def secure(_loopback):
    """A receiver that speaks TLS as localhost, with a certificate that vouches for itself."""
    with Receiver(tls=CERTIFICATE) as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("localhost", ""),
        ("127.0.0.1", ""),
        ("127.0.0.2", "TLS failed: IP address mismatch, certificate is not valid for '127.0.0.2'."),
    ],
)
def test_a_certificate_must_be_of_the_host_in_the_url(secure, monkeypatch, host, error):
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    monkeypatch.setattr(sending, "tls", lambda: trusting)

    outcome = send(f"https://{host}:{secure.port}/")

    assert outcome.error == error
    assert (secure.received != []) == (error == "")


def test_a_certificate_must_be_vouched_for(secure):
    assert send(f"https://localhost:{secure.port}/").error == "TLS failed: self-signed certificate."
    assert secure.received == []


def test_proxies_of_the_environment_are_not_asked(receiver, monkeypatch):
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

        assert send(receiver.url).is_received
        assert proxy.connections == 0


# --- Where it may not go -------------------------------------------------------------------------------------


@pytest.fixture
def inside():
    """A receiver in a network that nobody named."""
    with Receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "[::ffff:127.0.0.1]"])
def test_nothing_is_sent_into_private_networks(inside, host):
    outcome = send(f"http://{host}:{inside.port}/")

    assert outcome.status is None
    assert outcome.error == f"{host.strip('[]')} is not on the public internet, nor in one of WEBHOOK_NETWORKS."
    assert inside.connections == 0


def resolving(monkeypatch, *answers):
    """Every look-up has the next of these answers; the last one remains."""
    asked = []
    real = socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        if host != "receiver.example":
            return real(host, port, *args, **kwargs)
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [entry for address in addresses for entry in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_that_means_something_private_at_the_second_look_up_leads_nowhere(inside, monkeypatch):
    """What was found to be public is what is connected to; nobody is asked again."""
    asked = resolving(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    connected = []

    def connect(address, **kwargs):
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    send(f"http://receiver.example:{inside.port}/")

    assert connected == [("8.8.8.8", inside.port)]
    assert asked == ["receiver.example"]
    assert inside.connections == 0


def test_a_name_that_means_something_private_is_refused(inside, monkeypatch):
    resolving(monkeypatch, ["127.0.0.1"])

    outcome = send(f"http://receiver.example:{inside.port}/")

    assert outcome.error == "receiver.example is not on the public internet, nor in one of WEBHOOK_NETWORKS."
    assert inside.connections == 0


def test_of_several_addresses_those_that_may_be_sent_to_are_tried(receiver, monkeypatch):
    resolving(monkeypatch, ["10.0.0.1", "127.0.0.2", "127.0.0.1"])
    began = time.monotonic()

    assert send(f"http://receiver.example:{receiver.port}/").is_received
    assert time.monotonic() - began < sending.CONNECT  # nobody waited for the first
    assert receiver.received[0].headers["Host"] == f"receiver.example:{receiver.port}"


def test_a_name_that_nobody_has_is_a_failure():
    outcome = send("http://nobody.invalid/")

    assert outcome.status is None
    assert outcome.error.startswith("The connection failed: ")


def test_a_name_that_is_none_is_a_failure():
    assert send(f"http://{'x' * 70}.example/").error.startswith("The connection failed: ")


# --- What a URL may be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "http://example.org:8080/a?b=c",
        "https://[2606:4700::1]:8443/",
        "https://xn--bcher-kva.example/",
        "HTTPS://EXAMPLE.ORG/",
    ],
)
def test_what_a_url_may_be(url):
    assert split(url).hostname


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("ftp://example.org/", "The URL begins with https:// or http://."),
        ("file:///etc/passwd", "The URL begins with https:// or http://."),
        ("example.org", "The URL begins with https:// or http://."),
        ("https:///path", "This is no URL."),
        ("https://[::1/", "This is no URL."),
        ("https://example.org:99999/", "This is no URL."),
        ("https://example.org:0/", "This is no URL."),
        ("https://a:b@example.org/", "Name and password do not belong in the URL."),
        ("https://example.org@127.0.0.1/", "Name and password do not belong in the URL."),
        ("https://example.org/#x", "What follows a # would not be sent."),
        ("https://bücher.example/", "Write the URL in ASCII, without spaces and backslashes."),
        ("https://example.org/a b", "Write the URL in ASCII, without spaces and backslashes."),
        ("https://example.org/\r\nX: y", "Write the URL in ASCII, without spaces and backslashes."),
        ("https://example.org\\@127.0.0.1/", "Write the URL in ASCII, without spaces and backslashes."),
    ],
)
def test_what_it_may_not(url, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}$".replace("?", r"\?")):
        split(url)
