"""The log in the admin: warnings and errors, found by level, part of the program, day and request."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from events.admin import ReadOnlyAdmin
from integrations.logbook.models import Entry

# One look into the index for each that there is. DISTINCT would read all entries.
_LOGGERS = """
WITH RECURSIVE found (logger) AS (
    (SELECT logger FROM logbook_entry ORDER BY logger LIMIT 1)
    UNION ALL
    SELECT (SELECT logger FROM logbook_entry WHERE logger > found.logger ORDER BY logger LIMIT 1)
    FROM found WHERE found.logger IS NOT NULL
)
SELECT logger FROM found WHERE logger IS NOT NULL
"""


class LoggerFilter(admin.SimpleListFilter):
    title = _("logger")
    parameter_name = "logger"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(_LOGGERS)
            return [(name, name) for (name,) in cursor.fetchall()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return queryset.filter(logger=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = ["at", "level", "logger", "__str__", "route", "request_id"]
    list_filter = ["level", LoggerFilter, "at"]
    search_fields = ["request_id"]  # see find
    search_help_text = _("The number of a request: X-Request-ID of its answer.")

    def find(self, rows: QuerySet[Entry], text: str) -> QuerySet[Entry]:
        return rows.filter(request_id=text)
