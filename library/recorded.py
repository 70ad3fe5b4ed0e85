"""Settings of the library that say in an event when they change."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings

from events import recorded
from library.exceptions import StaysWhereTwo


class Recorded(recorded.Recorded):
    """A row of the library's settings, which the other one of two services may know as well."""

    is_referred_to: ClassVar[bool] = True  # by other tables

    class Meta:
        abstract = True

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises StaysWhereTwo for what the other one of two services may refer to at this moment."""
        if self.is_referred_to and settings.SERVICE != "all":
            raise StaysWhereTwo(str(self._meta.verbose_name_plural))
        return super().delete(*args, **kwargs)
