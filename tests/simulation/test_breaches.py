"""Defects planted in the services: each is found, and laid at the door of the event that showed it."""

import pytest
from django.db import connection, transaction

from circulation import copies, lending, services
from circulation.simulation import checks, service_desk
from circulation.simulation.service_desk import ServiceDesk
from circulation.simulation.standing import Standing
from events.models import Event
from events.recording import event, record
from library import cache
from library.models import Book, Copy
from reservations import serving


def broken(ran):
    """The numbers of the checks that the report calls broken."""
    return {int(text[:3]) for text in ran.out if "BROKEN" in text[3:12]}


def test_lending_beyond_the_limit_is_found_and_names_the_event(simulate, monkeypatch):
    monkeypatch.setattr(services, "member_reasons", lambda *_, **__: [])
    ran = simulate(seed=21, events=300, members=3, titles=25)
    assert broken(ran) == {4}
    assert ran.failure.startswith("Seed 21, event ")
    assert ": checkout, title " in ran.failure
    assert ", member " in ran.failure
    assert "check-outs at or above the limit that nobody overrode" in ran.failure


def test_taking_what_is_set_aside_for_somebody_else_is_found(simulate, monkeypatch):
    def takeable(facts, member):
        return facts.copy is not None and facts.copy.status in (Copy.Status.AVAILABLE, Copy.Status.ON_HOLD_SHELF)

    monkeypatch.setattr(services, "is_takeable", takeable)
    monkeypatch.setattr(lending, "is_takeable", takeable)
    ran = simulate(seed=22, events=300, members=30, titles=2, check_every=5)
    assert 3 in broken(ran)
    assert ran.failure.startswith("Seed 22, event ")
    assert ": checkout, title " in ran.failure


def test_a_line_that_nobody_serves_is_found(simulate, monkeypatch):
    monkeypatch.setattr(serving, "settle", lambda *_, **__: [])
    ran = simulate(seed=23, events=300)
    assert broken(ran) == {2}
    assert "titles with somebody waiting beside an available copy" in ran.failure


def test_with_several_workers_a_line_that_nobody_serves_is_not_left_to_the_sweep(simulate, monkeypatch):
    settle = serving.settle

    def sweep(book_ids, *, at):
        with transaction.atomic():
            for book in Book.objects.filter(pk__in=book_ids):
                settle(book, at=at)

    monkeypatch.setattr(serving, "settle", lambda *_, **__: [])
    monkeypatch.setattr(checks, "settle_titles", sweep)
    monkeypatch.setattr(Standing, "may_be_blocked", lambda *_: False)
    ran = simulate(seed=23, events=150, workers=4, members=30, titles=2)
    assert broken(ran) == {2}
    assert "somebody waits beside an available copy, and nobody was just unblocked" in ran.failure


def test_a_copy_that_is_received_and_not_given_to_the_line_is_found(simulate, monkeypatch):
    """By one desk. Among several, whatever happens next to the title may serve the line before anybody looks."""

    def put_on_its_shelf(book, came_in, *, at):
        copy = came_in.copy
        copy.move(Copy.Status.AVAILABLE)
        record(event(Event.Kind.RECEIVE, at=at, book_id=book.pk, copy_id=copy.pk, barcode=copy.barcode))
        serving.lose_copy(copy, at=at)

    monkeypatch.setattr(serving, "receive", put_on_its_shelf)
    monkeypatch.setattr(Standing, "may_be_blocked", lambda *_: False)
    ran = simulate(seed=28, events=200, members=30, titles=2, check_every=5)
    assert broken(ran) == {2}
    assert "beside an available copy" in ran.failure
    assert ": receive, title " in ran.failure


def test_a_copy_that_is_sent_without_a_word_is_found(simulate, monkeypatch):
    monkeypatch.setattr(serving, "send", lambda copy, *_, **__: copy.move(Copy.Status.IN_TRANSIT))
    ran = simulate(seed=29, events=200, members=30, titles=2)
    assert broken(ran) == {5}
    assert "that their events leave them in" in ran.failure


def test_what_is_done_behind_the_desk_is_found_at_its_very_event(simulate, monkeypatch):
    perform = ServiceDesk.perform

    def tampering(self, event):
        if event.number == 77:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE circulation_loan SET returned_at = NULL WHERE id = "
                    "(SELECT l.id FROM circulation_loan l JOIN library_copy c ON c.id = l.copy_id "
                    "WHERE l.returned_at IS NOT NULL AND c.status = 'available' ORDER BY l.id LIMIT 1)"
                )
                assert cursor.rowcount == 1
        return perform(self, event)

    monkeypatch.setattr(ServiceDesk, "perform", tampering)
    ran = simulate(seed=24, events=100, titles=20)
    assert {1, 5} <= broken(ran)
    assert ran.failure.startswith("Seed 24, event 77: ")
    assert "copies on loan without an open loan, or the other way round" in ran.failure


def test_a_renewal_that_is_done_twice_is_found(simulate, monkeypatch):
    renew = services.renew

    def twice(**arguments):
        renew(**arguments)
        return renew(**arguments)

    monkeypatch.setattr(services, "renew", twice)
    ran = simulate(seed=25, events=150, titles=20)
    assert broken(ran) == {8}
    assert ": renew, title " in ran.failure
    assert "acknowledged 1 times, recorded 2 times" in ran.failure


def test_an_availability_that_nobody_forgets_is_found(simulate, monkeypatch):
    monkeypatch.setattr(cache, "forget", lambda *_, **__: True)
    ran = simulate(seed=26, events=100)
    assert broken(ran) == {7}
    assert "cached " in ran.failure


@pytest.mark.parametrize("workers", [1, 4])
def test_an_error_that_is_no_refusal_names_the_event_and_the_error(simulate, monkeypatch, workers):
    def fail(**_):
        raise ZeroDivisionError("no copies")

    monkeypatch.setattr(copies, "mark_lost", fail)
    monkeypatch.setattr(service_desk, "PAUSES", ())
    ran = simulate(seed=27, events=2000, workers=workers)
    assert ran.failure.startswith("Seed 27, event ")
    assert ran.failure.endswith("the desk failed. ZeroDivisionError: no copies")
    assert ": lost, title " in ran.failure
