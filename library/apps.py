from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

GENERAL: dict[str, Any] = {"member_category": None, "book_category": ""}


class LibraryConfig(AppConfig):
    name = "library"

    def ready(self) -> None:
        post_migrate.connect(ensure_base_rows, sender=self)


def ensure_base_rows(sender: AppConfig, using: str, **_: Any) -> None:
    """The rows that every library starts with: the main branch, the standard category, the general policy."""
    # Typed loosely: models cannot be imported before the apps are ready.
    models: list[Any] = [sender.get_model(name) for name in ("Branch", "MemberCategory", "LoanPolicy")]
    branch, category, policy = models
    if branch._meta.db_table not in connections[using].introspection.table_names():
        return  # migrated back to before these tables existed
    # Not saved one by one: what every library starts with is no event.
    for model, names in ((branch, {"name": branch.MAIN}), (category, {"name": category.STANDARD}), (policy, GENERAL)):
        if not model.objects.using(using).filter(**names).exists():
            model.objects.using(using).bulk_create([model(**names)], ignore_conflicts=True)
