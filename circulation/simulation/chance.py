"""Chance that is the same on every machine and under every version of Python."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Whatever is drawn follows from the seed.

    Only `random()` is documented to give the same numbers in every version of Python. Logarithms and powers are
    avoided, too: their last digit depends on the machine.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random  # nosec B311  # chance, not secrecy

    def happens(self, probability: float) -> bool:
        return self._random() < probability

    def below(self, end: int) -> int:
        return int(self._random() * end)

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included; `low` if there is none."""
        return low + self.below(max(high - low, 0) + 1)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def weighted(self, sums: Sequence[float]) -> int:
        """An index, each as likely as its weight; see `running_sums`."""
        return bisect_right(sums, self._random() * sums[-1], hi=len(sums) - 1)


def running_sums(weights: Iterable[float]) -> list[float]:
    """The weights summed up one after another; `sum` adds differently from version to version."""
    return list(accumulate(weights))
