"""A bar with rate and time left, on a terminal, for what takes longer than two seconds."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

SILENT_FOR = 2.0  # seconds
EVERY = 0.2  # seconds between its changes


def bar(what: str, *, total: int, unit: str, bytes_: bool = False) -> tqdm[Any]:
    """Call `update` with how many more are done. Elsewhere than on a terminal it shows nothing."""
    return tqdm(
        desc=what,
        total=total,
        unit=unit,
        unit_scale=bytes_,
        unit_divisor=1024,
        leave=False,
        delay=SILENT_FOR,
        mininterval=EVERY,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        dynamic_ncols=True,
    )
