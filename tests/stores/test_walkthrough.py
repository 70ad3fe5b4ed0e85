"""The walk through two services in docs/operations.md, run line by line on `make run-split`."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.places import free_port
from config import embedded
from tests.config.places import directory_open_to_all, environment

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```console\n\$ (.*?)\n```", re.DOTALL)
VARYING = re.compile(r'\d{4}-\d\d-\d\d(T[\d:.]+Z)?|"version":\d+|(position: |whole: )\d+')
NEXT = "--- next ---"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the walk is told with curl, which is not installed"),
]


def steps():
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = text.split("\n### On one machine\n")[1].split("\n### ")[0]
    for block in BLOCK.findall(section):
        lines = block.split("\n")
        end = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield "\n".join(lines[:end]), "\n".join(lines[end:])


@pytest.fixture
def running(monkeypatch):
    """Two services on ports of their own. Gives what stands in place of the page's ports and directory."""
    with directory_open_to_all() as directory:
        local, admin, public = directory / "local", free_port(), free_port()
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "config.run_split"],
            cwd=ROOT,
            env=environment(LOCAL_DIR=str(local), PORT=str(admin), PUBLIC_PORT=str(public)),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        said = ""
        while "stores status" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield {
            "localhost:8000": f"localhost:{admin}",
            "localhost:8001": f"localhost:{public}",
            ". .local/": f". {shlex.quote(str(local))}/",
        }
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0
        monkeypatch.setenv("LOCAL_DIR", str(local))
        embedded.clean()  # refuses while anything of it still runs


def test_the_walk_through_two_services(running):
    told = list(steps())
    assert len(told) == 10
    script = "".join(f"{command}\necho\necho '{NEXT}'\n" for command, _ in told)
    for on_the_page, here in {**running, ".venv/bin/python": shlex.quote(sys.executable)}.items():
        script = script.replace(on_the_page, here)

    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=ROOT, env=environment(), check=True, capture_output=True, text=True
    )

    for (command, shown), said in zip(told, done.stdout.split(NEXT), strict=False):
        assert VARYING.sub("…", said.strip()) == VARYING.sub("…", shown), command
