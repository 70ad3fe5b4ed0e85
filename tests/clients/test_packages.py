"""What the npm packages are installed from, and that the linters among them see what is wrong."""

import json
import re

from tests.clients import node
from tests.clients.lint import complaints

LOCK = json.loads((node.HERE / "package-lock.json").read_text())


def test_every_package_is_pinned_and_known_by_its_content():
    wanted = json.loads((node.HERE / "package.json").read_text())["devDependencies"]
    installed = {path.removeprefix("node_modules/"): package for path, package in LOCK["packages"].items() if path}

    assert {name: installed[name]["version"] for name in wanted} == wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert all(package["integrity"].startswith("sha512-") for package in installed.values())


def test_the_lock_names_no_registry():
    """So that they come from whichever one this machine uses."""
    assert not any("resolved" in package for package in LOCK["packages"].values())


def test_both_linters_see_what_is_wrong(tmp_path):
    node.install()
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps({"openapi": "3.1.1", "info": {"title": "x", "version": "1"}, "paths": {}}))

    found = complaints(document)

    assert "oas3-api-servers" in found  # Spectral's name of it
    assert "no-empty-servers" in found  # Redocly's
    assert "info-license" in found  # only a warning
