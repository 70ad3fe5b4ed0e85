"""Figures over HTTP, as JSON or CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from circulation.statistics import DAYS, LONGEST, statistics
from library import cache
from library.api.operations import OperationView
from rest import replica
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import shown


class DayFiguresOut(serializers.Serializer[Any]):
    day = serializers.DateField()
    loans = serializers.IntegerField()
    returns = serializers.IntegerField()
    open_loans = serializers.IntegerField(allow_null=True, help_text="When the day ended. Null where nobody counted.")
    overdue = serializers.IntegerField(allow_null=True, help_text="Likewise, as the two that follow.")
    waiting = serializers.IntegerField(allow_null=True)
    ready = serializers.IntegerField(allow_null=True)


class TopTitleOut(serializers.Serializer[Any]):
    book_id = serializers.IntegerField()
    title = serializers.CharField()
    loans = serializers.IntegerField()


class LongLineOut(serializers.Serializer[Any]):
    book_id = serializers.IntegerField()
    title = serializers.CharField()
    waiting = serializers.IntegerField()


class StatisticsOut(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField(help_text="When they were counted: up to a minute ago.")
    since = serializers.DateTimeField(help_text="From when on days are listed.")
    days = DayFiguresOut(many=True)
    top_titles = TopTitleOut(many=True)
    longest_lines = LongLineOut(many=True)
    titles = serializers.IntegerField()
    copies = serializers.IntegerField()
    open_loans = serializers.IntegerField()
    overdue = serializers.IntegerField()
    waiting = serializers.IntegerField()
    ready = serializers.IntegerField()
    turnover = serializers.FloatField(help_text="Loans of the last 30 days per copy.")


class StatisticsQuery(serializers.Serializer[Any]):
    days = serializers.IntegerField(min_value=DAYS, max_value=LONGEST, default=DAYS, help_text="How many to list.")


class Statistics(OperationView):
    tag = "circulation"

    @endpoint(
        name="statistics",
        summary="Figures of the last days, and how things stand now",
        description=(
            "`?format=csv` gives the days as a table. Days on which nothing was lent or returned are left out. Longest "
            "lines and most wanted titles are of now and of the last 30 days, however many days are listed."
        ),
        table="day,loans,returns,open_loans,overdue,waiting,ready\r\n2026-03-11,31,27,214,9,40,12\r\n",
        query=[StatisticsQuery],
        answers={200: StatisticsOut},
    )
    def get(self, request: Request) -> HttpResponseBase:
        form = request.query_params.get("format", "json")
        if form not in ("json", "csv"):
            raise ValidationError({"format": ["Write json or csv."]})
        days = self.query(StatisticsQuery)["days"]
        figures = cache.read(
            "statistics",
            "statistics",
            lambda: replica.read(lambda: shown(StatisticsOut, statistics(at=timezone.now(), days=days))),
            name=str(days),
        )
        return Answer(figures) if form == "json" else _table(figures["days"])


def _table(days: list[dict[str, Any]]) -> HttpResponse:
    text = io.StringIO()
    table = csv.DictWriter(text, list(DayFiguresOut().fields))
    table.writeheader()
    table.writerows(days)
    headers = {"Content-Disposition": 'attachment; filename="loans-per-day.csv"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
