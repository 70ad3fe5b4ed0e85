"""One request to a partner: to where it may be, for as long as it may take, and no more of its answer than fits."""

import gzip
import json
import socket
import ssl
import threading
import time

import pytest
from urllib3.exceptions import InvalidHeader

from integrations.partners import calling
from integrations.partners.calling import LIMIT, Failure, call, get
from tests.partners.conftest import at
from tests.webhooks import receiving
from tests.webhooks.receiving import Receiver, answering
from tests.webhooks.test_sending import CERTIFICATE

KEY = "cdk_0123456789012345678901234567890123456789012"


def soon(seconds=5.0):
    return time.monotonic() + seconds


def ask(server, *, within=5.0, path="/api/books/", **partner):
    chosen = at(server, **partner)
    return get(chosen, f"{chosen.base_url}{path}", deadline=soon(within))


def why(server, **options):
    with pytest.raises(Failure) as caught:
        ask(server, **options)
    assert KEY not in repr(caught.value)
    return str(caught.value)


# --- What is sent, and what comes back -----------------------------------------------------------------------


def test_a_request_says_who_asks_and_with_which_key(server):
    server.behaviour = answering(200, b'{"a": 1}')

    assert ask(server, path="/api/books/?isbn=1", api_key=KEY).json() == {"a": 1}

    [received] = server.received
    assert received.target == "/api/books/?isbn=1"
    assert received.headers["X-API-Key"] == KEY
    assert received.headers["User-Agent"].startswith("Circdesk/")
    assert received.headers["Accept"] == "application/json"
    assert received.headers["Host"] == f"127.0.0.1:{server.port}"
    assert "Cookie" not in received.headers


def test_a_daia_server_sees_no_key(server):
    server.behaviour = answering(200, b"{}")

    ask(server, api_key=KEY, protocol="daia")

    assert "X-API-Key" not in server.received[0].headers


def test_a_body_is_sent_once_as_json(server):
    partner = at(server)

    reply = call(partner, "POST", f"{partner.base_url}/x", deadline=soon(), body={"a": 1}, headers={"A": "b"})

    assert reply.status == 200
    assert (json.loads(server.received[0].body), server.received[0].headers["A"]) == ({"a": 1}, "b")


def test_what_is_packed_is_unpacked(server):
    server.behaviour = answering(200, gzip.compress(b'{"a": 1}'), **{"Content-Encoding": "gzip"})

    assert ask(server).json() == {"a": 1}


def test_chunks_are_put_together(server):
    def chunked(receiver, client):
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b'3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n')

    server.behaviour = chunked

    assert ask(server).json() == {"a": 1}


# --- Servers that misbehave ----------------------------------------------------------------------------------


def slow_body(receiver, client):
    """Ten bytes are promised, and come one by one, never all."""
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not receiver.ended.wait(0.05):
        client.sendall(b"1")


def endless_body(receiver, client):
    """A body that ends when the connection does, and looks whole at every moment."""
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not receiver.ended.wait(0.05):
        client.sendall(b"1")


def slow_start(receiver, client):
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    receiver.ended.wait(60)


def many_headers(receiver, client):
    client.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1_000 + b"\r\n")


def long_header(receiver, client):
    client.sendall(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n")


@pytest.mark.parametrize(
    "behaviour",
    [receiving.stalling, receiving.dripping, slow_body, endless_body, slow_start],
    ids=lambda it: it.__name__,
)
def test_who_takes_too_long_is_given_up_while_they_still_talk(server, behaviour):
    server.behaviour = behaviour

    assert why(server, within=0.4) == "It did not answer in time."

    assert not server.ended.is_set()
    assert server.connections == 1  # and is not asked again


def test_time_that_is_over_before_it_began_asks_nobody_for_long(server):
    server.behaviour = receiving.stalling

    assert why(server, within=-1.0) == "It did not answer in time."


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (receiving.resetting, "The connection failed: Connection reset by peer."),
        (receiving.closing, "It closed the connection without an answer."),
        (receiving.closing_early, "It broke off in the middle of its answer."),
        (receiving.babbling, "Its answer is not HTTP."),
        (receiving.flooding, "Its answer is longer than 1 MB."),
        (many_headers, "Its answer is not HTTP."),
        (long_header, "Its answer is not HTTP."),
        (answering(200, b"\x1f\x8bgarbage", **{"Content-Encoding": "gzip"}), "Its answer cannot be unpacked."),
    ],
    ids=lambda it: getattr(it, "__name__", None),
)
def test_a_server_that_misbehaves_is_a_failure_that_says_how(server, behaviour, reason):
    server.behaviour = behaviour

    assert why(server, api_key=KEY) == reason


