"""A Python client made of the OpenAPI document tells a whole story at a service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(*command, **variables):
    return subprocess.run(
        [sys.executable, *map(str, command)], env=os.environ | variables, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def made(document, tmp_path_factory):
    """Where the client was made, and what was said of it."""
    directory = tmp_path_factory.mktemp("python")
    config = directory / "config.json"
    config.write_text(json.dumps({"post_hooks": []}))  # nobody reads how it is laid out
    arguments = ["--path", document, "--output-path", directory / "circdesk_client", "--meta", "none"]
    said = run("-m", "openapi_python_client", "generate", *arguments, "--config", config, "--fail-on-warning")
    return directory, said


def test_nothing_of_the_document_is_left_out(document, made):
    directory, said = made

    assert (said.returncode, said.stdout, said.stderr) == (0, f"Generating {directory / 'circdesk_client'}\n", "")
    paths = json.loads(document.read_text())["paths"].values()
    wanted = {described["operationId"] for methods in paths for described in methods.values()}
    functions = {path.stem for path in directory.glob("circdesk_client/api/*/*.py")} - {"__init__"}
    assert functions == wanted


def test_the_types_are_those_that_the_story_needs(made):
    directory, _ = made

    checked = run(
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        directory / "types",
        HERE / "story.py",
        MYPYPATH=str(directory),
    )

    assert (checked.stdout, checked.stderr) == ("Success: no issues found in 1 source file\n", "")


def test_the_story_of_the_last_copy(made, desk):
    directory, _ = made

    told = run(HERE / "story.py", *desk, PYTHONPATH=str(directory))

    assert told.stderr == ""
    assert told.stdout == "Grace Hopper has Middlemarch.\n"
