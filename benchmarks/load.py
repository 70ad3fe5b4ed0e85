"""The load generator: keep-alive connections that each send a request after the other, at once or in its time.

A process of its own (`python -m benchmarks.load`, a Plan in JSON on its input, a Result on its output), with raw
sockets and an eye on its own cost: see docs/decisions/0006-benchmarks.md.
"""

from __future__ import annotations

import dataclasses
import gc
import heapq
import json
import random
import select
import signal
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.library import BOOKS, COPIES_PER_BOOK, MEMBERS

HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n"
GIVE_UP = 10.0  # seconds without any answer


@dataclass(frozen=True)
class Plan:
    port: int
    kind: Literal["desk", "availability", "paths"]
    clients: int
    seconds: float
    warm_up: float = 1.0  # seconds that are not counted
    keyed: bool = False
    credential: str = ""  # a header
    seed: int = 0
    titles: int = BOOKS  # availability is asked of the first so many
    paths: Sequence[str] = ()  # to be asked in turn
    rate: float = 0.0  # requests in a second that all clients send together, however long answers take; 0: at once
    # Of the desk: the first id, how far to the next one, how many; and copies of each title.
    books: Sequence[int] = (1, 1, BOOKS)
    members: Sequence[int] = (1, 1, MEMBERS)
    copies: int = COPIES_PER_BOOK


@dataclass(frozen=True)
class Result:
    requests: int
    seconds: float
    requests_in_all: int  # those of the warm-up, too
    failures: list[str]  # the first few
    p50: float  # of the latency, in milliseconds
    p95: float
    p99: float
    own_cpu: float  # seconds of CPU that the generator itself took
    body_bytes: int  # of the last answer
    steps: list[list[float]] = field(default_factory=list)  # p50, p95, p99 of each: of check-outs, of returns

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def run(plan: Plan) -> Result:
    """Carry out the plan in another process. Raises RuntimeError if any request failed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(dataclasses.asdict(plan)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result = Result(**json.loads(done.stdout))
    if result.failures:
        raise RuntimeError(f"Requests failed: {result.failures}")
    return result


# --- What each client asks ---------------------------------------------------------------------------------


def desk(plan: Plan, client: int) -> Iterator[bytes]:
    """Lend a copy by its barcode and take it back, over and over.

    Each client has titles and members of its own, as in desk.sql: nobody waits for anybody, and nothing is refused.
    """
    chance = random.Random(plan.seed * 1000 + client)
    number = 0
    while True:
        book, member = (
            first + step * (client + plan.clients * chance.randrange(count // plan.clients))
            for first, step, count in (plan.books, plan.members)
        )
        barcode = f"{book}-{chance.randrange(plan.copies) + 1}"
        for action, body in (
            ("checkout", f'{{"member_id": {member}, "barcode": "{barcode}"}}'),
            ("return", f'{{"barcode": "{barcode}"}}'),
        ):
            headers = f"{plan.credential}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            if plan.keyed:
                number += 1
                headers += f"Idempotency-Key: {plan.seed}-{client}-{number}-{chance.getrandbits(64):x}\r\n"
            head = HEAD.format(method="POST", path=f"/api/circulation/{action}/", headers=headers)
            yield (head + body).encode()


def availability(plan: Plan, client: int) -> Iterator[bytes]:
    """Ask of one title after the other how many copies are where."""
    requests = [
        HEAD.format(method="GET", path=f"/api/books/{book}/availability/", headers="").encode()
        for book in range(1, plan.titles + 1)
    ]
    place = client * len(requests) // plan.clients
    while True:
        yield requests[place]
        place = (place + 1) % len(requests)


def paths(plan: Plan, client: int) -> Iterator[bytes]:
    """Ask for one address after the other."""
    while True:
        for path in plan.paths:
            yield HEAD.format(method="GET", path=path, headers="").encode()


SCRIPTS = {"desk": desk, "availability": availability, "paths": paths}
# A client may only leave when what it began is finished: a lent copy is taken back.
STEPS = {"desk": 2, "availability": 1, "paths": 1}


# --- Sending and receiving ---------------------------------------------------------------------------------


class Client:
    def __init__(self, plan: Plan, number: int) -> None:
        self.script = SCRIPTS[plan.kind](plan, number)
        self.sent = 0
        self.begun = 0.0
        self.got = b""
        self.socket = socket.create_connection(("127.0.0.1", plan.port), timeout=GIVE_UP)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, meant: float = 0.0) -> None:
        """Send the next request. Its time counts from now, or from when it was meant to be sent."""
        request = next(self.script)
        self.sent += 1
        self.got = b""
        self.begun = meant or time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """The whole answer, None while a part is missing."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the server closed the connection")
        self.got += part
        end = self.got.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.got[:end].lower()
        start = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", start)
        length = int(head[start : stop if stop > 0 else end])
        return self.got if len(self.got) >= end + 4 + length else None


