"""The checker of the storm: it accepts a sound history, and rejects each kind of a broken one."""

import json
from dataclasses import replace

import pytest

from benchmarks.storm.checking import OLD, ages, contradictions
from benchmarks.storm.histories import Asked, Found, Looked, Told


def asked(key, operation, status, data=None, **more):
    answer = "" if status is None else json.dumps({"data": data})
    fields = {"path": "/", "body": {}, "begun": 0.0, "ended": 0.1, "tries": 1, **more}
    return Asked(key=key, operation=operation, status=status, answer=answer, **fields)


def told(number, kind, request_id=None, *, loan=None, place=None, book=1):
    return Told(number, kind, request_id, book, loan, place)


LENT = asked("a", "checkout", 201, {"loan": {"id": 7}})
FIRST = asked("b", "reserve", 201, {"id": 1})
SECOND = asked("c", "reserve", 201, {"id": 2})
RETURNED = asked("d", "return", 200, {"loan": {"id": 7}})
REFUSED = asked("e", "checkout", 409, None)
UNKNOWN = asked("f", "renew", None, ended=None)
BATCH = asked(
    "g",
    "batch",
    207,
    {"results": [{"status": 200, "body": {"data": {"loan": {"id": 8}}}}, {"status": 409, "body": {}}]},
    body={"operations": [{"op": "return"}, {"op": "checkout"}]},
)
HISTORIES = [LENT, FIRST, SECOND, RETURNED, REFUSED, UNKNOWN, BATCH]
EVENTS = [
    told(1, "checkout", "a", loan=7),
    told(2, "reserve", "b", place=1),
    told(3, "reserve", "c", place=2),
    told(4, "return", "d", loan=7),
    told(5, "hold", "d", place=1),
    told(6, "return", "g", loan=8, book=2),
]
FOUND = Found(
    events=EVENTS,
    stored={one.key: (one.status, one.answer) for one in (LENT, FIRST, SECOND, RETURNED)},
    places={1: (0, "10:00", 1), 2: (0, "10:01", 2)},
    positions=[(number, number) for number in range(1, 7)],
    notices={"<1@here>": "sent", "<2@here>": "dropped"},
    mails=["<1@here>", "<1@here>"],
    broken=[],
    ready={1},
    looks=[Looked(1, at=60.0, version=5), Looked(2, at=60.0, version=6)],
)


def without(number):
    return [event for event in EVENTS if event.id != number]


def instead(number, **fields):
    return [replace(event, **fields) if event.id == number else event for event in EVENTS]


def test_a_sound_history_is_accepted():
    assert contradictions(HISTORIES, FOUND) == []


def test_what_nobody_heard_of_may_have_been_done_once():
    done = [*EVENTS, told(7, "renew", "f", loan=9)]
    positions = [(event.id, event.id) for event in done]

    assert contradictions(HISTORIES, replace(FOUND, events=done, positions=positions)) == []


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"events": without(1)}, 'checkout a was acknowledged, and nothing is recorded of {"checkout": 1}.'),
        ({"events": instead(1, loan_id=8)}, "checkout a was told of 7, and no checkout of it is recorded."),
        ({"events": without(6)}, 'batch g was acknowledged, and nothing is recorded of {"return": 1}.'),
        (
            {"events": [*EVENTS, told(7, "checkout", "a", loan=8)]},
            'checkout a was sent 1 times, and more is recorded than that: {"checkout": 1}.',
        ),
        (
            {"events": [*EVENTS, told(7, "checkout", "e", loan=8)]},
            'checkout e was refused, and more is recorded than that: {"checkout": 1}.',
        ),
        (
            {"events": [*EVENTS, told(7, "renew", "f", loan=7), told(8, "renew", "f", loan=7)]},
            'renew f was sent 1 times, and more is recorded than that: {"renew": 1}.',
        ),
        ({"stored": FOUND.stored | {"e": (409, "{}")}}, "checkout e was refused, and an answer is kept of it."),
        ({"stored": FOUND.stored | {"a": (201, "else")}}, "checkout a was answered 201, and kept is 201."),
        (
            {"stored": {key: kept for key, kept in FOUND.stored.items() if key != "d"}},
            "return d was answered 200, and kept is None.",
        ),
        ({"events": instead(5, reservation_id=2)}, "Event 5 serves reservation 2 of title 1 before 1."),
        ({"places": {1: (5, "10:00", 1), 2: (0, "10:01", 2)}}, "Event 5 serves reservation 1 of title 1 before 2."),
        ({"positions": FOUND.positions[1:]}, "1 events are not published, the first is 1, checkout."),
        (
            {"positions": [(1, 2), (2, 1), *FOUND.positions[2:]]},
            "Event 1 of title 1 is published after 2.",
        ),
        ({"mails": []}, "Notice <1@here> is sent, and did not arrive."),
        ({"notices": FOUND.notices | {"<3@here>": "queued"}}, "Notice <3@here> is queued."),
        ({"mails": ["<1@here>", "<9@here>"]}, "A mail <9@here> arrived, and there is no such notice."),
        ({"ready": set()}, "Event 5 sets a copy aside for reservation 1, and no notice says so."),
        (
            {"looks": [Looked(1, at=60.0, version=4)]},
            "Title 1 was shown as of event 4 at 60.0 s: it was 59.9 s behind what was acknowledged.",
        ),
        ({"broken": ["4 BROKEN"]}, "4 BROKEN"),
    ],
)  # fmt: skip
def test_what_is_broken_is_told(found, problem):
    events = found.get("events", EVENTS)
    positions = found.get("positions", [(event.id, event.id) for event in events])

    assert problem in contradictions(HISTORIES, replace(FOUND, **{**found, "positions": positions}))


