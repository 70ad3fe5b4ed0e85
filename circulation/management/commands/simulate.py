"""A library's life, simulated and checked."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from tqdm import tqdm

from circulation.simulation.desk import Event
from circulation.simulation.findings import Finding, broken_ones
from circulation.simulation.http_desk import DeskAway, DeskFailed, HttpDesk
from circulation.simulation.outside import check_from_outside
from circulation.simulation.own_database import NoDatabase
from circulation.simulation.own_library import Simulated, simulate
from circulation.simulation.plan import Plan
from circulation.simulation.report import report
from circulation.simulation.running import Run

SIZES = {"events": 1000, "members": 80, "titles": 40, "workers": 1, "check_every": 100}
MOST_WORKERS = 64
SILENT_FOR = 2.0  # seconds before progress is shown


class Command(BaseCommand):
    help = (
        "Makes up a library's life from a seed (people come, borrow, wait, collect, bring back late, lose and find), "
        "acts it out at the real desk, and proves that everything that must hold does, or names the seed, the event "
        "and what broke, and ends with 1. It happens in a database of its own on the configured server, which is "
        "removed afterwards; with --http at a running service, to which it adds titles and members of its own."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="any whole number (now: 1)")
        for name, what in (
            ("events", "how much happens"),
            ("members", "how many come"),
            ("titles", "how many there are; each has some copies"),
            ("workers", "how many desks work at once; with 1 the same seed always ends the same"),
            ("check_every", "events between checks, where there is one worker"),
        ):
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, type=int, default=SIZES[name], metavar="N", help=f"{what} (now: {SIZES[name]})")
        parser.add_argument("--http", metavar="URL", help="a running Circdesk, such as http://127.0.0.1:8000")
        parser.add_argument(
            "--fulfil-on-return",
            choices=["hold", "loan"],
            default="hold",
            help="set a returned copy aside for the head of the line, or lend it (now: hold; over HTTP the server's)",
        )
        parser.add_argument("--keep", action="store_true", help="keep the database of the simulation, to look at it")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in SIZES:
            if options[name] < 1:
                raise CommandError(f"--{name.replace('_', '-')} is at least 1, not {options[name]}.")
        if options["workers"] > MOST_WORKERS:
            raise CommandError(f"--workers is at most {MOST_WORKERS}, not {options['workers']}.")
        if options["keep"] and options["http"]:
            raise CommandError("--keep is for a database of its own, and --http has none.")
        plan = Plan(options["seed"], **{name: options[name] for name in (*SIZES, "fulfil_on_return", "keep")})
        begun = time.monotonic()
        with tqdm(total=plan.events, unit=" events", delay=SILENT_FOR, disable=None, leave=False) as bar:
            try:
                done = self._over_http(plan, options["http"], bar) if options["http"] else simulate(plan, bar.update)
            except (NoDatabase, DeskAway, DeskFailed) as problem:
                raise CommandError(str(problem)) from problem
            except Error as error:  # of the database, which may be stopped at any time
                raise CommandError(f"The database failed: {_one_line(error)}") from error
            except KeyboardInterrupt as stop:
                left = "Its titles and members stay." if options["http"] else "Nothing is left of it."
                raise CommandError(f"Stopped after {bar.n:,} of {plan.events:,} events. {left}") from stop
        where = f"at {options['http']}" if options["http"] else "in a database of its own"
        for line in report(plan, done.run, done.findings, done.digest, where=where):
            self.stdout.write(line)
        self.stdout.write(f"\nAll in all {time.monotonic() - begun:.1f} s.")
        if done.kept:
            self.stdout.write(_how_to_look(done.kept))
        if not done.is_sound:
            raise CommandError(_what_broke(plan, done))

    def _over_http(self, plan: Plan, url: str, bar: tqdm[Any]) -> Simulated:
        desk = HttpDesk(url)
        desk.require_circdesk()
        self.stdout.write(
            f"Adding {plan.titles:,} titles and {plan.members:,} members named “{desk.mark}” to {url}. They stay there."
        )
        holdings, stream = plan.begin(desk)
        run = Run(stream, desk, plan.workers, progress=bar.update)
        run.go()
        try:
            findings = check_from_outside(desk, holdings, run)
        except DeskFailed as problem:
            findings = [Finding("Nothing could be checked.", [str(problem)])]
        return Simulated(run, findings)


def _how_to_look(name: str) -> str:
    library = connection.settings_dict["NAME"]
    return (
        f"Kept: the database {name}. To look at it: manage.py dbshell, then \\c {name}\n"
        f'To remove it: \\c {library}, then DROP DATABASE "{name}";'
    )


def _what_broke(plan: Plan, done: Simulated) -> str:
    defect = done.run.defect
    if defect is not None:
        return f"Seed {plan.seed}, {defect.event}: the desk failed. {_one_line(defect.error)}"
    what = "; ".join(f"{finding.holds} ({finding.problems[0]})" for finding in broken_ones(done.findings))
    return f"Seed {plan.seed}, {_when(done.suspects, plan)}: {what}"


def _when(suspects: Sequence[Event], plan: Plan) -> str:
    match list(suspects):
        case []:
            return f"in the course of {plan.events:,} events"
        case [event]:
            return str(event)
        case [first, *_, last]:
            return f"between event {first.number} and {last}"
    raise AssertionError("unreachable")


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