def test_an_answer_of_two_lengths_is_not_blamed_on_our_url():
    """As urllib3 says it; the connection then is closed when memory is tidied up, which is no matter of this test."""
    assert str(calling._failure(InvalidHeader("Content-Length"))) == "Its answer is not HTTP."


def test_nobody_listening_is_a_failure(server):
    with Receiver() as gone:
        pass

    assert why(gone) == "The connection failed: Connection refused."


def test_of_a_hundred_megabytes_hardly_more_than_the_first_is_taken(server):
    server.behaviour = receiving.flooding

    why(server)

    assert server.flooded < 20_000_000


def test_chunks_without_an_end_are_not_taken(server):
    server.behaviour = receiving.flooding_in_chunks

    assert why(server) == "Its answer is longer than 1 MB."
    assert server.flooded < 20_000_000


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_is_not_unpacked(server, layers, monkeypatch):
    bomb = gzip.compress(b"0" * 200_000_000, 1)
    for _ in range(layers - 1):
        bomb = gzip.compress(bomb)
    server.behaviour = answering(200, bomb, **{"Content-Encoding": ", ".join(["gzip"] * layers)})

    assert why(server) == "Its answer is longer than 1 MB."


def test_an_answer_may_have_just_the_longest_length(server):
    server.behaviour = answering(200, b"1" * LIMIT)
    assert len(ask(server).body) == LIMIT

    server.behaviour = answering(200, b"1" * (LIMIT + 1))
    assert why(server) == "Its answer is longer than 1 MB."


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"1" * 5_000, b"\xff\xfe\xff", b"{'a': 1}"])
def test_what_is_not_json_is_a_failure(server, body):
    server.behaviour = answering(200, body)

    with pytest.raises(Failure, match=r"^Its answer is not JSON\.$"):
        ask(server).json()


# --- Once more -----------------------------------------------------------------------------------------------


def in_turn(*behaviours):
    """Each connection another one; the last goes on."""
    left = list(behaviours)

    def behave(receiver, client):
        (left.pop(0) if len(left) > 1 else left[0])(receiver, client)

    return behave


@pytest.mark.parametrize("first", [receiving.resetting, receiving.closing, answering(503), answering(502)])
def test_a_request_that_changes_nothing_is_repeated_once(server, first):
    server.behaviour = in_turn(first, answering(200, b"1"))
    assert ask(server).body == b"1"
    assert server.connections == 2

    server.behaviour = first
    why(server)
    assert server.connections == 4


@pytest.mark.parametrize("answer", [200, 204, 302, 400, 401, 404, 429, 500])
def test_what_was_answered_is_not_asked_again(server, answer):
    server.behaviour = answering(answer)

    assert ask(server).status == answer
    assert server.connections == 1


def test_it_is_not_repeated_when_no_time_is_left_for_it(server, monkeypatch):
    monkeypatch.setattr("integrations.partners.calling.PAUSE", (10.0, 10.0))
    server.behaviour = receiving.resetting

    why(server)

    assert server.connections == 1


def test_what_changes_something_is_never_repeated(server):
    server.behaviour = receiving.resetting
    partner = at(server)

    with pytest.raises(Failure):
        call(partner, "POST", partner.base_url, deadline=soon(), body={})

    assert server.connections == 1


