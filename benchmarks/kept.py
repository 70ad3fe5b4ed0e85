"""Results as they are kept, in benchmarks/results: pages and pictures are made of them later."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.machine import Machine

DIRECTORY = Path(__file__).with_name("results")


def stamped(machine: Machine) -> dict[str, Any]:
    """When and where something was measured."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": dataclasses.asdict(machine),
        "note": os.environ.get("NOTE", ""),  # such as who else was at work
    }


def write(name: str, results: dict[str, Any]) -> None:
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read(name: str) -> dict[str, Any]:
    """Empty if it was never measured."""
    path = DIRECTORY / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
