"""Whether what clients were told is what happened: their histories beside what is there when the storm is over.

Each rule gives a sentence for each contradiction that it finds.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.storm.histories import Asked, Found, Looked, Told

# What an operation leaves one of. Others (hold, release, fulfil, ...) follow from these.
FIRST = {"checkout", "return", "renew", "reserve", "cancel", "suspend", "resume", "lost", "found"}

# Seconds for which availability may be shown as it was before an acknowledged change. While all is well these are
# milliseconds; here whoever announces changes may be killed, and what they are announced to, again and again.
OLD = 15.0

Rule = Callable[[Sequence[Asked], Found], Iterator[str]]


def contradictions(histories: Sequence[Asked], found: Found) -> list[str]:
    """All that is wrong, in the order of the rules."""
    return [problem for rule in RULES for problem in rule(histories, found)]


# --- What was told and what was done ---------------------------------------------------------------------


def acknowledged_is_there(histories: Sequence[Asked], found: Found) -> Iterator[str]:
    """Nothing that was acknowledged is missing, and it is the loan or the place that was told of."""
    by_request = _by_request(found)
    for asked in histories:
        if not asked.is_acknowledged:
            continue
        expected = Counter(kind for kind, _ in _expected(asked))
        recorded = by_request.get(asked.key, [])
        if missing := expected - Counter(event.kind for event in recorded):
            yield f"{asked.operation} {asked.key} was acknowledged, and nothing is recorded of {_listed(missing)}."
        for kind, number in _expected(asked):
            if number is not None and not any(
                event.kind == kind and number in (event.loan_id, event.reservation_id) for event in recorded
            ):
                yield f"{asked.operation} {asked.key} was told of {number}, and no {kind} of it is recorded."


def nothing_is_done_twice(histories: Sequence[Asked], found: Found) -> Iterator[str]:
    by_request = _by_request(found)
    for asked in histories:
        recorded = Counter(event.kind for event in by_request.get(asked.key, []))
        expected = Counter(kind for kind, _ in _expected(asked)) if asked.is_acknowledged else _at_most(asked)
        if more := recorded - expected:
            word = "was refused" if asked.is_refused else f"was sent {asked.tries} times"
            yield f"{asked.operation} {asked.key} {word}, and more is recorded than that: {_listed(more)}."


def a_key_has_one_answer(histories: Sequence[Asked], found: Found) -> Iterator[str]:
    for asked in histories:
        if any(later != asked.answer for later in asked.again):
            yield f"{asked.operation} {asked.key} was answered differently when it was sent again."
        status, body = found.stored.get(asked.key, (None, ""))
        if asked.is_refused and status is not None and asked.operation != "batch":
            yield f"{asked.operation} {asked.key} was refused, and an answer is kept of it."
        if asked.is_acknowledged and asked.operation != "batch" and (status, body) != (asked.status, asked.answer):
            yield f"{asked.operation} {asked.key} was answered {asked.status}, and kept is {status}."


# --- What follows from it ---------------------------------------------------------------------------------


def nobody_is_overtaken(_: Sequence[Asked], found: Found) -> Iterator[str]:
    """A copy is set aside for the first who waits: walked event by event, title by title."""
    waiting: defaultdict[int, set[int]] = defaultdict(set)
    for event in found.events:
        number, line = event.reservation_id, waiting[event.book_id or 0]
        if number is None:
            continue
        if event.kind in ("hold", "fulfil") and number in line:
            place = found.places[number]
            if ahead := sorted(other for other in line if found.places[other] < place):
                yield f"Event {event.id} serves reservation {number} of title {event.book_id} before {ahead[0]}."
        if event.kind in ("reserve", "resume", "release"):
            line.add(number)
        elif event.kind in ("hold", "fulfil", "suspend", "cancel", "expire"):
            line.discard(number)


def all_is_published(_: Sequence[Asked], found: Found) -> Iterator[str]:
    """Each event at least once, those of a title in their order."""
    published = {event for _, event in found.positions}
    if missing := [event for event in found.events if event.id not in published]:
        yield f"{len(missing)} events are not published, the first is {missing[0].id}, {missing[0].kind}."
    title_of = {event.id: event.book_id for event in found.events}
    last: dict[int, int] = {}
    seen: set[int] = set()
    for _position, event_id in sorted(found.positions):
        book = title_of.get(event_id)
        if book is None or event_id in seen:
            continue
        seen.add(event_id)
        if event_id < last.get(book, 0):
            yield f"Event {event_id} of title {book} is published after {last[book]}."
        last[book] = max(event_id, last.get(book, 0))


def every_notice_is_sent_once(_: Sequence[Asked], found: Found) -> Iterator[str]:
    """Once is counted by Message-ID: a mail server may be given the same mail twice."""
    arrived = set(found.mails)
    for number, state in sorted(found.notices.items()):
        if state in ("queued", "failed"):
            yield f"Notice {number} is {state}."
        elif state == "sent" and number not in arrived:
            yield f"Notice {number} is sent, and did not arrive."
    for number in sorted(arrived - found.notices.keys()):
        yield f"A mail {number} arrived, and there is no such notice."


def whose_copy_is_ready_is_told(_: Sequence[Asked], found: Found) -> Iterator[str]:
    for event in found.events:
        if event.kind == "hold" and not event.is_undoing and event.reservation_id not in found.ready:
            yield f"Event {event.id} sets a copy aside for reservation {event.reservation_id}, and no notice says so."


def nothing_old_is_shown(histories: Sequence[Asked], found: Found) -> Iterator[str]:
    for look, age in ages(histories, found):
        if age > OLD:
            yield (
                f"Title {look.book_id} was shown as of event {look.version} at {look.at:.1f} s: "
                f"it was {age:.1f} s behind what was acknowledged."
            )


def ages(histories: Sequence[Asked], found: Found) -> Iterator[tuple[Looked, float]]:
    """For how many seconds something newer than what was shown had been acknowledged; 0 when nothing was."""
    acknowledged = {asked.key: asked.ended for asked in histories if asked.is_acknowledged}
    # Of each title, the ids of events; and when the first of those from there on was acknowledged.
    events: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for event in found.events:
        ended = acknowledged.get(event.request_id or "")
        if event.book_id is not None and ended is not None:
            events[event.book_id].append((event.id, ended))
    for title in events.values():
        for index in reversed(range(len(title) - 1)):
            number, ended = title[index]
            title[index] = number, min(ended, title[index + 1][1])
    for look in found.looks:
        newer = events[look.book_id]
        index = bisect_right(newer, look.version, key=lambda event: event[0])
        yield look, max(0.0, look.at - newer[index][1]) if index < len(newer) else 0.0


def the_library_is_sound(_: Sequence[Asked], found: Found) -> Iterator[str]:
    yield from found.broken


RULES: tuple[Rule, ...] = (
    acknowledged_is_there,
    nothing_is_done_twice,
    a_key_has_one_answer,
    nobody_is_overtaken,
    all_is_published,
    every_notice_is_sent_once,
    whose_copy_is_ready_is_told,
    nothing_old_is_shown,
    the_library_is_sound,
)


# --- What an answer stands for ----------------------------------------------------------------------------


def _expected(asked: Asked) -> list[tuple[str, int | None]]:
    """The kinds of the events that an acknowledged operation leaves, with the loan or reservation it told of."""
    if asked.operation != "batch":
        return _left_by(asked.operation, asked.data)
    results = asked.data["results"]
    return [
        left
        for part, result in zip(asked.body["operations"], results, strict=True)
        if result["status"] < 300
        for left in _left_by(part["op"], result["body"]["data"])
    ]


def _left_by(operation: str, data: dict[str, Any]) -> list[tuple[str, int | None]]:
    match operation:
        case "checkout" if data.get("loan") is None:
            return [("reserve", data["reservation"]["id"])]
        case "scan":
            kind = {"lent": "checkout", "returned": "return"}.get(data["action"])
            return [(kind, data["loan"]["id"])] if kind else []
        case "undo":
            return [("return" if data["undone"] == "checkout" else "checkout", data["loan"]["id"])]
        case "checkout" | "return" | "renew":
            return [(operation, data.get("loan", data)["id"])]
        case "fulfil":
            return [("checkout", data.get("loan", data)["id"])]
        case "lost" | "found":
            return [(operation, None)]
    return [(operation, data["id"])]  # of the line


def _at_most(asked: Asked) -> Counter[str]:
    """What an operation may have left of which nobody heard: one of each. Of a refused one, nothing."""
    if asked.is_refused:
        return Counter()
    parts = len(asked.body["operations"]) if asked.operation == "batch" else 1
    return Counter(dict.fromkeys(FIRST, parts))


def _by_request(found: Found) -> dict[str, list[Told]]:
    events: defaultdict[str, list[Told]] = defaultdict(list)
    for event in found.events:
        # Who waited suspended for a copy does so again when the check-out of it is undone: that is no operation.
        if event.request_id and event.kind in FIRST and not (event.is_undoing and event.kind == "resume"):
            events[event.request_id].append(event)
    return events


def _listed(kinds: Counter[str]) -> str:
    return json.dumps(dict(sorted(kinds.items())))
