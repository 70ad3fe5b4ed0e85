"""The walk through two services in docs/operations.md, run line by line on `make run-split`."""

import pytest

from tests.walks import follow_on_two, steps, told_with_curl

pytestmark = [pytest.mark.slow, told_with_curl]


def test_the_walk_through_two_services():
    told = steps("docs/operations.md", "On one machine")
    assert len(told) == 10
    follow_on_two(told, "config.run_split", "stores status", "PUBLIC_PORT")
