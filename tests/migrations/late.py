"""An app that comes late, with migrations that a test writes."""

import sys
from itertools import count
from textwrap import dedent, indent

import pytest
from django.apps import apps

_NUMBERS = count()
FILE = """
from django.contrib.postgres.operations import AddIndexConcurrently as Plainly
from django.db import migrations, models
from events.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    dependencies = {dependencies}
    initial = {initial}
{body}
"""
NOTES = """
operations = [migrations.CreateModel("Note", [
    ("id", models.BigAutoField(primary_key=True)),
    ("text", models.TextField()),
    ("member", models.ForeignKey("library.Member", models.CASCADE)),
])]
"""


@pytest.fixture
def late(tmp_path, monkeypatch, settings):
    """Makes the app, of these migrations after one that creates notes. Its label."""

    def make(*bodies):
        label = f"late{next(_NUMBERS)}"
        directory = tmp_path / label / "migrations"
        directory.mkdir(parents=True)
        (directory.parent / "__init__.py").touch()
        (directory / "__init__.py").touch()
        for number, body in enumerate([NOTES, *bodies], start=1):
            before = [("library", "0001_initial")] if number == 1 else [(label, f"{number - 1:04}_it")]
            text = FILE.format(dependencies=before, initial=number == 1, body=indent(dedent(body), "    "))
            (directory / f"{number:04}_it.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        for config in apps.get_app_configs():  # are ready: a second time, each would register what it has once more
            monkeypatch.setattr(type(config), "ready", lambda self: None)
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, label]
        return label

    yield make
    for name in [name for name in sys.modules if name.startswith("late")]:
        del sys.modules[name]
