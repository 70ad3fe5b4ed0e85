"""What a title's events give away to whoever only reads them."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from circulation.simulation.desk import LENT_ON_RETURN, Acknowledged
from circulation.simulation.findings import Recorded, once_each
from circulation.simulation.history import History

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
# Reservations 1, 2 and 3 of members 11, 12 and 13, placed one after another.
PLACED = {place: (NOON + timedelta(minutes=place), 10 + place) for place in (1, 2, 3)}


def event(kind, copy=None, member=None, loan=None, place=None, **payload):
    fields = {"copy_id": copy, "member_id": member, "loan_id": loan, "reservation_id": place}
    return {"id": 0, "kind": kind, **fields, "payload": {"open": 0, "limit": 5, **payload}}


def lent(copy, member, loan, place=None, **payload):
    return event("checkout", copy, member, loan, place, **payload)


def joined(place):
    return event("reserve", member=10 + place, place=place)


def set_aside(copy, place):
    return event("hold", copy, 10 + place, place=place)


def sent(copy, place=None):
    return event("transit", copy, None if place is None else 10 + place, place=place)


def followed(*events, copies=2, doubtful=frozenset()):
    history = History(copies, PLACED, set(doubtful))
    history.follow(events)
    return history


def test_an_ordinary_life_has_nothing_wrong_and_ends_where_it_ends():
    history = followed(
        lent(1, 20, 100),
        lent(2, 21, 101),
        joined(1),
        joined(2),
        event("return", 1, 20, 100),
        set_aside(1, 1),
        event("suspend", member=12, place=2),
        lent(1, 11, 102, place=1),
        event("fulfil", 1, 11, 102, place=1),
        event("lost", 2, 21, 101),
    )
    assert history.wrong == []
    assert history.on_loan == {1: 102}
    assert history.away == {2: "lost"}
    assert history.places == {1: "fulfilled", 2: "suspended"}
    assert history.available == 0


def test_a_copy_that_failed_on_the_hold_shelf_leaves_its_reservation_waiting():
    history = followed(joined(1), set_aside(1, 1), event("lost", 1), event("release", 1, 11, place=1))
    assert (history.wrong, history.available, history.places) == ([], 1, {1: "waiting"})


def test_a_copy_on_its_way_is_away_until_it_is_received():
    on_its_way = followed(joined(1), sent(1, 1), sent(2))
    assert (on_its_way.wrong, on_its_way.available, on_its_way.places) == ([], 0, {1: "sent for"})
    assert on_its_way.away == {1: "in_transit", 2: "in_transit"}
    arrived = followed(joined(1), sent(1, 1), sent(2), event("receive", 2), event("receive", 1), set_aside(1, 1))
    assert (arrived.wrong, arrived.available, arrived.places) == ([], 1, {1: "ready"})


def test_a_copy_that_was_sent_stays_theirs_when_somebody_before_them_comes_back():
    pausing = [joined(1), event("suspend", member=11, place=1), joined(2), sent(1, 2)]
    coming_back = event("resume", member=11, place=1)
    passed_on = [event("receive", 1), sent(1, 2), event("receive", 1), set_aside(1, 2)]
    assert followed(*pausing, coming_back, *passed_on, copies=1).wrong == []


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([lent(1, 20, 100), lent(1, 21, 101)], (1, "lent a copy that was on loan")),
        ([lent(1, 20, 100), set_aside(1, 1)], (1, "set aside a copy that did not stand on the shelf")),
        ([joined(1), set_aside(1, 1), lent(1, 20, 100)], (3, "lent a copy that was set aside for somebody else")),
        ([joined(1), joined(2), lent(1, 20, 100)], (3, "lent one of 2 free copies past 2 people ahead in the line")),
        ([joined(1), joined(2), set_aside(1, 2)], (3, "gave reservation 2 a copy before 1")),
        ([joined(1), joined(2), sent(1, 2)], (3, "gave reservation 2 a copy before 1")),
        ([sent(1), lent(1, 20, 100)], (5, "lent a copy that was in_transit")),
        ([joined(1), sent(1, 1), set_aside(1, 1)], (1, "set aside a copy that did not stand on the shelf")),
        ([lent(1, 20, 100, open=5)], (4, "lent beyond the limit of 5")),
        ([lent(1, 20, 100), lent(2, 20, 101)], (4, "lent a title to a member who had it")),
        ([event("lost", 1), lent(1, 20, 100)], (5, "lent a copy that was lost")),
        ([lent(1, 20, 100), event("return", 1, 20, 99)], (5, "ended a loan that was not open")),
    ],
)
def test_each_wrong_step_is_told(events, wrong):
    assert followed(*events).wrong == [(wrong[0], f"event 0 {wrong[1]}")]


def test_what_was_overridden_or_cannot_be_known_is_not_told():
    assert followed(lent(1, 20, 100, open=5, override={"codes": ["LOAN_LIMIT_REACHED"]})).wrong == []
    assert followed(joined(1), joined(2), lent(1, 20, 100), doubtful={12}).wrong == []
    assert followed(joined(1), joined(2), set_aside(1, 2), doubtful={11}).wrong == []


def test_acknowledged_and_recorded_are_compared_both_ways():
    told = Counter([Acknowledged("checkout", 1), Acknowledged(LENT_ON_RETURN, 7), Acknowledged("lost", "1-1")])
    recorded = [
        Recorded("checkout", loan=1, reservation=None, member=5, barcode="1-1"),
        Recorded("checkout", loan=2, reservation=7, member=5, barcode="1-2"),
        Recorded("lost", loan=None, reservation=None, member=None, barcode="1-1"),
        Recorded("hold", loan=None, reservation=9, member=5, barcode=None),
    ]
    kinds = ("checkout", "lost")
    sound = once_each(told, recorded, kinds=kinds)
    assert (sound.problems, sound.note) == ([], "2 checkout, 1 lost")
    assert once_each(told, recorded[1:], kinds=kinds).problems == [
        "checkout of 1: acknowledged 1 times, recorded 0 times"
    ]
    assert once_each(told, [*recorded, recorded[1]], kinds=kinds).problems == [
        "lent on return of 7: acknowledged 1 times, recorded 2 times"
    ]
    assert once_each(Counter(), recorded[2:], kinds=kinds).problems == [
        "lost of 1-1: acknowledged 0 times, recorded 1 times"
    ]