def test_a_key_that_is_answered_in_two_ways_is_told():
    lent = replace(LENT, again=["another answer"])

    assert contradictions([lent], replace(FOUND, mails=[], notices={})) == [
        "checkout a was answered differently when it was sent again."
    ]


@pytest.mark.parametrize("kind", ["suspend", "cancel", "fulfil", "hold"])
def test_who_does_not_wait_is_not_overtaken(kind):
    events = [*without(5)[:4], told(5, kind, place=1), told(6, "hold", place=2)]

    assert [text for text in contradictions([], replace(FOUND, events=events)) if "serves" in text] == []


def test_what_an_undone_check_out_gives_back_is_no_operation():
    undone = asked("h", "undo", 200, {"undone": "checkout", "loan": {"id": 7}})
    events = [told(1, "return", "h", loan=7), replace(told(2, "resume", "h", place=1), is_undoing=True)]
    found = replace(FOUND, events=events, stored={"h": (200, undone.answer)}, positions=[(1, 1), (2, 2)])

    assert contradictions([undone], found) == []
    twice = [*events, told(3, "resume", "h", place=1)]
    assert contradictions([undone], replace(found, events=twice, positions=[(1, 1), (2, 2), (3, 3)])) == [
        'undo h was sent 1 times, and more is recorded than that: {"resume": 1}.'
    ]


def test_whoever_is_told_of_a_hold_that_was_undone_need_not_be_written_to():
    events = instead(5, is_undoing=True)

    assert contradictions(HISTORIES, replace(FOUND, events=events, ready=set())) == []


@pytest.mark.parametrize(
    ("look", "age"),
    [
        (Looked(1, at=0.2, version=5), 0.0),  # as of the last event
        (Looked(1, at=0.2, version=9), 0.0),  # of one that nobody asked for
        (Looked(1, at=9.0, version=3), 8.9),  # the return was answered at 0.1
        (Looked(1, at=9.0, version=0), 8.9),
        (Looked(1, at=0.05, version=3), 0.0),  # it was not answered yet
        (Looked(3, at=9.0, version=0), 0.0),  # nothing happened to it
    ],
)
def test_how_old_something_is_that_was_shown(look, age):
    [(_, found)] = ages(HISTORIES, replace(FOUND, looks=[look]))

    assert found == pytest.approx(age)
    assert found < OLD


def test_what_was_acknowledged_later_but_done_before_counts_from_the_first():
    late = replace(LENT, ended=5.0)

    [(_, found)] = ages([late, *HISTORIES[1:]], replace(FOUND, looks=[Looked(1, at=9.0, version=0)]))

    assert found == pytest.approx(8.9)  # not 4: what came after it was answered at 0.1
