"""Files that are on disk while a job is done, and what a killed worker leaves of them."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from circulation.jobs.scratch import PREFIX, scratch

WORKER = """
import time
from circulation.jobs.scratch import scratch
with scratch() as directory:
    print(directory, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(path):
    long_ago = time.time() - 60
    os.utime(path, (long_ago, long_ago))
    return path


def test_what_a_killed_worker_left_is_removed(temporary):
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], env=os.environ | {"TMPDIR": str(temporary)}, stdout=subprocess.PIPE, text=True
    ) as worker:
        left = Path(worker.stdout.readline().strip())
        (left / "0").write_text("title\n")
        aged(left)
        with scratch():
            assert left.exists()
        worker.kill()
    assert left.exists()

    with scratch() as own:
        assert list(temporary.iterdir()) == [own]
    assert list(temporary.iterdir()) == []


def test_what_may_be_in_use_stays(temporary):
    new = temporary / f"{PREFIX}new"
    new.mkdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (temporary / f"{PREFIX}link").symlink_to(aged(elsewhere))
    (temporary / f"{PREFIX}file").touch()

    with scratch() as outer, scratch() as inner:
        assert {new, elsewhere, outer, inner} < set(temporary.iterdir())
        aged(outer)
        with scratch():
            assert outer.exists()
    assert (temporary / f"{PREFIX}file").exists()
