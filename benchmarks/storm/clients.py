"""Clients that do everything a desk does, and ask again with the same key until they are answered."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import suppress
from typing import Any

import requests

from benchmarks.storm.histories import Asked, Looked

# How often what is done. Without a line there is nothing to serve, so members reserve a good deal.
OFTEN = {
    "checkout": 22, "return": 22, "scan": 12, "reserve": 16, "renew": 4, "cancel": 4, "suspend": 3, "resume": 3,
    "fulfil": 6, "undo": 3, "lost": 2, "found": 3, "batch": 3, "look": 20,
}  # fmt: skip
UNANSWERED = (408, 429, 500, 502, 503, 504)
PATIENCE = 15.0  # seconds for an answer
SENSIBLE = 0.8  # how often clients go by what they know, instead of asking anything at all
SENT_AGAIN = 0.15  # how often a client asks once more for what it was answered, as one that lost the answer


class Library:
    """What clients know of the library, each from what it was answered; good enough to ask sensible things."""

    def __init__(self, barcodes: list[str], books: list[int], cards: dict[int, str]) -> None:
        self.barcodes, self.books, self.cards = barcodes, books, cards
        self.members = list(cards)
        self.places: list[int] = []
        self.undoable: list[int] = []
        self.lent: list[str] = []
        self.lost: list[str] = []
        self.to_collect: list[int] = []


class Client(threading.Thread):
    """A thread with a seed of its own. It stops asking at `until`, and gives up at `patience`."""

    def __init__(
        self, number: int, seed: int, ports: list[int], library: Library, began: float, until: float, patience: float
    ) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self.number, self.ports, self.library = number, ports, library
        self.began, self.until, self.patience = began, until, patience
        self.history: list[Asked] = []
        self.looks: list[Looked] = []
        self._chance = random.Random(seed * 1000 + number)
        self._session = requests.Session()
        self._prefix = f"storm-{seed}-{number}"

    def run(self) -> None:
        while self.now() < self.until:
            operation = self._chance.choices(list(OFTEN), list(OFTEN.values()))[0]
            if operation == "look":
                with suppress(requests.RequestException):
                    self.looks.append(
                        look(self._chance.choice(self.ports), self._chance.choice(self.library.books), self.began)
                    )
                continue
            path, body = self._asked(operation)
            key = f"{self._prefix}-{len(self.history)}"
            asked = Asked(key, operation, path, body, begun=self.now())
            self.history.append(asked)
            self._ask_until_answered(asked)
            if asked.is_acknowledged:
                self._learn(asked)
        self._session.close()

    def now(self) -> float:
        return time.monotonic() - self.began

    # --- Asking ---

    def _ask_until_answered(self, asked: Asked) -> None:
        while (answer := self._send(asked)) is None:
            if self.now() > self.patience:
                return
            time.sleep(self._chance.uniform(0.02, 0.3))
        asked.status, asked.answer, asked.ended = answer.status_code, answer.text, self.now()
        # Of a batch, what was refused may be done when it is sent again.
        if asked.is_acknowledged and asked.operation != "batch" and self._chance.random() < SENT_AGAIN:
            again = self._send(asked)
            if again is not None:
                asked.again.append(again.text)

    def _send(self, asked: Asked) -> requests.Response | None:
        """The answer; None when nobody knows what was done."""
        asked.tries += 1
        url = f"http://127.0.0.1:{self._chance.choice(self.ports)}{asked.path}"
        headers = {"Idempotency-Key": asked.key, "X-Request-ID": asked.key}
        try:
            answer = self._session.post(url, json=asked.body, headers=headers, timeout=PATIENCE)
        except requests.RequestException:
            return None
        if answer.status_code in UNANSWERED:
            return None
        if answer.status_code == 409 and answer.json()["error"]["code"] == "IDEMPOTENCY_IN_PROGRESS":
            return None
        if asked.operation == "batch" and answer.status_code < 300:
            # A part that was not answered is answered when the batch is sent again: each has a key within it.
            results = answer.json()["data"]["results"]
            if any(
                result["status"] in UNANSWERED or _code(result["body"]) == "IDEMPOTENCY_IN_PROGRESS"
                for result in results
            ):
                return None
        return answer

    # --- What is asked ---

    def _asked(self, operation: str) -> tuple[str, dict[str, Any]]:
        pick, library = self._chance.choice, self.library
        barcode, member, book = pick(library.barcodes), pick(library.members), pick(library.books)
        place, lent = pick(library.places or [1]), barcode
        if self._chance.random() < SENSIBLE:
            lent = pick(list(library.lent) or [barcode])
            if operation == "return":  # nobody else need try
                _remove(library.lent, lent)
            elif operation == "found":
                barcode = pick(list(library.lost) or [barcode])
            elif operation == "fulfil":
                place = pick(list(library.to_collect) or [place])
        match operation:
            case "checkout" if self._chance.random() < 0.5:
                return "/api/circulation/checkout/", {"member_id": member, "book_id": book}
            case "checkout":
                return "/api/circulation/checkout/", {"member_id": member, "barcode": barcode}
            case "return" | "renew":
                return f"/api/circulation/{operation}/", {"barcode": lent}
            case "scan" if self._chance.random() < 0.5:
                return "/api/circulation/scan/", {"code": barcode, "card_number": library.cards[member]}
            case "scan":
                return "/api/circulation/scan/", {"code": lent}
            case "undo":
                return "/api/circulation/undo/", {"event_id": pick(library.undoable or [1])}
            case "reserve":
                return "/api/reservations/", {"member_id": member, "book_id": book}
            case "fulfil":
                return f"/api/reservations/{place}/fulfill/", {}
            case "cancel" | "suspend" | "resume":
                return f"/api/reservations/{place}/{operation}/", {}
            case "lost" | "found":
                return f"/api/copies/{barcode}/mark-{operation}/", {}
        return "/api/circulation/batch/", {
            "operations": [
                {"op": "return", "barcode": lent},
                {"op": "checkout", "member_id": member, "barcode": lent},
                {"op": "return", "barcode": pick(library.barcodes)},
            ]
        }

    def _learn(self, asked: Asked) -> None:
        library, data = self.library, asked.data
        match asked.operation:
            case "reserve":
                library.places.append(data["id"])
                del library.places[:-40]
            case "scan" if data["undo"]:
                library.undoable.append(data["undo"])
                del library.undoable[:-5]
        loan = data.get("loan")
        if loan is not None:
            _remove(library.lent, loan["copy_barcode"])
            if loan["returned_at"] is None:
                library.lent.append(loan["copy_barcode"])
        if asked.operation in ("lost", "found"):
            _remove(library.lost, data["copy"]["barcode"])
            if asked.operation == "lost":
                library.lost.append(data["copy"]["barcode"])
        step = data.get("next")
        if step is not None and step["action"] == "hold":
            library.to_collect.append(step["reservation"]["id"])
            del library.to_collect[:-10]


def _remove(barcodes: list[str], barcode: str) -> None:
    with suppress(ValueError):
        barcodes.remove(barcode)


def look(port: int, book: int, began: float) -> Looked:
    """Raises what `requests` raises."""
    at = time.monotonic() - began
    answer = requests.get(f"http://127.0.0.1:{port}/api/books/{book}/availability/", timeout=PATIENCE)
    answer.raise_for_status()
    return Looked(book, at, answer.json()["data"]["version"])


def _code(body: dict[str, Any]) -> str | None:
    error = body.get("error")
    return error["code"] if error else None


def stocked(port: int, titles: int, copies: int, members: int) -> Library:
    """A small library, so that all meet at the same few titles."""

    def made(path: str, body: dict[str, Any]) -> Any:
        answer = requests.post(f"http://127.0.0.1:{port}/api/{path}", json=body, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()["data"]

    books, barcodes = [], []
    for number in range(titles):
        book = made("books/", {"title": f"Storm {number}", "copies": copies})["id"]
        books.append(book)
        listed = requests.get(f"http://127.0.0.1:{port}/api/books/{book}/copies/", timeout=PATIENCE).json()["data"]
        barcodes += [copy["barcode"] for copy in (listed["results"] if isinstance(listed, dict) else listed)]
    cards = {}
    for number in range(members):
        member = made("members/", {"name": f"Reader {number}", "email": f"reader{number}@example.org"})
        cards[member["id"]] = member["card_number"]
    return Library(barcodes, books, cards)


def written(histories: list[Asked]) -> str:
    return json.dumps([vars(asked) for asked in histories], indent=1)
