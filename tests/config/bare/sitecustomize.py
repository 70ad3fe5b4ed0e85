"""Python as `make run` leaves it: packages that only the tests pin are not there. For PYTHONPATH."""

import re
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from pathlib import Path

PINNED = Path(__file__).parents[3] / "requirements.txt"


def name_of(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


class OnlyWhatIsPinned:
    def __init__(self) -> None:
        pinned = {name_of(re.split(r"[=[;]", line)[0]) for line in PINNED.read_text().splitlines() if "==" in line}
        self.missing = {
            package
            for package, distributions in packages_distributions().items()
            if not pinned.intersection(map(name_of, distributions))
        }

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.missing:
            raise ModuleNotFoundError(f"{name} is not pinned in requirements.txt", name=name)
        return None


sys.meta_path.insert(0, OnlyWhatIsPinned())
