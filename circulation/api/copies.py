"""Copies over HTTP: one by its barcode, and what happens to it apart from lending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request

from circulation import copies
from circulation.api.serializers import CopyReasonInput, MovedOut, moved_data
from circulation.copies import Moved
from events.operations import Operation
from library.api.operations import OperationView
from library.api.serializers import CopyEdit, CopyOut, PlaceInput, copy_data
from library.exceptions import CopyNotFound
from library.models import Copy
from library.services import copy_revision, edit_copy
from reservations.api.serializers import NoInput
from rest.answers import Answer, etag
from rest.schema import endpoint
from rest.serializers import StrictSerializer


class CopyDetail(OperationView):
    tag = "copies"

    @endpoint(name="copies_read", summary="One copy", answers={200: CopyOut}, refusals=["COPY_NOT_FOUND"])
    def get(self, request: Request, barcode: str) -> Answer:
        copy = Copy.objects.select_related("branch").filter(barcode=barcode, book__withdrawn_at=None).first()
        if copy is None:
            raise CopyNotFound(barcode)
        return self._answer(copy)

    @endpoint(
        name="copies_update",
        summary="Change a copy's barcode or branch",
        request=CopyEdit,
        answers={200: CopyOut},
        headers={200: ["ETag"]},
        refusals=["COPY_NOT_FOUND", "DUPLICATE"],
        versioned=True,
        example={"branch": "Main Library"},
    )
    def patch(self, request: Request, barcode: str) -> Answer:
        fields = self.parsed(CopyEdit, partial=True)
        copy = self.change(
            edit_copy, barcode=barcode, fields=fields, at=timezone.now(), expected=self.expected_revision()
        )
        return self._answer(copy, f"Copy {copy.barcode} saved.")

    def _answer(self, copy: Copy, message: str = "") -> Answer:
        data = copy_data(copy, for_staff=self.caller.is_staff)
        return Answer(data, message, headers={"ETag": etag(copy_revision(copy), data)})


def _moved(moved: Moved) -> Answer:
    return Answer(moved_data(moved), moved.told)


def _action(
    operation: Operation[..., Moved],
    *,
    name: str,
    summary: str,
    refusals: list[str],
    serializer: type[StrictSerializer] = CopyReasonInput,
) -> Callable[..., HttpResponseBase]:
    """The view of one thing that can happen to a copy."""
    example: dict[type[StrictSerializer], Any] = {
        CopyReasonInput: {"reason": "Not on its shelf"},
        PlaceInput: {"branch": "Main Library"},
    }

    class Action(OperationView):
        tag = "copies"

        @endpoint(
            name=f"copies_{name}",
            summary=summary,
            request=serializer,
            answers={200: MovedOut},
            refusals=["COPY_NOT_FOUND", *refusals],
            keyed=True,
            example=example.get(serializer, {}),
        )
        def post(self, request: Request, barcode: str) -> HttpResponseBase:
            asked: dict[str, Any] = self.parsed(serializer)
            return self.perform(operation, _moved, would=name, barcode=barcode, at=timezone.now(), **asked)

    return Action.as_view()


mark_lost = _action(
    copies.mark_lost,
    name="mark_lost",
    summary="A copy will not come back",
    refusals=["INVALID_TRANSITION"],
)
mark_missing = _action(
    copies.mark_missing,
    name="mark_missing",
    summary="A copy is not where it should be",
    refusals=["COPY_ON_LOAN", "INVALID_TRANSITION"],
)
mark_found = _action(
    copies.mark_found,
    name="mark_found",
    summary="A lost or missing copy is back",
    refusals=["INVALID_TRANSITION"],
    serializer=PlaceInput,
)
receive = _action(
    copies.receive,
    name="receive",
    summary="A copy in transit arrived",
    refusals=["INVALID_TRANSITION"],
    serializer=PlaceInput,
)
mark_damaged = _action(
    copies.mark_damaged,
    name="mark_damaged",
    summary="A copy must be repaired first",
    refusals=["COPY_ON_LOAN", "INVALID_TRANSITION"],
)
repair = _action(
    copies.repair,
    name="repair",
    summary="A damaged copy is whole again",
    refusals=["INVALID_TRANSITION"],
    serializer=NoInput,
)
withdraw = _action(
    copies.withdraw,
    name="withdraw",
    summary="A copy leaves the library for good",
    refusals=["COPY_ON_LOAN", "INVALID_TRANSITION"],
)