# --- Where it may go -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_a_partner_on_this_machine_is_not_asked_unless_an_admin_allows_it(server, host):
    reason = why(server, allows_private=False, base_url=f"http://{host}:{server.port}")

    assert reason == f"{host.strip('[]')} is not on the public internet."
    assert server.connections == 0


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "0.0.0.0", "224.0.0.1", "[fd00:ec2::254]"]
)
def test_what_tells_a_machines_secrets_is_never_asked(server, host):
    reason = why(server, allows_private=True, base_url=f"http://{host}:{server.port}")

    assert reason == f"{host.strip('[]')} is not on the public internet."


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{port}/secret", "/x"])
def test_redirects_are_not_followed(server, target):
    with Receiver() as secret:
        server.behaviour = answering(302, Location=target.format(port=secret.port))

        assert ask(server, api_key=KEY).status == 302

        assert (server.connections, secret.connections) == (1, 0)


def test_a_name_that_means_something_else_a_moment_later_leads_nowhere_else(server, monkeypatch):
    """The address that was judged is the one that is connected to."""
    asked = []

    def look_up(host, port, *args, **kwargs):
        asked.append(host)
        address = "203.0.113.7" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr("integrations.addresses.socket.getaddrinfo", look_up)
    reason = why(server, allows_private=False, base_url=f"http://rebinding.example:{server.port}")

    assert reason == "rebinding.example is not on the public internet."
    assert (asked, server.connections) == (["rebinding.example"], 0)


def test_of_several_addresses_only_those_are_tried_that_may_be(server, monkeypatch):
    connected = []

    def look_up(host, port, *args, **kwargs):
        places = ("169.254.169.254", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port)) for place in places]

    create = socket.create_connection

    def connect(address, **kwargs):
        connected.append(address[0])
        return create(("127.0.0.1", address[1]), **kwargs)

    server.behaviour = answering(200, b"1")
    monkeypatch.setattr("integrations.addresses.socket.getaddrinfo", look_up)
    monkeypatch.setattr("integrations.reaching.socket.create_connection", connect)

    assert ask(server, base_url=f"http://two.example:{server.port}").body == b"1"
    assert connected == ["127.0.0.1"]
    assert server.received[0].headers["Host"] == f"two.example:{server.port}"


def test_proxies_and_passwords_of_the_environment_are_not_used(server, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        ask(server)

        assert (server.connections, proxy.connections) == (1, 0)
    assert "Authorization" not in server.received[0].headers


def test_a_certificate_must_be_one_that_the_machine_trusts():
    with Receiver(tls=CERTIFICATE) as server:
        reason = why(server, base_url=f"https://localhost:{server.port}", api_key=KEY)

        assert reason == "TLS failed: self-signed certificate."
        assert server.received == []


def test_over_tls_it_is_as_bounded_as_without(monkeypatch):
    monkeypatch.setattr("integrations.partners.calling.tls", _trusting)
    with Receiver(tls=CERTIFICATE) as server:
        secure = {"base_url": f"https://localhost:{server.port}"}
        server.behaviour = answering(200, b"1")
        assert ask(server, **secure).body == b"1"

        for behaviour in (receiving.dripping, slow_body, receiving.stalling):
            server.behaviour = behaviour
            assert why(server, within=0.5, **secure) == "It did not answer in time."
        assert not server.ended.is_set()


def _trusting():
    return ssl.create_default_context(cafile=CERTIFICATE)


def test_a_handshake_that_is_never_finished_is_given_up():
    said = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept():
            client, _ = listening.accept()
            said.wait(60)
            client.close()

        threading.Thread(target=accept, daemon=True).start()
        partner = at(type("Server", (), {"port": listening.getsockname()[1]}))
        with pytest.raises(Failure, match=r"^It did not answer in time\.$"):
            call(partner, "GET", partner.base_url.replace("http:", "https:"), deadline=soon(0.4))
        assert not said.is_set()
        said.set()
