"""The stream of events: people come, ask for what everybody asks for, and then do with it what people do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from heapq import heappop, heappush

from circulation.simulation.chance import Chance
from circulation.simulation.desk import Event, Holdings, Kind, LoanSeen, Outcome, PlaceSeen
from circulation.simulation.opening_hours import OPENED, arrivals, some_days_later, time_of_day
from circulation.simulation.population import BRANCHES, Population
from circulation.simulation.standing import Standing

# A visit leads to a return and to more, so that it makes about so many events.
EVENTS_A_VISIT = 2.6
SHORTEST, LONGEST = 150, 1500  # days; long enough for loans to end, short enough for any calendar


class Stream:
    """Gives out so many events, in order of time, and plans the next by what it hears of the last.

    It is asked by one worker at a time. With a single one, everything follows from the seed.
    """

    def __init__(self, chance: Chance, population: Population, holdings: Holdings, *, events: int) -> None:
        self._chance, self._population, self._holdings = chance, population, holdings
        self._events = events
        members = len(population.people)
        days = min(max(events / (EVENTS_A_VISIT * members * 0.12), SHORTEST), LONGEST)
        self._visits_a_day = events / (EVENTS_A_VISIT * days)
        self._agenda: list[tuple[datetime, int, Event]] = []
        self._planned = 0
        self._next_day = OPENED
        self.given = 0
        self.latest = OPENED  # of what was given out
        self.standing = Standing()
        self.lengths: list[tuple[int, int]] = []  # of all lines together, and of the longest, at the end of each day

    def take(self) -> Event | None:
        """The next event, None when there were enough."""
        if self.given == self._events:
            return None
        while True:
            while not self._agenda or self._agenda[0][0] >= self._next_day:
                self._begin_day()
            event = heappop(self._agenda)[2]
            if not self.standing.is_past(event):
                break
        self.given += 1
        self.latest = max(self.latest, event.at)
        if event.kind == Kind.BLOCK and event.member is not None:
            self.standing.blocked.add(event.member)
        return replace(event, number=self.given)

    def heard(self, event: Event, outcome: Outcome) -> None:
        """Take in what became of an event, and plan what follows from it."""
        if outcome.is_refused:
            self._refused(event, outcome.result)
            return
        self.standing.heard(event, outcome)
        if outcome.result in ("lent", "renewed") and outcome.loan is not None:
            self._lent(event, outcome.loan)
        elif outcome.result == "lent on" and outcome.place is not None and outcome.loan is not None:
            here = outcome.loan  # of the one who brought it; the next has it under an id that the desk does not tell
            self._lent(event, replace(here, id=None, member=outcome.place.member))
        elif outcome.result == "joined" and outcome.place is not None:
            self._joined(event, outcome.place)
        elif event.kind == Kind.LOST and self._chance.happens(0.7):
            found = replace(event, member=None, branch=self._chance.below(BRANCHES))
            self._plan(found, Kind.FOUND, days=self._chance.between(2, 45))
        elif event.kind == Kind.SUSPEND:
            self._plan(event, Kind.RESUME, days=self._chance.between(3, 25))
        elif event.kind == Kind.BLOCK:
            self._plan(event, Kind.UNBLOCK, days=self._chance.between(1, 20))
        for place in (outcome.place, *outcome.on_shelf):
            if place is not None and place.is_ready:
                self._set_aside(event.at, place)
        for barcode in outcome.on_the_way:
            self._sent(event, barcode)

    # --- What people do -----------------------------------------------------------------------------------------

    def _begin_day(self) -> None:
        day, self._next_day = self._next_day, self._next_day + timedelta(days=1)
        if day > OPENED:
            self.lengths.append(self.standing.in_line())
        for at in sorted(arrivals(self._chance, day, a_day=self._visits_a_day)):
            self._visit(at)
        if self._chance.happens(min(0.06, self._visits_a_day * 0.02)):
            self._rush(day + time_of_day(self._chance))

    def _visit(self, at: datetime) -> None:
        chance = self._chance
        title, member = self._population.a_title(chance), self._population.a_person(chance)
        barcodes = self._holdings.barcodes[title]
        if self.standing.waiting_for(title) > 2 * len(barcodes) and chance.happens(0.8):
            title = self._population.a_title(chance)  # nobody likes a long line, so they take something else
            barcodes = self._holdings.barcodes[title]
        event = Event(Kind.CHECKOUT, at, title, member, looked_before=chance.happens(0.4))
        draw = chance.below(1000)
        if draw < 12:
            event = replace(event, kind=Kind.LOST, member=None, barcode=chance.pick(barcodes))
        elif draw < 24 and self.standing.may_be_blocked(member):
            event = replace(event, kind=Kind.BLOCK)
        elif draw < 110:  # at the self-check machine
            event = replace(event, barcode=chance.pick(barcodes))
        elif draw < 330:  # from home, to collect at their own branch or at another
            event = replace(event, kind=Kind.RESERVE, branch=chance.below(BRANCHES) if draw < 150 else None)
        elif draw < 450:
            event = replace(event, takes_no_for_an_answer=True)
        elif draw < 700:  # at the shelf of a branch
            event = replace(event, branch=self._where(member))
        self._add(event)

    def _where(self, member: int) -> int:
        """The branch to which somebody goes: mostly their own."""
        if self._chance.happens(0.2):
            return self._chance.below(BRANCHES)
        return self._population.people[member - 1].branch

    def _rush(self, at: datetime) -> None:
        """Somebody won a prize: everybody wants the same at once."""
        title = self._population.a_title(self._chance)
        for _ in range(self._chance.between(4, 9)):
            at += timedelta(seconds=self._chance.below(90))
            self._add(Event(Kind.CHECKOUT, at, title, self._population.a_person(self._chance), looked_before=True))

    def _lent(self, event: Event, loan: LoanSeen) -> None:
        self.standing.lent(event.at, loan)
        if loan.member is None:
            return
        chance = self._chance
        at_home = replace(
            event,
            title=loan.title,
            member=loan.member,
            loan=loan.id,
            barcode=loan.barcode,
            reservation=None,
            branch=None,
        )
        if event.kind != Kind.RENEW and chance.happens(0.25):
            self._plan(at_home, Kind.RENEW, days=loan.days - chance.between(0, 3))
            return
        self._end(at_home, loan.days)

    def _end(self, event: Event, days: int) -> None:
        """How a loan ends that is due in so many days. The desk is told a barcode, a loan, or who has what."""
        chance = self._chance
        draw = chance.below(100)
        if draw < 3:
            self._plan(event, Kind.LOST, days=days + chance.between(5, 30))
            return
        if draw < 40:
            after = chance.between(2, days - 4)
        elif draw < 85:
            after = days - chance.between(0, 3)
        else:
            after = days + chance.between(1, 24)
        named = event if chance.happens(0.6) else replace(event, barcode=None)
        if named.barcode is not None or chance.happens(0.5):
            named = replace(named, loan=None)
        branch = None if event.member is None else self._where(event.member)
        self._plan(replace(named, branch=branch), Kind.RETURN, days=after)

    def _joined(self, event: Event, place: PlaceSeen) -> None:
        self.standing.joined(event.at, place)
        chance = self._chance
        draw = chance.below(100)
        mine = replace(event, reservation=place.id, barcode=None)
        if draw < 10:
            self._plan(mine, Kind.CANCEL, days=chance.between(1, 25))
        elif draw < 18:
            self._plan(mine, Kind.SUSPEND, days=chance.between(1, 12))

    def _set_aside(self, at: datetime, place: PlaceSeen) -> None:
        """The member is told, and comes for it or does not."""
        if not self.standing.became_ready(place):
            return
        chance = self._chance
        mine = Event(Kind.FULFIL, at, place.title, place.member, reservation=place.id)
        draw = chance.below(100)
        if draw < 12:
            self._plan(mine, Kind.EXPIRE, days=place.days + 1)
        elif draw < 20:
            self._plan(mine, Kind.CANCEL, days=chance.between(0, place.days))
        else:
            # At some desks staff scan the title alone, which is for the head of the line.
            named = mine if chance.happens(0.8) else replace(mine, reservation=None, member=None)
            self._plan(named, Kind.FULFIL, days=chance.between(0, place.days))
            if named is not mine or chance.happens(0.1):
                self._plan(mine, Kind.EXPIRE, days=place.days + 1)  # should it not have been theirs

    def _sent(self, event: Event, barcode: str) -> None:
        """A van takes it to its branch, or now and then to the wrong one."""
        if not self.standing.was_sent(barcode):
            return
        chance = self._chance
        branch = chance.below(BRANCHES) if chance.happens(0.3) else None
        arriving = Event(Kind.RECEIVE, event.at, event.title, barcode=barcode, branch=branch)
        self._plan(arriving, Kind.RECEIVE, days=chance.between(0, 3))

    def _refused(self, event: Event, code: str) -> None:
        chance = self._chance
        if event.kind == Kind.BLOCK and event.member is not None:
            self.standing.blocked.discard(event.member)
        if code == "BUSY" or (event.kind == Kind.UNBLOCK and not event.is_repeated):
            self._add(replace(event, at=event.at + timedelta(minutes=chance.between(5, 30))))
        elif event.is_repeated:
            return
        elif event.kind == Kind.RECEIVE and event.barcode is not None:  # lost on its way, say
            self.standing.expected.discard(event.barcode)
        elif code == "COPY_NOT_ON_LOAN" and event.member is not None:
            self.standing.loans.pop((event.member, event.title), None)
        elif event.kind == Kind.RENEW:
            self._end(event, chance.between(0, 4))
        elif code == "COPY_AVAILABLE" and chance.happens(0.6):
            self._plan(event, Kind.CHECKOUT, days=chance.between(0, 1))
        elif event.kind == Kind.FULFIL and event.reservation in self.standing.places:
            self._plan(event, Kind.EXPIRE, days=9)
        elif code == "MEMBER_HAS_OVERDUE" and event.member is not None:
            self._bring_back_overdue(event.at, event.member)

    def _bring_back_overdue(self, at: datetime, member: int) -> None:
        for (holder, title), loan in self.standing.loans.items():
            if holder == member and self._chance.happens(0.5):
                late = Event(Kind.RETURN, at, title, member, barcode=loan.barcode)
                self._plan(late, Kind.RETURN, days=self._chance.between(0, 2))

    # --- The agenda ---------------------------------------------------------------------------------------------

    def _plan(self, event: Event, kind: Kind, *, days: int) -> None:
        at = some_days_later(self._chance, event.at, days)
        self._add(replace(event, kind=kind, at=at, looked_before=False, is_repeated=False))

    def _add(self, event: Event) -> None:
        self._push(event)
        # Scanned twice, or clicked twice: another desk is asked the same a moment later.
        if event.kind not in (Kind.BLOCK, Kind.UNBLOCK) and self._chance.happens(0.02):
            self._push(replace(event, at=event.at + timedelta(seconds=1), is_repeated=True))

    def _push(self, event: Event) -> None:
        self._planned += 1
        heappush(self._agenda, (event.at, self._planned, event))
