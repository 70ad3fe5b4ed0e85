"""A TypeScript client made of the OpenAPI document tells a whole story at a service."""

import json
import re
import shutil

import pytest

from tests.clients import node


@pytest.fixture(scope="module")
def made(document, tmp_path_factory):
    """Where the story stands beside the types that were made for it, and what was said of them."""
    node.install()
    directory = tmp_path_factory.mktemp("typescript")
    for name in ("story.ts", "tsconfig.json", "package.json"):
        shutil.copy(node.HERE / name, directory)
    (directory / "node_modules").symlink_to(node.PACKAGES)
    # A field with a default may be left out.
    arguments = ["--output", directory / "circdesk.ts", "--default-non-nullable", "false"]
    return directory, node.tool("openapi-typescript", document, *arguments, cwd=directory)


def test_nothing_of_the_document_is_left_out(document, made):
    directory, said = made

    assert said.returncode == 0
    assert "warn" not in f"{said.stdout}{said.stderr}".lower()
    types = (directory / "circdesk.ts").read_text()
    described = json.loads(document.read_text())
    paths = described["paths"]
    assert re.findall(r'^    "(/.*)": {$', types, re.MULTILINE) == list(paths)
    everything = [*paths.values(), *described["webhooks"].values()]
    wanted = {operation["operationId"] for methods in everything for operation in methods.values()}
    assert set(re.findall(r'operations\["(\w+)"\]', types)) == wanted


def test_the_types_are_those_that_the_story_needs(made):
    directory, _ = made

    checked = node.tool("tsc", "--project", directory, cwd=directory)

    assert (checked.stdout, checked.stderr) == ("", "")


def test_the_story_of_the_last_copy(made, desk):
    directory, _ = made

    told = node.run(node.NODE, "story.ts", *desk, cwd=directory)

    assert told.stderr == ""
    assert told.stdout == "Grace Hopper has Middlemarch.\n"
