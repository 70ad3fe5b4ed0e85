"""The walk from a return to a mail in docs/operations.md, run line by line on `make run`."""

import shlex

import pytest

from benchmarks.places import free_port
from tests.config.places import directory_open_to_all
from tests.walks import follow, running, steps, told_with_curl

pytestmark = [pytest.mark.slow, told_with_curl]


def test_the_walk_from_a_return_to_a_mail():
    told = steps("docs/operations.md", "From a return to a mail")
    assert len(told) == 9
    with directory_open_to_all() as directory:
        local, port = directory / "local", free_port()
        here = {"localhost:8000": f"localhost:{port}", "ls .local": f"ls {shlex.quote(str(local))}"}
        with running("config.run", "Mail  ", local, PORT=str(port)):
            follow(told, here, LOCAL_DIR=str(local))
