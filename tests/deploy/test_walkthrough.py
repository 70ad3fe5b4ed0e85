"""The steps of docs/operations.md without containers, taken one by one on servers that are broken in turn."""

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from config import embedded
from config.ownership import Home
from config.servers import Postgres, Valkey
from tests.config.places import HIDDEN, directory_open_to_all
from tests.deploy.nginx import PROGRAM
from tests.walks import ROOT, VARYING, steps

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PROGRAM and shutil.which("curl") and shutil.which("openssl")),
        reason="nginx, curl or openssl is not installed",
    ),
]
HEADINGS = (
    "Without containers, step by step",
    "Restarting under load",
    "When PostgreSQL is away",
    "When Redis is away",
)
NUMBERS = re.compile(r'(?<="loan":{"id":)\d+')


class Shell:
    """One that is typed into. What it started ends with it."""

    def __init__(self, here, environment):
        self._here = here
        self._process = subprocess.Popen(
            ["/bin/sh"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def say(self, command):
        for on_the_page, instead in self._here.items():
            command = command.replace(on_the_page, instead)
        end = uuid.uuid4().hex
        self._process.stdin.write(f"{command}\necho\necho {end}\n")
        self._process.stdin.flush()
        said = ""
        while not said.endswith(f"\n{end}\n"):
            line = self._process.stdout.readline()
            assert line, said
            said += line
        said = said.removesuffix(f"{end}\n").strip("\n")
        for on_the_page, instead in self._here.items():
            said = said.replace(instead, on_the_page)
        return said

    def end(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self._process.pid:
                    process.terminate()
        self._process.communicate(timeout=30)


@contextmanager
def machine():
    """Directories, ports and servers, by the names that the page has for them."""
    with directory_open_to_all() as directory, ExitStack() as stack:
        place = Path(str(directory).replace(" ", "-"))
        directory.rename(place)
        stack.callback(lambda: place.rename(directory))
        (place / "run").mkdir()
        (place / "etc").mkdir()
        (place / "cache").mkdir()
        home = Home(place / "servers", place / "servers" / "sockets", embedded.account_for(place))
        servers = {"postgresql": Postgres(home), "valkey": Valkey(home)}
        home.make()
        for server in servers.values():
            server.start(print)
            stack.callback(server.stop)
        base = free_base()
        here = {
            "/etc/circdesk": str(place / "etc"),
            "/run/circdesk": str(place / "run"),
            "/var/cache/nginx": str(place / "cache"),
            "/var/log/circdesk.log": str(place / "circdesk.log"),
            "postgresql://circdesk@localhost/circdesk": servers["postgresql"].url(),
            "redis://localhost:6379/1": servers["valkey"].url(db=1),
            "localhost:8080": f"localhost:{base}0",
            "localhost:800": f"localhost:{base}",
            "127.0.0.1:800": f"127.0.0.1:{base}",
            "--port 800": f"--port {base}",
            "$PWD/.venv/bin": str(Path(sys.executable).parent),
            "nginx -c": f"{PROGRAM} -e {place}/nginx-errors.log -c",
        }
        of_nginx = here | {"listen 8080;": f"listen 127.0.0.1:{base}0;", "/dev/stderr": f"{place}/nginx-errors.log"}
        of_nginx["/dev/stdout"] = f"{place}/nginx.log"
        yield place, here, of_nginx, servers


def free_base():
    """The first digits of four ports that nobody uses."""
    used = {connection.laddr.port for connection in psutil.net_connections() if connection.laddr}
    start = 2_000 + os.getpid() % 1_000
    return next(base for base in range(start, start + 1_000) if used.isdisjoint(range(base * 10, base * 10 + 4)))


def adjust(directory, instead):
    for path in directory.rglob("*.conf"):
        text = path.read_text(encoding="utf-8")
        for word, other in instead.items():
            text = text.replace(word, other)
        path.write_text(text, encoding="utf-8")


def test_every_step_does_what_the_page_says():
    told = steps("docs/operations.md", "Without containers, step by step")
    assert len(told) == 29
    hidden = HIDDEN | {"LOCAL_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    with machine() as (place, here, of_nginx, servers):
        shell = Shell(here, environment)
        try:
            for command, shown in told:
                what = command.split()
                if what[0] == "systemctl":
                    server = servers[what[2]]
                    server.stop() if what[1] == "stop" else server.start(print)
                    continue
                if command.startswith("nginx "):
                    adjust(place / "etc", of_nginx)
                said = shell.say(command)
                assert NUMBERS.sub("…", VARYING.sub("…", said)) == NUMBERS.sub("…", VARYING.sub("…", shown)), command
        finally:
            pid = place / "run" / "nginx.pid"
            if pid.exists():
                os.kill(int(pid.read_text()), signal.SIGTERM)
            shell.end()
