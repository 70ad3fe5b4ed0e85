"""The processes of a web server: each tells what all of them counted, also those that are gone."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest
import requests
from django.db import connection
from prometheus_client.mmap_dict import MmapedDict

from config.observability.places import Places
from tests.config.test_run import free_port
from tests.observability.reading import Scraped
from tests.simulation.runs import ROOT
from tests.simulation.service import url_of
from tests.waiting import until

PATIENCE = 60  # seconds


class TwoProcesses:
    """A web server that begins a process anew when it dies, as containers have it."""

    def __init__(self, directory):
        self.directory = directory
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        granian = [sys.executable, "-m", "granian", "--interface=wsgi", "--workers=2", f"--port={port}"]
        granian += ["--blocking-threads=2", "--respawn-failed-workers", "--respawn-interval=0", "--no-ws"]
        environment = {
            "DATABASE_URL": url_of(connection.settings_dict["NAME"]),
            "OPEN_DESK": "true",
            "OPEN_DESK_I_UNDERSTAND": "true",
            "PROMETHEUS_MULTIPROC_DIR": str(directory),
            "GRANIAN_LOG_LEVEL": "critical",
        }
        self.server = subprocess.Popen(
            [*granian, "config.wsgi:application"], cwd=ROOT, env=os.environ | environment, start_new_session=True
        )

    def ask(self, path):
        """On a connection of its own, which any of the processes may take."""
        try:
            return requests.get(f"{self.url}{path}", timeout=10, headers={"Connection": "close"})
        except requests.ConnectionError:
            return None  # of a process that was killed

    def scrape(self):
        return Scraped(self.ask("/metrics").text)

    def processes(self):
        return [
            child
            for child in psutil.Process(self.server.pid).children(recursive=True)
            if "resource_tracker" not in " ".join(child.cmdline())
        ]

    def counted_by(self, place):
        """How many requests whoever has this place has counted."""
        if not (self.directory / f"counter_{place}.db").exists():
            return 0
        values = MmapedDict.read_all_values_from_file(str(self.directory / f"counter_{place}.db"))
        return sum(value for key, value, *_ in values if '"circdesk_requests_total"' in key and "api/branches/" in key)


@pytest.fixture
def server(tmp_path):
    started = TwoProcesses(tmp_path / "counts")
    try:
        until(lambda: started.ask("/health/live") is not None)
        yield started
    finally:
        started.server.terminate()
        started.server.wait(PATIENCE)


@pytest.mark.django_db(transaction=True)
def test_counts_add_up_over_processes_and_outlive_them(server):
    answered = 0

    def ask():
        nonlocal answered
        answered += server.ask("/api/branches/") is not None

    def both_answered_more(than=(0, 0)):
        ask()
        return all(server.counted_by(place) > before for place, before in zip((1, 2), than, strict=True))

    def told():
        return server.scrape()("requests_total", route="api/branches/", method="GET", status="200")

    until(both_answered_more)
    assert [told() for _ in range(6)] == [answered] * 6  # whichever process is asked
    assert server.scrape()("pool_connections", database="default", state="allowed") == 32

    victim = server.processes()[0]
    victim.send_signal(signal.SIGKILL)
    victim.wait(PATIENCE)
    counts = server.counted_by(1), server.counted_by(2)
    assert sum(counts) == answered
    until(lambda: both_answered_more(counts))

    assert [told() for _ in range(6)] == [answered] * 6
    assert server.scrape()("request_duration_seconds_count", route="api/branches/", method="GET") == answered
    assert {file.stem.rpartition("_")[2] for file in server.directory.glob("*.db")} == {"1", "2"}


HOLD = """
import sys
from pathlib import Path
from config.observability.places import Places
print(Places(Path(sys.argv[1]))(), flush=True)
sys.stdin.read()
"""


@contextmanager
def another(directory):
    """A process that has a place until it is told to end, and that place."""
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().strip()


def test_each_process_has_the_first_place_that_is_free(tmp_path):
    places = Places(tmp_path)
    assert (places(), places()) == ("1", "1")
    with another(tmp_path) as (first, place), another(tmp_path) as (_, next_place):
        assert (place, next_place) == ("2", "3")
        for name in ("gauge_livesum_1.db", "gauge_livesum_2.db", "gauge_livesum_3.db", "counter_2.db"):
            (tmp_path / name).touch()
        first.kill()
        first.wait(PATIENCE)

        places.forget_the_dead()

        left = {file.name for file in tmp_path.glob("*.db")}
        assert left == {"gauge_livesum_1.db", "gauge_livesum_3.db", "counter_2.db"}
        with another(tmp_path) as (_, place):
            assert place == "2"


def test_a_process_that_forks_keeps_its_place(tmp_path):
    places = Places(tmp_path)
    assert places() == "1"
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, places().encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 10) == b"2"
    assert places() == "1"
    os.close(reading)
    os.close(writing)


def test_where_there_can_be_no_directory_each_process_counts_for_itself(tmp_path):
    (tmp_path / "file").touch()
    environment = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "file"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    count = "import django; django.setup(); from config.observability import metrics as m; m.refused('BUSY'); "
    count += "print(m.PLACES, m.COUNTED.get_sample_value('circdesk_refusals_total', {'code': 'BUSY'}))"

    ran = subprocess.run([sys.executable, "-c", count], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert ran.stdout == "None 1.0\n"
    assert "Each process counts for itself: PROMETHEUS_MULTIPROC_DIR cannot be used" in ran.stderr
