"""The health check of containers that answer nobody: each process as docker-compose.yml starts it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.simulation.runs import ROOT
from tests.waiting import until

pytestmark = pytest.mark.slow

PATIENCE = 60  # seconds
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def is_healthy(environment, within):
    check = [sys.executable, "-m", "config.healthcheck", "--at-work-within", str(within)]
    return subprocess.run(check, cwd=ROOT, env=environment, check=False).returncode == 0


@pytest.fixture
def processes(environment, tmp_path):
    """What answers nobody, all at once; and where each says that it is at work."""
    started = {}
    for name in ("worker", "beat", "relay", "consumers", "webhooks"):
        program, *arguments = SERVICES[name]["command"]
        own = environment | {"ALIVE_FILE": str(tmp_path / name), "REMAP_SIGTERM": "SIGQUIT"}
        command = [str(Path(sys.executable).parent / program), *arguments]
        started[name] = subprocess.Popen(command, cwd=ROOT, env=own, start_new_session=True), own
    yield started
    for process, _ in started.values():
        process.kill()


def test_what_answers_nobody_is_known_to_be_at_work_and_ends_when_told(processes):
    for name, (_, environment) in processes.items():
        assert not is_healthy(environment | {"ALIVE_FILE": f"{environment['ALIVE_FILE']}-nobody"}, 60), name
        until(lambda own=environment: Path(own["ALIVE_FILE"]).exists())

    for _, environment in processes.values():
        before = os.stat(environment["ALIVE_FILE"]).st_mtime_ns
        until(lambda own=environment, then=before: os.stat(own["ALIVE_FILE"]).st_mtime_ns > then)  # and says so again
        assert is_healthy(environment, 60)

    for process, _ in processes.values():
        process.terminate()
    assert {name: process.wait(PATIENCE) for name, (process, _) in processes.items()} == dict.fromkeys(processes, 0)

    for _, environment in processes.values():
        os.utime(environment["ALIVE_FILE"], (0, time.time() - 61))
        assert not is_healthy(environment, 60)
