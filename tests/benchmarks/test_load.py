"""The load generator: who asks for what, and when; and how long that took is counted."""

import itertools
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks import load


@pytest.fixture
def slow_server():
    """Answers everything, one after the other. Gives its port, and how many seconds it takes for each."""
    took = 0.01

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece

        def do_GET(self):
            time.sleep(took)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, took
        server.shutdown()
        thread.join()


def bodies(plan, client, count):
    requests = itertools.islice(load.desk(plan, client), count)
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in requests]


def arrivals(plan, client, count):
    return list(itertools.islice(load._arrivals(plan, client), count))


def test_a_client_lends_a_copy_and_takes_it_back():
    lent, taken_back, *_ = bodies(load.Plan(1, "desk", 4, 1.0), 0, 4)

    assert lent.keys() == {"member_id", "barcode"}
    assert taken_back == {"barcode": lent["barcode"]}


def test_clients_have_titles_and_members_of_their_own_among_those_of_the_plan():
    plan = load.Plan(1, "desk", 3, 1.0, books=(104, 10, 50), members=(2, 2, 40), copies=3)
    titles = {}
    for client in range(3):
        lent = bodies(plan, client, 400)[::2]
        titles[client] = {int(each["barcode"].partition("-")[0]) for each in lent}
        assert all(each["member_id"] in range(2 + client * 2, 82, 6) for each in lent)
        assert {each["barcode"].partition("-")[2] for each in lent} == {"1", "2", "3"}

    assert titles[0] <= set(range(104, 604, 30))
    assert all(titles[one].isdisjoint(titles[other]) for one, other in itertools.combinations(titles, 2))


def test_clients_come_at_times_of_their_own_which_a_seed_gives_again():
    plan = load.Plan(1, "desk", 75, 60.0, seed=3, rate=25.0)

    first = arrivals(plan, 0, 100)
    assert first == sorted(first) == arrivals(plan, 0, 100)
    assert first != arrivals(plan, 1, 100)


def test_all_clients_together_keep_the_pace():
    plan = load.Plan(1, "desk", 75, 60.0, rate=25.0)
    in_a_minute = [
        at for client in range(75) for at in itertools.takewhile(lambda at: at < 60, load._arrivals(plan, client))
    ]

    assert len(in_a_minute) == pytest.approx(25 * 60, rel=0.1)


def test_percentiles_are_in_milliseconds():
    assert load.percentiles([each / 1000 for each in range(100)]) == [50.0, 95.0, 99.0]


def test_nothing_took_no_time():
    assert load.percentiles([]) == [0.0, 0.0, 0.0]


def test_each_request_says_how_long_it_is():
    for request in itertools.islice(load.desk(load.Plan(1, "desk", 1, 1.0, keyed=True), 0), 4):
        head, _, body = request.partition(b"\r\n\r\n")
        assert re.search(rb"Content-Length: (\d+)", head)[1] == str(len(body)).encode()
        assert b"Idempotency-Key: " in head


def test_at_a_pace_one_slow_answer_does_not_hide_how_long_others_wait(slow_server):
    """Five times as much as the server can do: each answer is later than the one before it."""
    port, took = slow_server

    at_once = load.run(load.Plan(port, "paths", 1, 0.2, warm_up=0.0, paths=["/"]))
    paced = load.run(load.Plan(port, "paths", 1, 0.2, warm_up=0.0, paths=["/"], rate=5 / took))

    assert at_once.p95 < 5000 * took
    assert paced.p50 > 5000 * took


def test_an_answer_that_takes_all_the_time_there_is_counts(slow_server):
    port, took = slow_server

    result = load.run(load.Plan(port, "paths", 1, took / 10, warm_up=0.0, paths=["/"]))

    assert result.requests == 1
    assert result.p50 >= 1000 * took
