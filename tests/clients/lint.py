"""`make lint-api`: the OpenAPI document under the rules of Spectral and of Redocly. A warning counts as an error."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import django
from django.core.management import call_command

from tests.clients import node


def complaints(document):
    """What the linters have to say against a document."""
    linted = [
        node.tool("spectral", "lint", document, "--ruleset", "spectral.yaml", "--fail-severity", "hint", "--quiet"),
        node.tool("redocly", "lint", document, "--config", "redocly.yaml", "--format", "stylish"),
    ]
    return "".join(said.stdout + said.stderr for said in linted if said.returncode)


def main():
    django.setup()
    node.install()
    with TemporaryDirectory() as directory:
        document = Path(directory) / "openapi.json"
        call_command("spectacular", file=str(document), format="openapi-json", fail_on_warn=True)
        if found := complaints(document):
            sys.exit(found)
    print("The OpenAPI document is clean, says Spectral and says Redocly.")


if __name__ == "__main__":
    main()
