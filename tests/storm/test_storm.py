"""The control of `make storm`: without its locks the service is caught."""

import os
import subprocess
import sys

import pytest

from config import embedded

pytestmark = pytest.mark.slow


def test_a_service_without_its_locks_is_caught(tmp_path):
    weather = ["--seed", "7", "--seconds", "8", "--patience", "3", "--calm"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.storm", *weather, "--application", "tests.storm.unlocked:application"],
        cwd=embedded.BASE_DIR,
        env=os.environ | {"STORM_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    assert "CONTRADICTIONS" in done.stdout
    assert (tmp_path / "storm-history.json").exists()
