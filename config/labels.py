"""What models, fields and choices are called: said in the reader's language, wherever they are shown.

They are named once, in the models, in English. Here each becomes a text that is looked up when it is read;
migrations go on seeing the English one. `manage.py messages` collects them for translators.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.translation import gettext_lazy

OURS = (
    "accounts", "events", "library", "reservations", "circulation", "logbook", "notifications", "partners",
    "publishing", "stores", "webhooks",
)  # fmt: skip
# As librarians say it, where the program has another word.
SAID = {"library.book": ("title", "titles"), "library.copy": ("copy", "copies")}


def translate_labels() -> None:
    """For each model of ours: looked up from now on."""
    for model in _models():
        options: Any = model._meta
        options.verbose_name, options.verbose_name_plural = map(_lazy, _names(model))
        for field in options.local_fields + options.local_many_to_many:
            field.verbose_name = _lazy(field.verbose_name)
            field.help_text = _lazy(field.help_text)
            if field.choices:
                field.choices = [(value, _lazy(label)) for value, label in field.choices]


def labels() -> list[str]:
    """Every text that is looked up so, in English."""
    found: set[str] = set()
    for model in _models():
        options = model._meta
        found |= {str(name) for name in _names(model)}
        for field in options.local_fields:
            found |= {str(field.verbose_name), str(field.help_text)}
            found |= {str(label) for _, label in field.choices or ()}
    return sorted(found - {""})


def _names(model: type[Model]) -> tuple[Any, Any]:
    options = model._meta
    return SAID.get(options.label_lower, (options.verbose_name, options.verbose_name_plural))


def _models() -> Iterator[type[Model]]:
    for name in OURS:
        yield from apps.get_app_config(name).get_models()


def _lazy(text: Any) -> Any:
    return gettext_lazy(str(text)) if text else text
