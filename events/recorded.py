"""Settings that say in an event when they change, with old and new values."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models, transaction
from django.utils import timezone

from events.changes import Changes, differences, hidden
from events.models import Event
from events.recording import event, record


class Recorded(models.Model):
    """A row of settings. Saving and deleting it leave an event, and saving it unchanged nothing.

    Not by way of a queryset: `update` and `delete` of many rows ask no model.
    """

    SAVED: ClassVar[Event.Kind]
    DELETED: ClassVar[Event.Kind]
    SECRETS: ClassVar[tuple[str, ...]] = ()  # of which it is told that they changed, and never what they are
    UNTOLD: ClassVar[tuple[str, ...]] = ()  # what the service itself keeps there, such as when it was last used

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        only = kwargs.get("update_fields")  # only these are written, and told
        if only is not None and set(only) <= set(self.UNTOLD):
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            before = None if self._state.adding else self._before()
            super().save(*args, **kwargs)
            changed = self._changed(before)
            if changed:
                self._record(self.SAVED, changed=changed, changes=self._changes(before, changed))

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            self._record(self.DELETED)
            return super().delete(*args, **kwargs)

    def told(self) -> dict[str, Any]:
        """What an event tells of this row: each field with its value, secrets hidden."""
        fields = [field for field in self._meta.concrete_fields if not field.primary_key]
        values = {field.name: getattr(self, field.name) for field in fields if field.name not in self.UNTOLD}
        return values | {name: hidden(values[name]) for name in self.SECRETS}

    def about(self) -> dict[str, Any]:
        """Which row an event tells of, and what it is called."""
        return {"record": self.pk, "name": str(self)}

    def _before(self) -> Recorded | None:
        return type(self)._base_manager.select_for_update(no_key=True).filter(pk=self.pk).first()

    def _changed(self, before: Recorded | None) -> list[str]:
        """The columns that are not what they were."""
        names = [field.attname for field in self._meta.concrete_fields if field.name not in self.UNTOLD]
        if before is None:
            return names
        return [name for name in names if getattr(before, name) != getattr(self, name)]

    def _changes(self, before: Recorded | None, changed: list[str]) -> Changes:
        after = self.told()
        if before is None:
            return differences({}, after)
        changes = differences(before.told(), after)
        # A secret that was replaced looks as it did.
        replaced = [name for name in self.SECRETS if name in changed]
        return changes | {name: [hidden(getattr(before, name)), hidden(getattr(self, name))] for name in replaced}

    def _record(self, kind: Event.Kind, **payload: Any) -> None:
        record(event(kind, at=timezone.now(), **self.about(), **payload))
