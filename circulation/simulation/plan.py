"""What somebody asked to be simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from circulation.simulation.chance import Chance
from circulation.simulation.desk import Desk, Holdings
from circulation.simulation.population import populate
from circulation.simulation.stream import Stream


@dataclass(frozen=True)
class Plan:
    seed: int
    events: int
    members: int
    titles: int
    workers: int
    check_every: int  # events, where there is one worker
    fulfil_on_return: Literal["hold", "loan"] = "hold"
    keep: bool = False

    def begin(self, desk: Desk) -> tuple[Holdings, Stream]:
        """Stock the desk's library, and make the stream of what will happen in it."""
        chance = Chance(self.seed)
        population = populate(chance, titles=self.titles, members=self.members)
        holdings = desk.stock(population)
        return holdings, Stream(chance, population, holdings, events=self.events)
