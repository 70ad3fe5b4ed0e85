"""Whether a migration may run while the desk is at work: its SQL under the rules of squawk.

Of those that came after this was checked; what stands in `BASELINE` has run everywhere. A rule that a migration breaks
for a reason stands with it in `accepted` of its class, such as `accepted = {"ban-drop-column": "unread since 1.4"}`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from config import embedded

# The last migration of each app that was not looked at. Of an app that is not here, all are.
BASELINE = {
    "accounts": "0003",
    "circulation": "0003",
    "events": "0004",
    "library": "0004",
    "notifications": "0001",
    "partners": "0001",
    "reservations": "0002",
    "stores": "0001",
    "webhooks": "0001",
}
# Matters of taste; and `manage.py migrate` sets the time-out of locks for all.
EXCLUDED = (
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamp-tz",
    "require-lock-timeout",
    "require-statement-timeout",
)


def to_look_at(labels: Iterable[str] = ()) -> list[Migration]:
    """Those of the apps with these labels, or of all apps of ours, that came after the baseline."""
    ours = set(labels) or {
        app.label for app in apps.get_app_configs() if Path(app.path).is_relative_to(settings.BASE_DIR) and _is_ours(app)
    }
    migrations = MigrationLoader(None).disk_migrations
    return [
        migration
        for (label, name), migration in sorted(migrations.items())
        if label in ours and name > BASELINE.get(label, "") and not name.startswith(BASELINE.get(label, " "))
    ]


def _is_ours(app: object) -> bool:
    return ".venv" not in Path(app.path).parts  # type: ignore[attr-defined]


def problems(migration: Migration) -> Iterator[str]:
    """What is wrong with one, a line each."""
    said = StringIO()
    call_command("sqlmigrate", migration.app_label, migration.name, stdout=said, no_color=True)
    sql = said.getvalue()
    command = [Path(sys.executable).parent / "squawk", "--reporter=json", "--pg-version=18", "--stdin-filepath=sql"]
    done = subprocess.run(
        [*command, f"--exclude={','.join(EXCLUDED)}"], input=sql, capture_output=True, text=True, check=False
    )
    accepted = getattr(migration, "accepted", {})
    lines = sql.splitlines()
    for found in json.loads(done.stdout):
        if found["rule_name"] not in accepted:
            statement = " ".join(lines[found["line"]].split())[:100]
            yield f"{migration.app_label} {migration.name}: {found['rule_name']}: {found['message']} ({statement})"


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("SECRET_KEY", "only-to-read-the-settings-for-migrations")
    django.setup()
    migrations = to_look_at()
    if migrations:
        embedded.ensure_running()
    found = [problem for migration in migrations for problem in problems(migration)]
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
