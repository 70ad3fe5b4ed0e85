"""Many operations in one request, each in a transaction of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from circulation import services
from circulation.api.desk import fulfilled, lent_or_queued, renewed, returned, would_lend_or_queue, would_return
from circulation.api.scanning import ScanInput, scanned, would_scan
from circulation.api.serializers import CheckOutInput, FulfilHeadInput, FulfilInput, RenewInput, ReturnInput
from circulation.scanning import scan
from events.operations import Operation
from events.recording import acting
from library.api.operations import OperationView, idempotency_key
from reservations import services as line
from reservations.api.serializers import ReasonInput, ReservationInput
from reservations.api.views import cancelled, reserved
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import Identifier, StrictSerializer, valid

MOST = 100


class FulfilOneInput(FulfilInput):
    reservation_id = Identifier()


class CancelInput(ReasonInput):
    reservation_id = Identifier()


class Kind(NamedTuple):
    """One kind of operation: what goes in, what it does, what it answers, and what a rehearsal says it would do."""

    serializer: type[StrictSerializer]
    operation: Operation[..., Any]
    answer: Callable[[Any], Answer]
    would: Callable[[Any], str] | str
    is_for_somebody: bool = False  # and must say for whom


# What may stand in `op`.
OPERATIONS = {
    "checkout": Kind(CheckOutInput, services.check_out, lent_or_queued, would_lend_or_queue, True),
    "return": Kind(ReturnInput, services.return_copy, returned, would_return),
    "renew": Kind(RenewInput, services.renew, renewed, "renew"),
    "scan": Kind(ScanInput, scan, scanned, would_scan),
    "reserve": Kind(ReservationInput, line.reserve, reserved, "reserve", True),
    "cancel": Kind(CancelInput, line.cancel, cancelled, "cancel"),
    "fulfill": Kind(FulfilOneInput, services.fulfil, fulfilled, "lend"),
    "fulfill_head": Kind(FulfilHeadInput, services.fulfil_head, fulfilled, "lend"),
}


class BatchInput(StrictSerializer):
    operations = serializers.ListField(
        child=serializers.DictField(),
        min_length=1,
        max_length=MOST,
        help_text=f"Each with `op` ({', '.join(OPERATIONS)}) and the fields of that operation.",
    )


class BatchResultOut(serializers.Serializer[Any]):
    """The answer that the operation would have got by itself."""

    status = serializers.IntegerField()
    body = serializers.JSONField()


class BatchOut(serializers.Serializer[Any]):
    results = BatchResultOut(many=True)


def _is_card(data: dict[str, Any]) -> bool:
    """Whether a scan, done or rehearsed, was that of a card."""
    return "member" in (data.get("action"), data.get("would"))


class Batch(OperationView):
    tag = "circulation"

    @endpoint(
        name="batch",
        summary="Several operations at once",
        description=(
            f"Up to {MOST}, in order, each whole or not at all and independent of the others. With an "
            "Idempotency-Key each operation has its own key within it, so a batch that broke off can be sent again. "
            "A scan without `card_number` is for whoever's turn it was after the scan before it; null ends a turn."
        ),
        request=BatchInput,
        answers={207: BatchOut},
        keyed=True,
        example={
            "operations": [
                {"op": "return", "barcode": "1-1"},
                {"op": "checkout", "member_id": 2, "barcode": "2-1"},
            ]
        },
    )
    def post(self, request: Request) -> Answer:
        operations = self.parsed(BatchInput)["operations"]
        # What is unusable of these refuses the batch, not each of its parts.
        _ = idempotency_key(request), self.is_dry_run
        with acting(request.user.pk):
            results = self._results(operations)
        done = sum(result["status"] < 400 for result in results)
        return Answer({"results": results}, f"{done} of {len(results)} done.", status=207)

    def _results(self, operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The results in order. A scan that does not say whose card was scanned before follows those before it.

        After one that was not answered nobody knows whose turn it is: what follows it is not answered either.
        """
        card_number: Any = None
        unanswered: dict[str, Any] | None = None
        results = []
        for index, asked in enumerate(operations):
            is_scan = asked.get("op") == "scan"
            if is_scan and "card_number" in asked:
                card_number, unanswered = asked["card_number"], None
            if is_scan and unanswered is not None:
                results.append(unanswered)
                continue
            result = self._result(index, asked | {"card_number": card_number} if is_scan else asked)
            results.append(result)
            if is_scan and result["status"] == 503:
                unanswered = result
            if is_scan and result["status"] < 400 and _is_card(result["body"]["data"]):
                card_number = asked["code"]
        return results

    def _result(self, index: int, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._one(index, dict(asked))
        except Exception as error:
            # The same words and status as the operation would give by itself; a defect stays one.
            response = self.get_exception_handler()(error, {"request": self.request, "view": self})
            if response is None:
                raise
            return {"status": response.status_code, "body": response.data}

    def _one(self, index: int, asked: dict[str, Any]) -> dict[str, Any]:
        name = asked.pop("op", None)
        if not isinstance(name, str) or name not in OPERATIONS:
            raise ValidationError({"op": [f"Write one of {', '.join(OPERATIONS)}."]})
        serializer, operation, answer, would_do, is_for_somebody = OPERATIONS[name]
        given = valid(serializer, asked)
        if is_for_somebody or given.keys() - {"branch"} == {"book_id"}:
            given = self.for_member(given)
        kwargs = {"at": timezone.now(), **given}
        if self.is_dry_run:
            rehearsed = self._rehearsed(operation, would_do, kwargs)
            return {"status": rehearsed.status_code, "body": rehearsed.data}
        key = idempotency_key(self.request, part=f"#{index}")
        if key is None:
            made = answer(operation(**kwargs))
            return {"status": made.status_code, "body": made.data}
        stored = operation.answered(key, lambda result: self._written(answer(result)), **kwargs)
        return {"status": stored.status, "body": json.loads(stored.body)}
