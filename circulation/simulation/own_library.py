"""A simulation in a database of its own, from its making to its removal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from circulation.simulation.checks import check, watching_the_cache
from circulation.simulation.desk import Event
from circulation.simulation.digest import digest
from circulation.simulation.findings import Finding, broken_ones
from circulation.simulation.own_database import own_database
from circulation.simulation.plan import Plan
from circulation.simulation.running import Run
from circulation.simulation.service_desk import ServiceDesk


@dataclass(frozen=True)
class Simulated:
    """A run, what was found afterwards, and the digest of the final state where it means something."""

    run: Run
    findings: Sequence[Finding]
    digest: str | None = None
    suspects: Sequence[Event] = ()  # the events, one of which broke something: none when nothing is broken
    kept: str | None = None  # the database

    @property
    def is_sound(self) -> bool:
        return self.run.defect is None and not broken_ones(self.findings)


def simulate(plan: Plan, progress: Callable[[], object]) -> Simulated:
    """Raises NoDatabase. With one worker, a broken run is repeated to find the event that broke it."""
    done = _simulate(plan, progress, plan.keep, lambda number: number % plan.check_every == 0)
    if plan.workers > 1 or done.is_sound or len(done.suspects) < 2 or done.run.defect:
        return done
    first, last = done.suspects[0].number, done.suspects[-1].number
    again = _simulate(plan, lambda: None, False, lambda number: first <= number <= last)
    if again.run.findings and len(again.suspects) < len(done.suspects):
        return Simulated(done.run, again.findings, done.digest, again.suspects, done.kept)
    return done


def _simulate(plan: Plan, progress: Callable[[], object], keep: bool, check_after: Callable[[int], bool]) -> Simulated:
    with watching_the_cache() as failures, own_database(workers=plan.workers, keep=keep) as name:
        desk = ServiceDesk(plan.fulfil_on_return)
        holdings, stream = plan.begin(desk)
        look = partial(check, holdings=holdings, failures=failures, several_workers=plan.workers > 1)
        run = Run(stream, desk, plan.workers, progress=progress, check_after=check_after)
        run.check = lambda tally: look(tally, at=run.suspects[-1].at, at_the_end=False)
        run.go()
        findings = run.findings or look(run.tally, at=stream.latest, at_the_end=True)
        suspects = run.suspects if broken_ones(findings) else []
        final = digest(holdings) if plan.workers == 1 else None
        return Simulated(run, findings, final, tuple(suspects), name if keep else None)
