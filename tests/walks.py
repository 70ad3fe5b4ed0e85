"""Walks through the service that a page tells in a shell, run line by line and compared with what stands below each."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.places import free_port
from config import embedded
from tests.config.places import directory_open_to_all, environment

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```console\n\$ (.*?)\n```", re.DOTALL)
# What differs from one day, or one machine, to the next.
VARYING = re.compile(
    r'\d{4}-\d\d-\d\d(T[\d:.-]+Z?)?|"(?:version|age|estimated_wait_days)":\d+|(position: |whole: |^ +)\d+', re.MULTILINE
)
NEXT = "--- next ---"

told_with_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="the walk is told with curl, which is not installed"
)

Steps = list[tuple[str, str]]


def steps(page: str, heading: str) -> Steps:
    """Each command of a section with the output that stands below it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    _, level, rest = re.split(rf"\n(###?) {re.escape(heading)}\n", text)
    section = re.split(rf"\n#{{2,{len(level)}}} ", rest)[0]
    found = []
    for block in BLOCK.findall(section):
        lines = block.split("\n")
        end = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        found.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return found


@contextmanager
def running(module: str, until: str, local: Path, **variables: str) -> Iterator[None]:
    """`make run` or `make run-split`, ready when it has said this. At the end Ctrl-C stops it, and its data go."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", module],
        cwd=ROOT,
        env=environment(LOCAL_DIR=str(local), **variables),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = ""
    try:
        while until not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_DIR", str(local))
        embedded.clean()  # refuses while anything of it still runs


def follow_on_two(told: Steps, module: str, until: str, second_port: str) -> None:
    """The same on what starts two services, which the page has on 8000 and 8001. `second_port` is a variable's name."""
    with directory_open_to_all() as directory:
        local, first, second = directory / "local", free_port(), free_port()
        here = {
            "localhost:8000": f"localhost:{first}",
            "localhost:8001": f"localhost:{second}",
            ". .local/": f". {shlex.quote(str(local))}/",
        }
        with running(module, until, local, **{"PORT": str(first), second_port: str(second)}):
            follow(told, here)


def follow(told: Steps, here: Mapping[str, str], **variables: str) -> None:
    """Run the commands in one shell, as they would be typed. `here` says what stands in place of what the page has."""
    script = "".join(f"{command}\necho\necho '{NEXT}'\n" for command, _ in told)
    for on_the_page, instead in {**here, ".venv/bin/python": shlex.quote(sys.executable)}.items():
        script = script.replace(on_the_page, instead)
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=ROOT, env=environment(**variables), check=True, capture_output=True, text=True
    )
    said = done.stdout.split(NEXT)[:-1]
    for (command, shown), answer in zip(told, said, strict=True):
        assert VARYING.sub("…", answer.strip("\n")) == VARYING.sub("…", shown), command
