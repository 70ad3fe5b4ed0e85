"""Refusals: all reasons at once, and which of them staff may set aside."""

import pytest

from library.exceptions import (
    NO_OVERRIDE,
    CopyNotCirculating,
    MemberBlocked,
    MemberExpired,
    Override,
    refuse,
)

BLOCKED, EXPIRED, GONE = MemberBlocked("blocked", reason="rude"), MemberExpired("expired"), CopyNotCirculating("gone")


def test_no_reason_is_no_refusal():
    assert refuse([None, None]) == []


def test_the_first_reason_is_raised_and_carries_the_others():
    with pytest.raises(MemberBlocked) as caught:
        refuse([None, BLOCKED, None, EXPIRED, GONE])

    assert caught.value is BLOCKED
    assert caught.value.reasons() == (BLOCKED, EXPIRED, GONE)


def test_what_is_overridden_is_returned_and_what_stands_is_raised():
    override = Override(frozenset({"MEMBER_BLOCKED", "COPY_NOT_CIRCULATING"}), "reason")

    assert refuse([BLOCKED], override) == [BLOCKED]
    with pytest.raises(MemberExpired) as caught:
        refuse([BLOCKED, EXPIRED, GONE], override)
    assert caught.value.reasons() == (EXPIRED, GONE)  # the last is a fact, whatever staff say


def test_clients_see_a_reason_with_its_facts():
    assert BLOCKED.as_dict() == {
        "code": "MEMBER_BLOCKED",
        "message": "blocked",
        "overridable": True,
        "reason": "rude",
    }
    assert GONE.as_dict() == {"code": "COPY_NOT_CIRCULATING", "message": "gone", "overridable": False}


def test_an_event_records_which_reasons_were_set_aside():
    override = Override(frozenset({"MEMBER_BLOCKED", "MEMBER_EXPIRED"}), "a friend")

    assert override.payload([EXPIRED, BLOCKED]) == {"codes": ["MEMBER_BLOCKED", "MEMBER_EXPIRED"], "reason": "a friend"}
    assert override.payload([]) is None
    assert NO_OVERRIDE.payload([]) is None
