"""Branches over HTTP."""

from __future__ import annotations

from django.db.models import F
from django.db.models.functions import Lower
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from library.models import WEEK, Branch
from rest.answers import Answer
from rest.pagination import Orderings, PageRequest, page_data, paginate
from rest.schema import endpoint, page_of, page_query
from rest.serializers import written
from rest.views import DeskView

ORDERINGS: Orderings = {"name": Lower("name"), "id": F("pk")}
CLOCK = r"^[0-2]\d:[0-5]\d:[0-5]\d$"


class BranchOut(serializers.Serializer[Branch]):
    """A branch, and when it closes; null on days on which it does not open. Times are those of its zone."""

    name = serializers.CharField()
    time_zone = serializers.CharField()
    closing_times = serializers.SerializerMethodField()
    closed_on = serializers.SerializerMethodField(help_text="Days from today on which it stays closed.")

    @extend_schema_field(
        {
            "type": "object",
            "properties": {day: {"type": ["string", "null"], "pattern": CLOCK} for day in WEEK},
            "required": list(WEEK),
        }
    )
    def get_closing_times(self, branch: Branch) -> dict[str, str | None]:
        times = (None if closing is None else closing.isoformat() for closing in branch.closing_times)
        return dict(zip(WEEK, times, strict=True))

    def get_closed_on(self, branch: Branch) -> list[str]:
        today = branch.today(timezone.now())
        return [day.isoformat() for day in sorted(branch.closed_on) if day >= today]


class BranchList(DeskView):
    tag = "catalogue"

    @endpoint(
        name="branches_list",
        summary="List branches",
        description="Where copies stand and reservations are collected, and when each closes.",
        query=page_query(ORDERINGS, "name"),
        answers={200: page_of(BranchOut)},
    )
    def get(self, request: Request) -> Answer:
        page = paginate(Branch.objects.all(), PageRequest.of(request, ORDERINGS, "name"), ORDERINGS)
        return Answer(page_data(request, page.next, page.previous, page.count, written(BranchOut, page.rows)))