@dataclass
class Watch:
    """What was seen since counting began."""

    latencies: list[array[float]]  # of each step
    failures: list[str] = field(default_factory=list)
    began: float = 0.0
    cpu: float = 0.0
    body_bytes: int = 0

    def look(self, answer: bytes) -> None:
        """Note what failed, and how long the last answer was."""
        if answer[9:11] != b"20" and len(self.failures) < 3:
            self.failures.append(answer.decode(errors="replace"))
        self.body_bytes = len(answer) - answer.index(b"\r\n\r\n") - 4

    def result(self, clients: Sequence[Client], ended: float) -> Result:
        cpu = time.process_time() - self.cpu
        every = [latency for step in self.latencies for latency in step]
        p50, p95, p99 = percentiles(every)
        sent = sum(client.sent for client in clients)
        steps = [percentiles(step) for step in self.latencies] if len(self.latencies) > 1 else []
        seconds = ended - self.began
        return Result(len(every), seconds, sent, self.failures, p50, p95, p99, cpu, self.body_bytes, steps)


def percentiles(latencies: Iterable[float]) -> list[float]:
    """p50, p95 and p99, in milliseconds. Of nothing: none took any time."""
    ordered = sorted(latencies) or [0.0]
    return [1000 * ordered[int(len(ordered) * share)] for share in (0.50, 0.95, 0.99)]


def measure(plan: Plan) -> Result:
    clients = [Client(plan, number) for number in range(plan.clients)]
    gc.disable()
    return _paced(plan, clients) if plan.rate else _at_once(plan, clients)


def _at_once(plan: Plan, clients: Sequence[Client]) -> Result:
    steps = STEPS[plan.kind]
    poll, of_file = _listening(clients)
    watch = Watch([array("d") for _ in range(steps)], began=time.perf_counter())
    counting_from = watch.began + plan.warm_up
    until = counting_from + plan.seconds
    ended = watch.began
    counting = False
    for client in clients:
        client.ask()
    while of_file:
        events = poll.poll(GIVE_UP * 1000)
        if not events:
            raise TimeoutError(f"No answer in {GIVE_UP} seconds.")
        for number, _ in events:
            client = of_file[number]
            answer = client.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            if not counting and now >= counting_from:
                counting, watch.began, watch.cpu = True, now, time.process_time()
            elif counting and now < until:
                watch.latencies[(client.sent - 1) % steps].append(now - client.begun)
                ended = now
            if now >= until and not any(watch.latencies):  # one answer took all the time that there was
                watch.latencies[(client.sent - 1) % steps].append(now - client.begun)
                watch.began, ended = client.begun, now
            watch.look(answer)
            if now >= until and client.sent % steps == 0:
                poll.unregister(number)
                client.socket.close()
                del of_file[number]
            else:
                client.ask()
    return watch.result(clients, ended)


def _paced(plan: Plan, clients: Sequence[Client]) -> Result:
    """Send each request at the time that was meant for it, or as soon as the answer before it is there.

    How long it took is counted from the time that was meant: a slow answer must not hide how long others waited.
    """
    steps = STEPS[plan.kind]
    poll, of_file = _listening(clients)
    watch = Watch([array("d") for _ in range(steps)], began=time.perf_counter() + plan.warm_up, cpu=time.process_time())
    until = watch.began + plan.seconds
    times = {number: _arrivals(plan, place) for place, number in enumerate(of_file)}
    due = [(next(times[number]) + watch.began - plan.warm_up, number) for number in of_file]
    heapq.heapify(due)
    while of_file:
        while due and due[0][0] <= time.perf_counter():
            meant, number = heapq.heappop(due)
            of_file[number].ask(meant)
        patience = due[0][0] - time.perf_counter() if due else GIVE_UP
        # Poll waits whole milliseconds, and would come too late: the last part of one is not slept through.
        events = poll.poll(max(0, int(1000 * min(patience, GIVE_UP))))
        if not events and not due:
            raise TimeoutError(f"No answer in {GIVE_UP} seconds.")
        for number, _ in events:
            client = of_file[number]
            answer = client.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            if watch.began <= client.begun < until:
                watch.latencies[(client.sent - 1) % steps].append(now - client.begun)
            watch.look(answer)
            following = next(times[number]) + watch.began - plan.warm_up
            if following < until or client.sent % steps:
                heapq.heappush(due, (min(following, until), number))
            else:
                poll.unregister(number)
                client.socket.close()
                del of_file[number]
    return watch.result(clients, until)


def _arrivals(plan: Plan, client: int) -> Iterator[float]:
    """When one client comes to the desk, in seconds from the beginning: by chance, the same for the same seed."""
    chance = random.Random(plan.seed * 1000 + client + 1)
    at = 0.0
    while True:
        at += chance.expovariate(plan.rate / plan.clients)
        yield at


def _listening(clients: Sequence[Client]) -> tuple[select.poll, dict[int, Client]]:
    poll = select.poll()
    of_file = {client.socket.fileno(): client for client in clients}
    for number in of_file:
        poll.register(number, select.POLLIN)
    return poll, of_file


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us, and then ends us
    print(json.dumps(dataclasses.asdict(measure(Plan(**json.load(sys.stdin))))))
