"""What was checked, and what was found; and whether what was acknowledged is what was recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from circulation.simulation.desk import LENT_ON_RETURN, Acknowledged

SHOWN = 5  # of what is found, so that a report stays readable


@dataclass(frozen=True)
class Finding:
    """One thing that must hold, how it was looked at, and in what ways it does not hold."""

    holds: str
    problems: Sequence[str] = ()
    note: str = ""


def broken_ones(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.problems]


@dataclass(frozen=True)
class Recorded:
    """An event in the library's own record."""

    kind: str
    loan: int | None
    reservation: int | None
    member: int | None
    barcode: str | None


LOANS = ("checkout", "return", "renew")
PLACES = ("reserve", "cancel", "suspend", "resume", "expire")
COPIES = ("lost", "found", "receive")
MEMBERS = ("member.edited",)


def once_each(acknowledged: Counter[Acknowledged], recorded: Iterable[Recorded], *, kinds: Sequence[str]) -> Finding:
    """Whether every change of these kinds that a desk acknowledged was recorded once, and nothing else was."""
    by_return = {of for kind, of in acknowledged if kind == LENT_ON_RETURN}
    expected = Counter({told: count for told, count in acknowledged.items() if told.kind in (*kinds, LENT_ON_RETURN)})
    found = Counter(_told(event, by_return) for event in recorded if event.kind in kinds)
    problems = [
        f"{told.kind} of {told.of}: acknowledged {expected[told]} times, recorded {found[told]} times"
        for told in sorted(expected.keys() | found.keys(), key=str)
        if expected[told] != found[told]
    ]
    per_kind: Counter[str] = Counter()
    for told, count in expected.items():
        per_kind["checkout" if told.kind == LENT_ON_RETURN else told.kind] += count
    counts = ", ".join(f"{per_kind[kind]:,} {kind}" for kind in kinds if per_kind[kind])
    return Finding("Every change that was acknowledged is recorded exactly once, and no other.", problems, counts)


def _told(event: Recorded, by_return: set[int | str]) -> Acknowledged:
    of: int | str | None
    if event.kind == "checkout" and event.reservation in by_return:
        return Acknowledged(LENT_ON_RETURN, event.reservation or 0)
    if event.kind in LOANS:
        of = event.loan
    elif event.kind in COPIES:
        of = event.barcode
    else:
        of = event.member if event.kind in MEMBERS else event.reservation
    return Acknowledged(event.kind, of if of is not None else "nobody knows what")
