"""Rehearsals of imports say what would happen, and change nothing."""

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from circulation.imports.catalogue import Catalogue
from circulation.imports.command import Import
from circulation.models import Loan
from events.models import Event
from events.operations import rehearsing, undone
from library.locks import lock_book
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from library.services import add_title
from reservations.models import Reservation
from tests.circulation.commands import run

pytestmark = pytest.mark.django_db


def counts():
    models = (Book, Copy, Member, Loan, Reservation, Event, Branch, MemberCategory, LoanPolicy)
    return {model.__name__: model.objects.count() for model in models}


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("import_books", "id,title,barcodes\n1,A,B1\n2,B,B1\n"),
        ("import_members", "id,name,email,card\n1,Ada,a@example.org,K1\n2,Bo,A@example.org,K2\n"),
        ("import_books", "title,isbn,source,id\nEmma,0141439580,a,1\nEmma,0141439580,b,1\n"),
    ],
)
def test_a_rehearsal_sees_what_stands_twice_in_a_file(file, command, text):
    path = file(text)
    before = counts()

    rehearsed = run(command, path, dry_run=True)
    assert counts() == before
    real = run(command, path)

    assert rehearsed.err == real.err
    assert rehearsed.out[:-1] == real.out


def test_a_rehearsal_of_a_library_says_what_would_happen(folder):
    directory = folder(
        titles="id,title\n1,Emma\n",
        copies="barcode,book_id\nE1,1\nE2,1\n",
        members="id,name,card\n1,Ada Lovelace,K1\n2,Bo Peep,K2\n",
        loans="barcode,card,lent_at,due_at\nE1,K1,2026-01-01,2026-02-01\nE9,K1,2026-01-01,2026-02-01\n",
        holds="book_id,card,placed_at\n1,K2,2026-01-01\n1,K9,2026-01-01\n",
        policies="member_category,loan_days\nKind,7\nStudi,8\n",
    )
    before = counts()

    rehearsed = run("import_library", directory, dry_run=True)
    assert counts() == before
    real = run("import_library", directory)

    assert rehearsed.err == real.err
    assert [line for line in rehearsed.out if "added" in line] == [line for line in real.out if "added" in line]


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_holds_no_locks_on_what_is_there():
    """It would keep the desk waiting: what it revises is undone at once. Beside it, what is not undone is held."""
    book = add_title(at=timezone.now(), title="Emma")
    desk = connection.copy()

    def desk_gets_it():
        with desk.cursor() as cursor:
            cursor.execute("SELECT title FROM library_book WHERE id = %s FOR NO KEY UPDATE NOWAIT", [book.pk])
            return cursor.fetchone() == ("Emma",)

    with rehearsing():
        with undone():
            lock_book(book.pk)
            Book.objects.filter(pk=book.pk).update(title="x")
            with pytest.raises(OperationalError, match="could not obtain lock"):
                desk_gets_it()
        assert desk_gets_it()
    desk.close()
    assert Book.objects.get().title == "Emma"


@pytest.mark.django_db(transaction=True)
def test_the_desk_goes_on_with_what_a_rehearsal_has_revised(file, monkeypatch):
    book = add_title(at=timezone.now(), title="Emma", source="old", source_id="1")
    path = file("id,title\n1,Emma.\n")
    desk = connection.copy()

    def meanwhile(self, line, **_):
        if line.endswith("refused."):  # all is revised, and the rehearsal has not ended
            with desk.cursor() as cursor:
                cursor.execute("UPDATE library_book SET publisher = 'Penguin' WHERE id = %s", [book.pk])

    monkeypatch.setattr(Import, "say", meanwhile)
    assert run("import_books", path, source="old", dry_run=True).failure is None
    desk.close()

    assert Book.objects.values_list("title", "publisher").get() == ("Emma", "Penguin")


def test_a_rehearsal_that_is_cut_off_says_that_nothing_was_changed(file, monkeypatch):
    def lost(*_):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(Catalogue, "known", lost)

    ran = run("import_books", file("id,title\n1,Emma\n"), dry_run=True)

    assert ran.failure == "PostgreSQL: server closed the connection unexpectedly. Nothing was changed."
