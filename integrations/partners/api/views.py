"""What partner libraries have of a title."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from integrations.partners.api.serializers import (
    AvailabilityEverywhereOut,
    AvailabilityQuery,
    PartnerAnswerOut,
    StatusOut,
)
from integrations.partners.asking import ask
from library.exceptions import BookNotFound
from library.models import Book
from reservations import availability
from reservations.api.books import availability_data
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import written
from rest.views import DeskView


class BookAvailability(DeskView):
    tag = "catalogue"

    @endpoint(
        name="books_availability",
        summary="How many copies of a title are where",
        query=[AvailabilityQuery],
        answers={200: AvailabilityEverywhereOut},
        refusals=["BOOK_NOT_FOUND"],
    )
    def get(self, request: Request, book_id: int) -> Answer:
        if not (request.query_params and self.query(AvailabilityQuery).get("partners")):
            entry = availability.nearby(book_id)
            request._request.nearby = entry  # type: ignore[attr-defined]  # for config/api/nearby.py
            return Answer(availability_data(entry.value))
        book = _book(book_id)
        partners = written(PartnerAnswerOut, ask(book))
        # Ours is read last: it is no older than theirs.
        return Answer(availability_data(availability.of(book_id)) | {"partners": partners})


class Status(DeskView):
    tag = "partner libraries"
    is_bare = True

    @endpoint(
        name="status",
        summary="Which partner libraries have a title free",
        description="By their names. One that cannot answer is `null`.",
        answers={200: StatusOut},
        refusals=["BOOK_NOT_FOUND"],
    )
    def get(self, request: Request, book_id: int) -> Response:
        answers = ask(_book(book_id))
        shown = {answer.partner.name: answer.available for answer in answers}
        return Response({"book_id": book_id, "availability": shown})


def _book(book_id: int) -> Book:
    """Raises BookNotFound."""
    book = Book.objects.held().filter(pk=book_id).first()
    if book is None:
        raise BookNotFound(book_id)
    return book
