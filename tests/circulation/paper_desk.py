"""The rules of a trace on paper: a desk in plain Python that knows nothing of ours, to compare it with."""

from collections import Counter
from dataclasses import dataclass, field

ORDER = {"checkout": 0, "reserve": 0, "return": 1, "fulfill": 2}


@dataclass
class Title:
    free: int
    lent: list = field(default_factory=list)
    set_aside: list = field(default_factory=list)
    waiting: list = field(default_factory=list)


class PaperDesk:
    """Titles by id, each with its members in order; and how often each outcome came about."""

    def __init__(self, books, members, *, fulfil_on_return="hold"):
        self.titles = {book["BookID"]: Title(book["NumberOfCopies"]) for book in books}
        self.members = {member["MemberID"] for member in members}
        self.lends_on_return = fulfil_on_return == "loan"
        self.outcomes = Counter()

    def play(self, events):
        for event in sorted(events, key=lambda event: (event["date"], ORDER[event["eventtype"]])):
            self.outcomes[self.step(event["eventtype"], event["book_id"], event.get("member_id"))] += 1

    def step(self, kind, book_id, member):
        title = self.titles.get(book_id)
        if kind == "fulfill":
            return self.fulfill(title) if title else "BOOK_NOT_FOUND"
        if kind == "return":
            return self.give_back(title, member) if title else "BOOK_NOT_FOUND"
        if member not in self.members:
            return "MEMBER_NOT_FOUND"
        if title is None:
            return "BOOK_NOT_FOUND"
        return self.check_out(title, member) if kind == "checkout" else self.reserve(title, member)

    def check_out(self, title, member):
        if member in title.set_aside:
            title.set_aside.remove(member)
        elif not title.free:
            return self.queue(title, member)
        elif member in title.lent:
            return "ALREADY_BORROWED"
        else:
            title.free -= 1
        title.lent.append(member)
        return "lent"

    def reserve(self, title, member):
        if title.free and member not in title.lent:
            return "COPY_AVAILABLE"
        return self.queue(title, member)

    def queue(self, title, member):
        if member in title.waiting or member in title.set_aside:
            return "RESERVATION_EXISTS"
        if member in title.lent:
            return "ALREADY_BORROWED"
        title.waiting.append(member)
        return "queued"

    def give_back(self, title, member):
        if member not in title.lent:
            return "COPY_NOT_ON_LOAN" if member in self.members else "MEMBER_NOT_FOUND"
        title.lent.remove(member)
        if not title.waiting:
            title.free += 1
        elif self.lends_on_return:
            title.lent.append(title.waiting.pop(0))
        else:
            title.set_aside.append(title.waiting.pop(0))
        return "returned"

    def fulfill(self, title):
        if not title.set_aside:
            return "nothing to do"
        title.lent.append(title.set_aside.pop(0))
        return "lent"
