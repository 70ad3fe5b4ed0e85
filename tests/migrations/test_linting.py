"""Migrations that would hold up the desk, or break the code that still runs, are found before they land."""

import pytest

from tests.migrations import lint
from tests.migrations.lint import problems, to_look_at

INDEX = 'migrations.AddIndex("note", models.Index(fields=["text"], name="note_text"))'
CONCURRENTLY = 'AddIndexConcurrently("note", models.Index(fields=["text"], name="note_text"))'
FIELD = 'migrations.AddField("note", "kind", models.TextField({}))'


def rules(label):
    return [problem.split(": ")[1] for migration in to_look_at([label]) for problem in problems(migration)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f"operations = [{INDEX}]", ["require-concurrent-index-creation"]),
        (f"operations = [{FIELD.format('default=str()')}]", ["ban-drop-default"]),
        (f"operations = [{FIELD.format('db_default=str()')}]", []),
        (f"operations = [{FIELD.format('null=True')}]", []),
        ('operations = [migrations.RemoveField("note", "text")]', ["ban-drop-column"]),
        ('accepted = {"ban-drop-column": "unread"}\noperations = [migrations.RemoveField("note", "text")]', []),
        ('operations = [migrations.RenameField("note", "text", "words")]', ["renaming-column"]),
        ('operations = [migrations.RunSQL("ALTER TABLE library_member ALTER email TYPE text")]', ["changing-column-type"]),
    ],
)
def test_what_is_planted_is_found_and_what_is_safe_is_not(late, body, found):
    assert rules(late(body)) == found


@pytest.mark.django_db(transaction=True)
def test_an_index_that_is_built_beside_the_desk_is_right(late):
    assert rules(late(f"atomic = False\noperations = [{CONCURRENTLY}]")) == []


@pytest.mark.django_db
def test_a_line_names_the_migration_the_rule_and_the_statement(late):
    label = late(f"operations = [{INDEX}]")

    [line] = [problem for migration in to_look_at([label]) for problem in problems(migration)]
    assert line == (
        f"{label} 0002_it: require-concurrent-index-creation: During normal index creation, table updates are blocked, "
        f'but reads are still allowed. (CREATE INDEX "note_text" ON "{label}_note" ("text");)'
    )


def test_everything_after_the_baseline_is_looked_at(monkeypatch):
    monkeypatch.setitem(lint.BASELINE, "library", "0002")
    monkeypatch.delitem(lint.BASELINE, "stores")

    found = [(migration.app_label, migration.name) for migration in to_look_at(["library", "stores"])]
    assert found == [
        ("library", "0003_removal_asked_at"),
        ("library", "0004_branches_and_transit"),
        ("library", "0005_member_email_statistics"),
        ("stores", "0001_initial"),
    ]
