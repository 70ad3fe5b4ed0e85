"""The walk through two services in docs/operations.md, run line by line on `make run-split`."""

import shlex

import pytest

from benchmarks.places import free_port
from tests.config.places import directory_open_to_all
from tests.walks import follow, running, steps, told_with_curl

pytestmark = [pytest.mark.slow, told_with_curl]


def test_the_walk_through_two_services():
    told = steps("docs/operations.md", "On one machine")
    assert len(told) == 10
    with directory_open_to_all() as directory:
        local, admin, public = directory / "local", free_port(), free_port()
        here = {
            "localhost:8000": f"localhost:{admin}",
            "localhost:8001": f"localhost:{public}",
            ". .local/": f". {shlex.quote(str(local))}/",
        }
        with running("config.run_split", "stores status", local, PORT=str(admin), PUBLIC_PORT=str(public)):
            follow(told, here)
