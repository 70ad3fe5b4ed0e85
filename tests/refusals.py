"""Asserting what the desk refuses, and why."""

from contextlib import contextmanager

import pytest

from events.exceptions import DomainError
from library.exceptions import Refusal


@contextmanager
def refused(*codes: str):
    """The block is refused with exactly these reasons in this order. Yields what pytest caught."""
    with pytest.raises(DomainError) as caught:
        yield caught
    reasons = caught.value.reasons() if isinstance(caught.value, Refusal) else (caught.value,)
    assert [reason.code for reason in reasons] == list(codes)
