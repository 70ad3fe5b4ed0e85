"""Two web servers and a live process, each started as the Dockerfile and docker-compose.yml do, behind nginx."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import requests
import yaml

from circulation.simulation.own_database import own_database
from tests.config.test_run import free_port
from tests.deploy.nginx import PROGRAM, nginx
from tests.simulation.runs import ROOT
from tests.simulation.service import url_of

PATIENCE = 60  # seconds for a web server to answer on a busy machine
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IMAGE = {
    name: value.replace("/app/", f"{ROOT}/")
    for name, value in re.findall(r"^\s+(GRANIAN_[A-Z_]+)=(\S+)", DOCKERFILE, re.MULTILINE)
}
COMMAND = {
    "web": ["granian", "config.wsgi:application"],  # the image's; tests/test_docker.py looks after that
    "live": yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["live"]["command"],
}


class Process:
    """A container's main process, without the container."""

    def __init__(self, command, environment):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._command = [str(Path(sys.executable).parent / command[0]), *command[1:]]
        self._environment = environment | {"GRANIAN_PORT": str(self.port), "GRANIAN_HOST": "127.0.0.1"}
        self.start()

    def start(self):
        self._process = subprocess.Popen(self._command, cwd=ROOT, env=self._environment, start_new_session=True)

    def tell(self, number):
        self._process.send_signal(number)

    def wait_until_it_answers(self):
        give_up = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)

    def workers(self):
        """The numbers of the processes that answer."""
        children = psutil.Process(self._process.pid).children()
        return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}

    def stop(self, number=signal.SIGTERM):
        """Its return code."""
        self.tell(number)
        return self._process.wait(PATIENCE)

    def kill(self):
        """With all that it started, as a container dies."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)

    def _answers(self):
        try:
            return requests.get(f"http://{self.address}/health/live", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False


class Service:
    def __init__(self, environment):
        self.web = {name: Process(COMMAND["web"], environment) for name in ("web-1", "web-2")}
        self.live = Process(COMMAND["live"], environment)
        self.processes = [*self.web.values(), self.live]

    def upstreams(self):
        return {name: process.address for name, process in self.web.items()} | {"live": self.live.address}


@pytest.fixture(scope="package")
def environment(django_db_setup, django_db_blocker):
    """Of processes that share a database of their own, to which this process is connected inside."""
    with django_db_blocker.unblock(), own_database(workers=1) as name:
        yield (
            os.environ
            | IMAGE
            | {
                "DATABASE_URL": url_of(name),
                "CACHE_KEY_PREFIX": name,
                "OPEN_DESK": "true",
                "OPEN_DESK_I_UNDERSTAND": "true",
                "TRUSTED_PROXIES": "1",
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "GRANIAN_WORKERS": "1",
            }
        )


@pytest.fixture(scope="package")
def service(environment):
    if PROGRAM is None:
        pytest.skip("nginx is not installed")
    service = Service(environment)
    with ExitStack() as stack:
        for process in service.processes:
            stack.callback(process.kill)
        for process in service.processes:
            process.wait_until_it_answers()
        yield service


@pytest.fixture(scope="package")
def proxy(service):
    with nginx(service.upstreams()) as proxy:
        yield proxy


@pytest.fixture
def relay(environment):
    process = subprocess.Popen([sys.executable, "manage.py", "relay_events"], cwd=ROOT, env=environment)
    yield
    process.terminate()
    process.wait(PATIENCE)
