"""What must hold of a simulation at a running service, looked at through its API while no worker is at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from circulation.invariants import INVARIANTS
from circulation.simulation.desk import Acknowledged, Holdings
from circulation.simulation.findings import COPIES, LOANS, PLACES, Finding, Recorded, once_each
from circulation.simulation.history import SENT, History
from circulation.simulation.http_desk import HttpDesk, moment
from circulation.simulation.running import Run

HOW = {
    1: "copies against open loans and lines, title by title",
    2: "copies against lines, and members who are not blocked",
    3: "the events of each title, step by step; who was ever blocked is left out of the counting",
    4: "the events of each title, and each member's open loans",
    5: "copies, loans and reservations against the events of their title",
    6: "loans and reservations against events; in what order they are published cannot be seen from outside",
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """Everything that the service tells of one title."""

    book_id: int
    numbers: Row
    copies: list[Row]
    loans: list[Row]
    places: list[Row]
    line: list[Row]
    events: list[Row]

    @classmethod
    def at(cls, desk: HttpDesk, book_id: int) -> Seen:
        return cls(
            book_id,
            desk.read(f"/api/books/{book_id}/availability/"),
            list(desk.rows(f"/api/books/{book_id}/copies/")),
            list(desk.rows(f"/api/loans/?book={book_id}")),
            list(desk.rows(f"/api/reservations/?book={book_id}")),
            desk.read(f"/api/books/{book_id}/queue/")["reservations"],
            list(desk.rows(f"/api/circulation/events/?book={book_id}&ordering=id")),
        )


def check_from_outside(desk: HttpDesk, holdings: Holdings, run: Run) -> Sequence[Finding]:
    """Everything that can be seen from there; each finding says how it was looked at."""
    titles = [Seen.at(desk, book_id) for book_id in holdings.book_ids.values()]
    members = [desk.read(f"/api/members/{member_id}/") for member_id in holdings.member_ids.values()]
    acknowledged = run.tally.acknowledged
    ever_blocked: set[int | None] = {int(of) for kind, of in acknowledged if kind == "member.blocked"}
    able = {member["id"] for member in members if not member["blocked_reason"]}
    problems: list[tuple[int, str]] = []
    for title in titles:
        found = [
            *_state(title),
            *_stranded(title, able),
            *_history(title, ever_blocked),
            *_without_event(title),
        ]
        problems += [(invariant, f"title {title.book_id}: {what}") for invariant, what in found]
    problems += [(4, what) for what in _over_limit(titles)]
    findings = [
        Finding(text, [what for invariant, what in problems if invariant == number], HOW[number])
        for number, text in INVARIANTS.items()
    ]
    recorded = [_recorded(event) for title in titles for event in title.events]
    once = once_each(acknowledged, recorded, kinds=(*LOANS, *PLACES, *COPIES))
    return [*findings, _availability(titles), once, _blocks(members, acknowledged), _order(titles, run)]


def _state(title: Seen) -> Iterable[tuple[int, str]]:
    open_loans = Counter(loan["copy_barcode"] for loan in title.loans if loan["returned_at"] is None)
    holders = {loan["copy_barcode"]: loan["member_id"] for loan in title.loans if loan["returned_at"] is None}
    ready = Counter(place["copy_barcode"] for place in title.line if place["status"] == "ready")
    sent_for = Counter(place["copy_barcode"] for place in title.line if place["status"] == "waiting")
    kept_for = {place["copy_barcode"]: place["member_id"] for place in title.line if place["status"] == "ready"}
    for copy in title.copies:
        barcode, status = copy["barcode"], copy["status"]
        if open_loans[barcode] != (status == "on_loan"):
            yield 1, f"copy {barcode} is {status}, with {open_loans[barcode]} open loans"
        elif ready[barcode] != (status == "on_hold_shelf"):
            yield 1, f"copy {barcode} is {status}, with {ready[barcode]} ready reservations"
        elif copy["holder_id"] != holders.get(barcode, kept_for.get(barcode)):
            yield 1, f"copy {barcode} names another holder than its loan or reservation"
        elif sent_for[barcode] > (status == "in_transit"):
            yield 1, f"copy {barcode} is {status}, and was sent to {sent_for[barcode]} members"


def _stranded(title: Seen, able: set[int]) -> Iterable[tuple[int, str]]:
    free = sum(copy["status"] == "available" for copy in title.copies)
    waiting = [
        place["id"]
        for place in title.line
        if place["status"] == "waiting" and place["copy_barcode"] is None and place["member_id"] in able
    ]
    if free and waiting:
        yield 2, f"reservation {waiting[0]} waits beside {free} available copies"


def _history(title: Seen, doubtful: set[int | None]) -> Iterable[tuple[int, str]]:
    placed = {place["id"]: (moment(place["placed_at"]), place["member_id"]) for place in title.places}
    history = History(len(title.copies), placed, doubtful)
    history.follow(title.events)
    yield from history.wrong
    statuses = Counter(copy["status"] for copy in title.copies if copy["status"] != "available")
    told = Counter({"on_loan": len(history.on_loan), "on_hold_shelf": len(history.shelved_for)})
    told.update(history.away.values())
    if +told != +statuses:
        yield 5, f"by the events {_in_words(told)}; in fact {_in_words(statuses)}"
    for place in title.places:
        is_sent = place["status"] == "waiting" and place["copy_barcode"] is not None
        state = SENT if is_sent else place["status"]
        if history.places.get(place["id"]) != state:
            yield 5, f"reservation {place['id']} is {state}, by its events {history.places.get(place['id'])}"
    still_open = {loan["id"] for loan in title.loans if loan["returned_at"] is None}
    if still_open != set(history.on_loan.values()):
        yield 5, f"open loans are {sorted(still_open)}, by the events {sorted(history.on_loan.values())}"


def _without_event(title: Seen) -> Iterable[tuple[int, str]]:
    lent = Counter(event["loan_id"] for event in title.events if event["kind"] == "checkout")
    joined = Counter(event["reservation_id"] for event in title.events if event["kind"] == "reserve")
    for rows, events, what in ((title.loans, lent, "loan"), (title.places, joined, "reservation")):
        for row in rows:
            if events[row["id"]] != 1:
                yield 6, f"{what} {row['id']} has {events[row['id']]} events of its beginning"


def _over_limit(titles: Sequence[Seen]) -> Iterable[str]:
    """Open loans of each member against the highest limit that a check-out of theirs names."""
    loans = Counter(loan["member_id"] for title in titles for loan in title.loans if loan["returned_at"] is None)
    limits: dict[int, int] = {}
    for event in (event for title in titles for event in title.events if event["kind"] == "checkout"):
        limits[event["member_id"]] = max(event["payload"]["limit"], limits.get(event["member_id"], 0))
    for member, count in sorted(loans.items()):
        if count > limits.get(member, 0):
            yield f"member {member} has {count} on loan, and {limits.get(member, 0)} is the limit"


def _availability(titles: Sequence[Seen]) -> Finding:
    problems = []
    for title in titles:
        status = Counter(copy["status"] for copy in title.copies)
        expected = {
            "total": len(title.copies) - status["lost"] - status["missing"] - status["withdrawn"],
            "available": status["available"],
            "on_loan": status["on_loan"],
            "on_hold_shelf": status["on_hold_shelf"],
            "waiting": sum(place["status"] == "waiting" for place in title.line),
        }
        problems += [
            f"title {title.book_id}: {name} is {title.numbers[name]}, and there are {count}"
            for name, count in expected.items()
            if title.numbers[name] != count
        ]
    return Finding(
        "The availability of every title is that of its copies and its line.", problems, f"{len(titles):,} titles"
    )


def _blocks(members: Sequence[Row], acknowledged: Counter[Acknowledged]) -> Finding:
    problems = []
    for member in members:
        blocked = acknowledged[Acknowledged("member.blocked", member["id"])]
        unblocked = acknowledged[Acknowledged("member.unblocked", member["id"])]
        if bool(member["blocked_reason"]) != (blocked > unblocked):
            problems.append(f"member {member['id']}: blocked {blocked} times and unblocked {unblocked} times")
    return Finding(
        "Members are blocked exactly when that was acknowledged last.", problems, f"{len(members):,} members"
    )


def _order(titles: Sequence[Seen], run: Run) -> Finding:
    problems, count = [], 0
    for title in titles:
        places = [(moment(place["placed_at"]), place["id"]) for place in title.line]
        count += len(places)
        if places != sorted(places):
            problems.append(f"title {title.book_id}: the line is not in the order of placing")
        for place in title.places:
            told = run.tally.placed_at.get(place["id"])
            if told is not None and told != moment(place["placed_at"]):
                problems.append(f"reservation {place['id']}: placed at {place['placed_at']}, acknowledged {told}")
    return Finding("Every line stands in the order of placing, as acknowledged.", problems, f"{count:,} places")


def _recorded(event: Row) -> Recorded:
    return Recorded(
        event["kind"], event["loan_id"], event["reservation_id"], event["member_id"], event["payload"].get("barcode")
    )


def _in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count) or "nothing away"
