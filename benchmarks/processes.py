"""What processes cost: memory and CPU, of each and of all together."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Cost:
    name: str
    rss: int  # bytes
    pss: int  # bytes; what is shared counts in parts, so that these add up
    cpu: float  # seconds since its start


def costs(of: int, name: str) -> list[Cost]:
    """The process and all that it started, biggest first."""
    found = []
    parent = psutil.Process(of)
    for process in (parent, *parent.children(recursive=True)):
        try:
            memory, cpu = process.memory_full_info(), process.cpu_times()
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended since
            continue
        pss = getattr(memory, "pss", memory.uss)  # Linux only
        found.append(Cost(name, memory.rss, pss, cpu.user + cpu.system))
    return sorted(found, key=lambda cost: -cost.pss)


def cpu_of(*roots: int) -> float:
    """Seconds of CPU that these processes and their children took so far, those included that ended meanwhile."""
    total = 0.0
    for root in roots:
        parent = psutil.Process(root)
        for process in (parent, *parent.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += (
                times.user + times.system + getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
            )
    return total
