"""Constraints and indexes as the migrations make them: all that the models name and no others, each with its use."""

from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from circulation.services import check_out, renew, return_copy
from library.models import LoanPolicy

MODELS = [
    model
    for name in ("events", "library", "reservations", "circulation")
    for model in apps.get_app_config(name).get_models()
    if not model._meta.proxy
]


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
def test_every_constraint_and_index_of_a_table_has_its_name_in_the_model(model):
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    named = {one.name for one in (*model._meta.constraints, *model._meta.indexes)}

    assert named <= found.keys()
    unnamed = {
        name
        for name, one in found.items()
        if name not in named and (one["index"] or one["unique"]) and not one["primary_key"] and not one["foreign_key"]
    }
    assert unnamed == ({"library_member_user_id_key"} if model._meta.db_table == "library_member" else set())


@pytest.mark.parametrize("index", [index.name for model in MODELS for index in model._meta.indexes])
def test_every_index_is_one_by_which_these_tests_see_something_found(index):
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert f'"{index}"' in tests


@pytest.mark.django_db
def test_the_pages_of_copies_have_room_for_what_moves():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE 'fillfactor=80' = ANY(reloptions)")
        assert cursor.fetchall() == [("library_copy",)]


@pytest.mark.usefixtures("in_big_library")
@pytest.mark.django_db
def test_a_copy_that_moves_is_updated_in_its_place():
    """HOT: on the page where it is, without a new entry in any index."""
    LoanPolicy.objects.update(max_loans=1000, lend_while_overdue=True)
    at = timezone.now()

    for book_id in range(50_002, 51_002, 10):
        loan = check_out(member_id=777, book_id=book_id, at=at).loan
        renew(loan_id=loan.pk, at=at)
        return_copy(loan_id=loan.pk, at=at)

    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)
            FROM pg_class WHERE relname = 'library_copy'
        """)
        assert cursor.fetchone() == (300, 300)
