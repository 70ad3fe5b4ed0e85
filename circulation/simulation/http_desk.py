"""The desk of a running service, asked over HTTP at its own time."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from circulation.simulation.desk import (
    CAME_IN,
    LENT_ON_RETURN,
    Acknowledged,
    Event,
    Holdings,
    Kind,
    LoanSeen,
    Outcome,
    PlaceSeen,
    refused,
)
from circulation.simulation.population import BRANCHES, SOURCE, Population

PATIENCE = (5, 30)  # seconds to connect, and for an answer
# The pauses double from a tenth of a second on; a 503 may ask for another in its Retry-After.
RETRY = Retry(
    total=10,
    backoff_factor=0.1,
    backoff_max=5,
    backoff_jitter=0.1,
    status_forcelist=[502, 503, 504],
    allowed_methods=None,  # every method: a POST carries its key, a PATCH says how it shall be afterwards
    raise_on_status=False,
    respect_retry_after_header=True,
)
IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"  # the answer to a repetition that comes before the first is done
PAGE = 200


class DeskAway(Exception):
    """Nobody answers there, or somebody else does: in one line."""


class DeskFailed(Exception):
    """An answer that is neither success nor refusal, or none although it was asked for again and again."""


class HttpDesk:
    """A client of the API. What is on record elsewhere under its `mark` came from it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise DeskAway(f"--http is a URL such as http://127.0.0.1:8000, not {url!r}.")
        self._url = url.rstrip("/")
        self.mark = f"{SOURCE} {secrets.token_hex(4)}"
        self._local = threading.local()
        self._counting = threading.Lock()
        self._troubles: Counter[str] = Counter()
        self._key = self.mark.replace(" ", "-")

    def require_circdesk(self) -> None:
        """Raises DeskAway, having changed nothing."""
        try:
            index = requests.get(f"{self._url}/api/", timeout=PATIENCE)
            members = requests.get(f"{self._url}/api/members/?limit=1", timeout=PATIENCE)
        except requests.RequestException:
            raise DeskAway(f"Nobody answers at {self._url}.") from None
        try:
            places = index.json()["data"]
        except (ValueError, KeyError, TypeError):
            places = None
        if not isinstance(places, dict) or not {"books", "checkout", "events"} <= places.keys():
            raise DeskAway(f"What answers at {self._url} is not a Circdesk.")
        if not members.ok:
            raise DeskAway(
                f"The Circdesk at {self._url} answers {members.status_code} to whoever has not signed in. A simulation "
                "needs an open desk: OPEN_DESK=true."
            )

    def stock(self, population: Population) -> Holdings:
        books, people = {}, {}
        barcodes: dict[int, list[str]] = {}
        names = [branch["name"] for branch in self.rows("/api/branches/?ordering=id")]
        # Where there is but one branch, everything is there.
        self._branches = [names[number % len(names)] for number in range(BRANCHES)]
        for title in population.titles:
            added = self._require_done(
                "POST",
                "/api/books/",
                {
                    "title": f"{title.name} ({self.mark})",
                    "author": title.author,
                    "category": SOURCE,
                    "copies": 0,
                },
                key=f"title-{title.number}",
            )
            books[title.number] = added["id"]
            for number, branch in enumerate(title.copies, 1):
                where = {"branch": self._branches[branch]}
                path = f"/api/books/{added['id']}/copies/"
                self._require_done("POST", path, where, key=f"copy-{title.number}-{number}")
            barcodes[title.number] = [copy["barcode"] for copy in self.rows(f"/api/books/{added['id']}/copies/")]
        for person in population.people:
            enrolled = self._require_done(
                "POST",
                "/api/members/",
                {
                    "first_name": person.first_name,
                    "last_name": f"{person.last_name} ({self.mark})",
                    "branch": self._branches[person.branch],
                },
                key=f"member-{person.number}",
            )
            people[person.number] = enrolled["id"]
        self._titles = {book_id: number for number, book_id in books.items()}
        self._members = {member_id: number for number, member_id in people.items()}
        self._holdings = Holdings(books, barcodes, people)
        return self._holdings

    def perform(self, event: Event) -> Outcome:
        if event.looked_before:
            self.read(f"/api/books/{self._holdings.book_ids[event.title]}/availability/")
        method, path, body = self._request_for(event)
        status, answer = self._ask(method, path, body, key=str(event.number))
        if status >= 400:
            code: str = answer["error"]["code"]
            if status < 500 and code not in ("VALIDATION_ERROR", "MALFORMED_JSON", "NOT_AUTHENTICATED", "NOT_FOUND"):
                return refused(code)
            if code in ("BUSY", "DATABASE_UNAVAILABLE"):
                return refused("BUSY")
            raise DeskFailed(f"{method} {path} answered {status} {code}: {answer['error']['message']}")
        outcome = self._outcome(event, answer["data"])
        return replace(outcome, on_the_way=self._on_the_way(event.title))

    def leave(self) -> None:
        if session := getattr(self._local, "session", None):
            session.close()
            del self._local.session

    @property
    def troubles(self) -> dict[str, int]:
        return dict(self._troubles)

    def read(self, path: str) -> Any:
        """The data of an answer to a GET."""
        return self._require_done("GET", path, None)

    def rows(self, path: str) -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page."""
        page = f"{path}{'&' if '?' in path else '?'}limit={PAGE}"
        while page:
            data = self.read(page)
            yield from data["results"]
            page = data["next"] and data["next"].removeprefix(self._url)
            if page and page.startswith("http"):  # the service knows itself by another name
                page = "/" + page.split("/", 3)[3]

    # --- Asking ---------------------------------------------------------------------------------------------------

    def _require_done(self, method: str, path: str, body: dict[str, Any] | None, key: str = "") -> Any:
        status, answer = self._ask(method, path, body, key=key)
        if status >= 400:
            raise DeskFailed(f"{method} {path} answered {status}: {answer['error']['message']}")
        return answer["data"]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, *, key: str) -> tuple[int, Any]:
        headers = {"Idempotency-Key": f"{self._key}-{key}"} if method == "POST" else {}
        pause = 0.05
        while True:
            try:
                response = self._session().request(
                    method, self._url + path, json=body, headers=headers, timeout=PATIENCE
                )
            except requests.RequestException as error:
                raise DeskFailed(f"{method} {path} has no answer: {type(error).__name__}") from error
            self._count(response)
            try:
                answer = response.json()
            except ValueError:
                raise DeskFailed(f"{method} {path} answered {response.status_code} without JSON") from None
            unfinished = response.status_code == 409 and answer["error"]["code"] == IN_PROGRESS
            if not unfinished or pause > PATIENCE[1]:
                return response.status_code, answer
            with self._counting:
                self._troubles["still in progress"] += 1
            time.sleep(pause)
            pause *= 2

    def _session(self) -> requests.Session:
        """One for each thread: sessions are not meant to be shared."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.mount(self._url, HTTPAdapter(max_retries=RETRY))
        return session

    def _count(self, response: requests.Response) -> None:
        retries = response.raw.retries
        history = retries.history if retries else ()
        with self._counting:
            for tried in history:
                self._troubles["no answer" if tried.status is None else f"answered {tried.status}"] += 1
            if response.headers.get("Idempotency-Replayed") == "true":
                self._troubles["done already, as the key told"] += 1

    def _request_for(self, event: Event) -> tuple[str, str, dict[str, Any]]:
        book_id = self._holdings.book_ids[event.title]
        member_id = self._holdings.member_ids.get(event.member or 0)
        where = {} if event.branch is None else {"branch": self._branches[event.branch]}
        match event.kind:
            case Kind.CHECKOUT:
                what: dict[str, Any] = {"barcode": event.barcode} if event.barcode else {"book_id": book_id}
                if event.takes_no_for_an_answer:
                    what["on_unavailable"] = "refuse"
                return "POST", "/api/circulation/checkout/", {"member_id": member_id, **what, **where}
            case Kind.RETURN if event.barcode is not None:
                return "POST", "/api/circulation/return/", {"barcode": event.barcode, **where}
            case Kind.RETURN if event.loan is not None:
                return "POST", "/api/circulation/return/", {"loan_id": event.loan, **where}
            case Kind.RETURN:
                return "POST", "/api/circulation/return/", {"member_id": member_id, "book_id": book_id, **where}
            case Kind.RECEIVE:
                return "POST", f"/api/copies/{event.barcode}/receive/", where
            case Kind.RENEW:
                named = {"loan_id": event.loan} if event.loan is not None else {"barcode": event.barcode}
                return "POST", "/api/circulation/renew/", named
            case Kind.RESERVE:
                return "POST", "/api/reservations/", {"member_id": member_id, "book_id": book_id, **where}
            case Kind.FULFIL if event.reservation is None:
                return "POST", "/api/reservations/fulfill/", {"book_id": book_id}
            case Kind.FULFIL:
                return "POST", f"/api/reservations/{event.reservation}/fulfill/", {}
            case Kind.EXPIRE:  # the service's own clock will not reach the end of the hold: staff clear the shelf
                return "POST", f"/api/reservations/{event.reservation}/cancel/", {"reason": "not collected"}
            case Kind.CANCEL | Kind.SUSPEND | Kind.RESUME:
                return "POST", f"/api/reservations/{event.reservation}/{event.kind}/", {}
            case Kind.LOST:
                return "POST", f"/api/copies/{event.barcode}/mark-lost/", {}
            case Kind.FOUND:
                return "POST", f"/api/copies/{event.barcode}/mark-found/", where
            case Kind.BLOCK | Kind.UNBLOCK:
                reason = "card reported stolen" if event.kind == Kind.BLOCK else ""
                return "PATCH", f"/api/members/{member_id}/", {"blocked_reason": reason}

    # --- What it answered, in the words of a simulation ---------------------------------------------------------------

    def _outcome(self, event: Event, data: dict[str, Any]) -> Outcome:
        match event.kind:
            case Kind.CHECKOUT if data["outcome"] == "lent":
                on_shelf = self._set_aside(event.title) if event.barcode else ()
                return Outcome(
                    "lent",
                    loan=self._loan(data["loan"]),
                    on_shelf=on_shelf,
                    acknowledged=[_done("checkout", data["loan"])],
                )
            case Kind.CHECKOUT | Kind.RESERVE:
                place = data["reservation"] if event.kind == Kind.CHECKOUT else data
                return Outcome("joined", place=self._place(place), acknowledged=[_done("reserve", place)])
            case Kind.FULFIL:
                return Outcome("lent", loan=self._loan(data), acknowledged=[_done("checkout", data)])
            case Kind.RENEW:
                return Outcome("renewed", loan=self._loan(data), acknowledged=[_done("renew", data)])
            case Kind.RETURN:
                return self._taken_back(data)
            case Kind.RECEIVE:
                assert event.barcode is not None
                came = data["next"].get("reservation")
                told = [Acknowledged("receive", event.barcode)]
                return Outcome(CAME_IN[data["next"]["action"]], place=came and self._place(came), acknowledged=told)
            case Kind.LOST | Kind.FOUND:
                assert event.barcode is not None
                borrowed = event.kind == Kind.LOST and event.member is not None
                loan = LoanSeen(event.loan, event.title, event.member, event.barcode, 0) if borrowed else None
                on_shelf, told = self._set_aside(event.title), [Acknowledged(event.kind, event.barcode)]
                return Outcome(event.kind, loan=loan, on_shelf=on_shelf, acknowledged=told)
            case Kind.BLOCK:
                return Outcome("blocked", acknowledged=[_done("member.blocked", data)])
            case Kind.UNBLOCK:
                on_shelf = self._set_aside_for(data["id"])
                return Outcome("unblocked", on_shelf=on_shelf, acknowledged=[_done("member.unblocked", data)])
            case Kind.EXPIRE | Kind.CANCEL | Kind.SUSPEND | Kind.RESUME:
                kind = Kind.CANCEL if event.kind == Kind.EXPIRE else event.kind
                words = {"expire": "not collected", "cancel": "cancelled", "suspend": "suspended", "resume": "resumed"}
                return Outcome(
                    words[event.kind], on_shelf=self._set_aside(event.title), acknowledged=[_done(kind, data)]
                )

    def _taken_back(self, data: dict[str, Any]) -> Outcome:
        told = [_done("return", data["loan"])]
        loan, place = self._loan(data["loan"]), data["next"].get("reservation")
        if data["next"]["action"] == "lend":
            told.append(_done(LENT_ON_RETURN, place))
            return Outcome("lent on", loan=loan, place=self._place(place), acknowledged=told)
        return Outcome(
            CAME_IN[data["next"]["action"]], loan=loan, place=place and self._place(place), acknowledged=told
        )

    def _on_the_way(self, title: int) -> tuple[str, ...]:
        if len(set(self._branches)) == 1:
            return ()
        rows = self.rows(f"/api/books/{self._holdings.book_ids[title]}/copies/")
        return tuple(copy["barcode"] for copy in rows if copy["status"] == "in_transit")

    def _set_aside(self, title: int) -> tuple[PlaceSeen, ...]:
        line = self.read(f"/api/books/{self._holdings.book_ids[title]}/queue/")["reservations"]
        return tuple(self._place(place) for place in line if place["status"] == "ready")

    def _set_aside_for(self, member_id: int) -> tuple[PlaceSeen, ...]:
        places = self.rows(f"/api/members/{member_id}/reservations/?status=ready")
        return tuple(self._place(place) for place in places if place["book_id"] in self._titles)

    def _loan(self, loan: dict[str, Any]) -> LoanSeen:
        title, member = self._titles[loan["book_id"]], self._members.get(loan["member_id"])
        days = (moment(loan["due_at"]) - moment(loan["lent_at"])).days
        return LoanSeen(loan["id"], title, member, loan["copy_barcode"], days)

    def _place(self, place: dict[str, Any]) -> PlaceSeen:
        placed_at = moment(place["placed_at"])
        days = 0
        if place["shelf_until"] is not None:
            days = max((moment(place["shelf_until"]) - datetime.now(placed_at.tzinfo)).days, 0)
        return PlaceSeen(
            place["id"],
            self._titles[place["book_id"]],
            self._members.get(place["member_id"]),
            is_ready=place["status"] == "ready",
            placed_at=placed_at,
            days=days,
        )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _done(kind: str, row: dict[str, Any]) -> Acknowledged:
    return Acknowledged(kind, row["id"])
