"""The whole of `make run`, as a process of its own. These tests take seconds each."""

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import requests
from django.contrib.auth import get_user_model

from config import embedded, run

from .places import User, directory_open_to_all, environment, postgres_runs, valkey_runs

pytestmark = pytest.mark.slow

DEADLINE = 90  # seconds, for a slow machine
BARE = str(Path(__file__).parent / "bare")  # without what only tests need


class Run:
    """`python -m config.run` on a free port."""

    def __init__(self, local_dir: Path, **variables: str) -> None:
        variables.setdefault("PORT", str(free_port()))
        self.port = variables["PORT"]
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "config.run"],
            cwd=embedded.BASE_DIR,
            env=environment(LOCAL_DIR=str(local_dir), **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def wait_until_ready(self) -> "Run":
        assert self.process.stdout is not None
        while "/admin/" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.said + self.process.communicate()[1]
            self.said += line
        return self

    def press_ctrl_c(self) -> tuple[int, str]:
        """A terminal sends it to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        """The exit code and what was said on standard error."""
        said, errors = self.process.communicate(timeout=DEADLINE)
        self.said += said
        return self.process.returncode, errors

    def get(self, path: str) -> int:
        with closing(http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=DEADLINE)) as client:
            client.request("GET", path)
            with client.getresponse() as response:
                return response.status


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def is_free(port: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with directory_open_to_all() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_DIR", str(directory / "local"))
        yield directory / "local"
        embedded.clean()


@pytest.fixture
def local_dir(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCAL_DIR", str(place))
    return place


def test_it_serves_until_ctrl_c_stops_all_it_started_and_the_next_start_signs_in_the_same(local_dir):
    running = Run(local_dir, PYTHONPATH=BARE).wait_until_ready()
    assert running.get("/health/live") == 200
    assert running.get("/admin/login/") == 200
    children = psutil.Process(running.process.pid).children(recursive=True)
    stream = f"http://127.0.0.1:{running.port}/api/books/1/availability/stream"
    with requests.get(stream, stream=True, timeout=DEADLINE) as heard:
        lines = heard.iter_lines()
        assert next(lines) == b"retry: 2000"
        code, errors = running.press_ctrl_c()
        assert b"event: availability" in list(lines)  # to its end, in order
    assert code == 0
    assert "Traceback" not in errors
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert is_free(running.port)
    assert not postgres_runs()
    assert not valkey_runs()

    again = Run(local_dir).wait_until_ready()
    (password,) = re.findall(r"password (\S+)", again.said)
    assert f"password {password}" in running.said
    assert "migrations" not in again.said
    again.process.terminate()
    assert again.end() == (0, "")
    assert not postgres_runs()


def test_ctrl_c_leaves_the_servers_to_another_command_that_uses_them(local_dir):
    running = Run(local_dir).wait_until_ready()
    other = User(LOCAL_DIR=str(local_dir)).wait_until_ready()
    assert running.press_ctrl_c()[0] == 0
    assert postgres_runs()
    assert valkey_runs()
    other.leave()
    assert not postgres_runs()


def test_a_kill_leaves_nothing_that_stops_the_next_start(local_dir):
    port = str(free_port())
    for victim in ("granian's worker", "granian", "live", "config.run"):
        running = Run(local_dir, PORT=port).wait_until_ready()
        assert running.get("/health/live") == 200
        main = psutil.Process(running.process.pid)
        (granian,) = [child for child in main.children() if "config.web" in child.cmdline()]
        (worker,) = granian.children()
        (live,) = [child for child in main.children() if "config.live" in child.cmdline()]
        (live_worker,) = live.children()
        victims = {"config.run": main, "granian": granian, "granian's worker": worker, "live": live}
        victims[victim].kill()
        running.end()
        assert psutil.wait_procs([granian, worker, live, live_worker], timeout=20)[1] == [], victim
    assert postgres_runs()  # nobody was left to stop it
    assert Run(local_dir, PORT=port).wait_until_ready().press_ctrl_c()[0] == 0
    assert not postgres_runs()


def test_it_ends_with_make_when_make_is_killed(local_dir):
    command = f"{sys.executable!r} -m config.run --stop-with-parent; true"  # `true`: so that the shell stays
    port = str(free_port())
    make = subprocess.Popen(
        ["sh", "-c", command],
        cwd=embedded.BASE_DIR,
        env=environment(LOCAL_DIR=str(local_dir), PORT=port),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert make.stdout is not None
    while "/admin/" not in (line := make.stdout.readline()):
        assert line
    started = psutil.Process(make.pid).children(recursive=True)
    make.kill()
    make.communicate(timeout=DEADLINE)
    assert psutil.wait_procs(started, timeout=20)[1] == []
    assert is_free(port)
    assert not postgres_runs()


def test_a_taken_port_is_one_line_and_starts_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = Run(tmp_path / "local", PORT=str(port)).end()
    assert code == 1
    assert errors == f"Port {port} on 127.0.0.1 is in use. Choose another: PORT={port % 65535 + 1} make run\n"
    assert [path.name for path in (tmp_path / "local").iterdir()] == ["secret-key"]


def test_an_unreachable_database_is_one_line_without_its_password_and_leaves_nothing_running(local_dir):
    port = free_port()
    running = Run(local_dir, DATABASE_URL=f"postgresql://desk:hidden@127.0.0.1:{port}/desk")
    code, errors = running.end()
    assert (code, errors) == (1, f"Cannot reach the database at 127.0.0.1:{port}: Connection refused\n")
    assert "hidden" not in running.said
    assert not valkey_runs()


def test_one_listens_at_the_next_port_or_at_any_that_is_free(monkeypatch):
    monkeypatch.delenv("LIVE_PORT", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        elsewhere = run.Address("127.0.0.1", port - 1).for_listeners()
        assert elsewhere.port != port
        monkeypatch.setenv("LIVE_PORT", str(port))
        with pytest.raises(run.RunError, match=f"LIVE_PORT={port + 1} make run"):
            run.Address("127.0.0.1", 8000).for_listeners()
    assert run.Address("127.0.0.1", 8000).for_listeners() == run.Address("127.0.0.1", port)
    monkeypatch.delenv("LIVE_PORT")
    assert run.Address("127.0.0.1", port - 1).for_listeners().port == port


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"PORT": "80a"}, "PORT is a number from 1 to 65535, not '80a'."),
        ({"LIVE_PORT": "x"}, "LIVE_PORT is a number from 1 to 65535, not 'x'."),
        ({"PORT": "70000"}, "PORT is a number from 1 to 65535, not '70000'."),
        ({"HOST": "nowhere.invalid"}, "HOST is an address of this machine, such as 127.0.0.1, not 'nowhere.invalid'."),
        ({"HOST": "192.0.2.1"}, "HOST=192.0.2.1 would let everybody who can reach this machine act as a librarian. "),
        ({"HOST": "192.0.2.1", "OPEN_DESK": "no"}, "HOST 192.0.2.1 is not an address of this machine."),
        ({"DEBUG": "perhaps"}, "DEBUG is true or false, not 'perhaps'."),
        ({"DATABASE_URL": "desk:hidden@nowhere"}, "DATABASE_URL is like postgresql://"),
        ({"DATABASE_URL": "sqlite:///desk", "REDIS_URL": "redis://x"}, "DATABASE_URL is like postgresql://"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(tmp_path, variables, reason):
    code, errors = Run(tmp_path / "local", **{"PORT": "8000", **variables}).end()
    assert code == 1
    assert errors.startswith(reason)
    assert errors.count("\n") == 1
    assert "hidden" not in errors


def test_a_missing_redis_is_a_warning(settings, capsys):
    nowhere = {**settings.CACHES["default"], "LOCATION": "redis://:hidden@127.0.0.1:1/0"}
    settings.CACHES = {"default": nowhere}
    run.check_redis()
    assert capsys.readouterr().err == (
        "Warning: no Redis answers at 127.0.0.1:1. The service works without its cache.\n"
    )


@pytest.mark.parametrize(
    ("host", "numeric", "url"),
    [
        (None, "127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "::1", "http://[::1]:8000"),
    ],
)
def test_hosts_become_addresses(monkeypatch, host, numeric, url):
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.delenv("HOST", raising=False)
    if host:
        monkeypatch.setenv("HOST", host)
    address = run.Address.from_environment()
    assert (address.host, address.url) == (numeric, url)
    assert address.is_of_this_machine_only == (host != "0.0.0.0")


@pytest.mark.django_db
def test_the_first_administrator_is_made_once_and_a_changed_password_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    first = run.administrator()
    kept = tmp_path / "admin-password"
    assert first == f"sign in as admin, password {kept.read_text().strip()}"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert run.administrator() == first

    admin = get_user_model().objects.get(username="admin")
    admin.set_password("my own")
    admin.save()
    assert run.administrator() == "sign in as admin, with the password you set"
    assert get_user_model().objects.get().check_password("my own")


@pytest.mark.django_db
def test_no_administrator_is_made_beside_one_that_there_is(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    get_user_model().objects.create_superuser("head", password="x")
    assert run.administrator() == "sign in with your account"
    assert os.listdir(tmp_path) == []
