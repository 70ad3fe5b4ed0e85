"""Who comes to the library of a simulation, and what it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circulation.simulation.chance import Chance, running_sums

SOURCE = "simulation"  # of the titles and members, where a record has a source

_KINDS = ("Silent", "Last", "Glass", "Borrowed", "Northern", "Hidden", "Second", "Paper", "Winter", "Open")
_THINGS = ("Harbour", "Garden", "Archive", "Orchard", "Letter", "Lighthouse", "Summer", "Clockmaker", "River", "Atlas")
_FIRST_NAMES = ("Ada", "Benedict", "Chiara", "Dmitri", "Esther", "Farid", "Greta", "Hiro", "Imani", "Jonas", "Käthe")
_LAST_NAMES = ("Abel", "Brandt", "Costa", "Dubois", "Eriksen", "Fontana", "Grieg", "Hale", "Ivanova", "Jensen", "Keita")


BRANCHES = 2  # named by their numbers, from 0
_AT_THE_OTHER = 0.25  # of the copies and of the people; the rest are at the first


@dataclass(frozen=True)
class Title:
    """Number 1 is in the greatest demand."""

    number: int
    name: str
    author: str
    copies: Sequence[int]  # the branch of each


@dataclass(frozen=True)
class Person:
    """Number 1 comes most often."""

    number: int
    first_name: str
    last_name: str
    branch: int


@dataclass(frozen=True)
class Population:
    titles: Sequence[Title]
    people: Sequence[Person]
    demand: Sequence[float]  # for each title, summed up
    activity: Sequence[float]  # of each person, summed up

    def a_title(self, chance: Chance) -> int:
        """The number of a title that somebody wants: a few are wanted by many, and every one by somebody."""
        return chance.weighted(self.demand) + 1

    def a_person(self, chance: Chance) -> int:
        return chance.weighted(self.activity) + 1


def populate(chance: Chance, *, titles: int, members: int) -> Population:
    return Population(
        titles=[_title(chance, number) for number in range(1, titles + 1)],
        people=[
            Person(number, chance.pick(_FIRST_NAMES), chance.pick(_LAST_NAMES), _branch(chance))
            for number in range(1, members + 1)
        ],
        demand=running_sums(1 / (rank + 3) for rank in range(titles)),
        activity=running_sums(1 / (rank + 20) for rank in range(members)),
    )


def _title(chance: Chance, number: int) -> Title:
    name = f"The {chance.pick(_KINDS)} {chance.pick(_THINGS)}"
    author = f"{chance.pick(_FIRST_NAMES)} {chance.pick(_LAST_NAMES)}"
    # Libraries buy more of what is wanted, and never enough.
    copies = 1 + chance.below(2) + (chance.between(1, 3) if number <= 5 else 0)
    return Title(number, name, author, [_branch(chance) for _ in range(copies)])


def _branch(chance: Chance) -> int:
    return int(chance.happens(_AT_THE_OTHER))
