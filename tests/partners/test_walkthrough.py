"""The walk across libraries in docs/api.md, run line by line on `make run-partners`."""

import pytest

from tests.walks import follow_on_two, steps, told_with_curl

pytestmark = [pytest.mark.slow, told_with_curl]


def test_the_walk_across_libraries():
    told = steps("docs/api.md", "Across libraries")
    assert len(told) == 13
    follow_on_two(told, "config.run_partners", "check_invariants", "PARTNER_PORT")
