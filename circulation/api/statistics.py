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

from circulation.statistics import statistics
from library import cache
from library.api.operations import OperationView
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import shown


class DayFiguresOut(serializers.Serializer[Any]):
    day = serializers.DateField()
    loans = serializers.IntegerField()
    returns = serializers.IntegerField()


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
    since = serializers.DateTimeField()
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


class Statistics(OperationView):
    tag = "circulation"

    @endpoint(
        name="statistics",
        summary="Figures of the last 30 days, and how things stand now",
        description="`?format=csv` gives the days as a table: `day,loans,returns`.",
        table="day,loans,returns\r\n2026-03-11,31,27\r\n",
        answers={200: StatisticsOut},
    )
    def get(self, request: Request) -> HttpResponseBase:
        form = request.query_params.get("format", "json")
        if form not in ("json", "csv"):
            raise ValidationError({"format": ["Write json or csv."]})
        figures = cache.read("statistics", "statistics", lambda: shown(StatisticsOut, statistics(at=timezone.now())))
        return Answer(figures) if form == "json" else _table(figures["days"])


def _table(days: list[dict[str, Any]]) -> HttpResponse:
    text = io.StringIO()
    table = csv.DictWriter(text, ["day", "loans", "returns"])
    table.writeheader()
    table.writerows(days)
    headers = {"Content-Disposition": 'attachment; filename="loans-per-day.csv"'}
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
