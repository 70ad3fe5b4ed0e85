"""Requests that Schemathesis makes of the OpenAPI document, right and wrong ones: each answer is as described."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from accounts.models import User
from tests.simulation.service import service

ROOT = Path(__file__).parents[2]
# `make fuzz` goes on for longer, from another seed.
SECONDS, SEED = os.environ.get("FUZZ_SECONDS", "60"), os.environ.get("FUZZ_SEED", "1")
ADMIN = ("marian", "madam librarian, if you please")


@pytest.fixture
def desk(django_db_blocker):
    """The URL of a service with the demo library. Nobody is counted, or hardly anything would be asked."""
    closed = {"OPEN_DESK": "false", "OPEN_DESK_I_UNDERSTAND": "false", "THROTTLE": "false"}
    with django_db_blocker.unblock(), service(**closed, ACCESS_TOKEN_MINUTES="600") as url:
        call_command("load_demo", verbosity=0)
        User.objects.create_superuser(ADMIN[0], password=ADMIN[1])
        yield url


def token(url):
    username, password = ADMIN
    signed_in = requests.post(f"{url}/api/token/", json={"username": username, "password": password}, timeout=20)
    return signed_in.json()["data"]["access"]


def asked(url, directory, *options):
    """What came of it, and what Schemathesis says, which is shown as it goes where it takes long."""
    settings = ["--config-file", str(Path(__file__).with_name("schemathesis.toml"))]
    run = ["run", f"{url}/api/schema/", "--seed", SEED, "--max-time", SECONDS, "--checks", "all", *options]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *settings, *run],
        cwd=directory,  # keeps what it remembers of failures
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=None if "FUZZ_SECONDS" in os.environ else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("who", ["signed in", "anonymous"])
def test_whatever_is_asked_is_answered_as_described(desk, who, tmp_path):
    credential = ["--header", f"Authorization: Bearer {token(desk)}"] if who == "signed in" else []
    file = tmp_path / "report.json"

    said = asked(desk, tmp_path, *credential, "--report", "json", "--report-json-path", str(file))

    assert said.returncode == 0, said.stdout
    report = json.loads(file.read_text())
    described = sum(
        len(methods) for methods in SchemaGenerator().get_schema(request=None, public=True)["paths"].values()
    )
    assert report["operations"]["tested"] == described
    assert {phase["status"] for phase in report["phases"].values()} == {"success"}
    assert report["test_cases"]["generated"] > 1_000
    assert (report["failures"], report["errors"]) == ([], [])
