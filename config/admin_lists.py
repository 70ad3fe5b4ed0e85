"""Any list of the admin as a file: all its rows as they are found, chosen and put in order there, in little memory."""

from __future__ import annotations

import csv
import html
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.encoding import force_str
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext as _

from config.languages import reading
from events.exports import note_export
from rest.tables import harmless

BATCH = 500  # rows in a statement


def export(request: HttpRequest, model_admin: Any) -> StreamingHttpResponse:
    """What the list shows that the link stands on, to its end."""
    may_export = getattr(model_admin, "has_export_permission", model_admin.has_view_permission)
    if not may_export(request):
        raise PermissionDenied
    listed = model_admin.get_changelist_instance(request)
    name = f"{model_admin.opts.app_label}.{model_admin.opts.model_name}"
    note_export(name=name, asked=request.GET.urlencode(), actor_id=request.user.pk, at=timezone.now())
    rows = walked(listed.get_queryset(request), listed.get_ordering(request, listed.root_queryset))
    columns = [column for column in listed.list_display if column != "action_checkbox"]
    # A program that reads UTF-8 needs no mark at the beginning; spreadsheets do.
    file = StreamingHttpResponse(_lines(request, model_admin, columns, rows), content_type="text/csv; charset=utf-8")
    title = slugify(force_str(model_admin.opts.verbose_name_plural)) or model_admin.opts.model_name
    file.headers["Content-Disposition"] = f'attachment; filename="{title}-{timezone.localdate():%Y-%m-%d}.csv"'
    return file


def walked(rows: QuerySet[Any], ordering: list[Any]) -> Iterator[Any]:
    """These rows in this order, a batch at a time: without a cursor of the database, which a pooler may not keep."""
    terms = [_term(entry) for entry in ordering]
    names = [f"_order_{number}" for number in range(len(terms))]
    falling = [falls for _, falls in terms]
    rows = rows.annotate(**{name: expression for name, (expression, _) in zip(names, terms, strict=True)})
    rows = rows.order_by(*(OrderBy(F(name), descending=falls) for name, falls in zip(names, falling, strict=True)))
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        if len(batch) < BATCH:
            return
        values = [getattr(batch[-1], name) for name in names]
        batch = list(rows.filter(_after(names, falling, values))[:BATCH])


def _term(entry: Any) -> tuple[Any, bool]:
    """What a list is ordered by, and whether it falls."""
    if isinstance(entry, OrderBy):
        return entry.expression, bool(entry.descending)
    if isinstance(entry, str):
        return F(entry.removeprefix("-")), entry.startswith("-")
    return entry, False


def _after(names: list[str], falling: list[bool], values: list[Any]) -> Q:
    """What follows a row with these values. PostgreSQL puts what is empty above everything else."""
    wanted, same = Q(pk__in=()), Q()
    for name, falls, value in zip(names, falling, values, strict=True):
        if value is None:
            beyond = Q(**{f"{name}__isnull": False}) if falls else Q(pk__in=())
            equal = Q(**{f"{name}__isnull": True})
        else:
            beyond = (
                Q(**{f"{name}__lt": value}) if falls else Q(**{f"{name}__gt": value}) | Q(**{f"{name}__isnull": True})
            )
            equal = Q(**{name: value})
        wanted |= same & beyond
        same &= equal
    first, value = names[0], values[0]
    if value is not None and falling[0]:
        wanted &= Q(**{f"{first}__lte": value})  # said twice, for an index knows only this how to begin
    elif value is not None:
        wanted &= Q(**{f"{first}__gte": value}) | Q(**{f"{first}__isnull": True})
    return wanted


def _lines(request: HttpRequest, model_admin: Any, columns: list[str], rows: Iterator[Any]) -> Iterator[str]:
    table = csv.writer(_Echo())
    model = model_admin.model
    with reading(request):
        labels = [capfirst(strip_tags(str(label_for_field(name, model, model_admin)))) for name in columns]
    yield "\ufeff" + table.writerow([harmless(label) for label in labels])
    for row in rows:
        with reading(request):
            yield table.writerow([harmless(_cell(name, row, model_admin)) for name in columns])


def _cell(name: str, row: Any, model_admin: Any) -> Any:
    try:
        field, _attribute, value = lookup_field(name, row, model_admin)
    except ObjectDoesNotExist:
        return ""
    if field is not None and getattr(field, "flatchoices", None):
        return str(dict(field.flatchoices).get(value, value))
    match value:
        case None:
            return ""
        case bool():
            return _("yes") if value else _("no")
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds")
        case list() | tuple():
            return ", ".join(str(one) for one in value)
        case SafeString():
            return html.unescape(strip_tags(value.replace("</div><div>", "; "))).strip()
        case int() | float():
            return value
    return str(value)


class _Echo:
    """A file that gives back each line that is written to it."""

    def write(self, line: str) -> str:
        return line
