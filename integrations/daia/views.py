"""What other catalogues ask."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.daia import errors, identifiers
from integrations.daia.documents import document, entity
from integrations.daia.exceptions import InvalidRequest
from integrations.daia.holdings import holdings
from integrations.daia.serializers import DaiaOut
from rest.schema import endpoint
from rest.serializers import Moment
from rest.views import DeskView

DESCRIPTION = (
    "[DAIA 1.0](https://gbv.github.io/daia/daia.html): of each copy, whether it can be used at the library "
    "(`presentation`) and borrowed (`loan`), and if not, when it is expected back. What nobody knows is left out. "
    "Errors have the form of DAIA, `error`, `code` and `error_description`."
)
ID = OpenApiParameter(
    "id",
    {"type": "string", "minLength": 1},
    required=True,
    description="An ISBN, bare or after `isbn:` or `urn:isbn:`; the barcode of a copy, bare or after `barcode:`; or "
    f"the address of a book here. At most {identifiers.MOST}, with `|` between.",
    examples=[OpenApiExample("Example", value="urn:isbn:9780141439549|barcode:1-1")],
)
FORMAT = OpenApiParameter("format", str, required=True, enum=["json"])
# What DAIA also knows. To ignore it would be to answer another question. DAIA would have 501 for some of these, but no
# request makes this service fail.
NOT_SERVED = {
    "callback": "There is no JSONP here. Leave out callback: pages of any site may read the JSON.",
    "patron": "Availability does not depend on who asks. Leave out patron.",
    "patron-type": "Availability does not depend on who asks. Leave out patron-type.",
    "access_token": "A token in an address can be read by many. Send it in the header Authorization, or not at all.",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, X-API-Key, If-None-Match",
    "Access-Control-Max-Age": "3600",  # seconds
}


class Daia(DeskView):
    tag = "document availability"
    is_bare = True

    @endpoint(
        name="daia",
        summary="Which copies of a document are where, as other catalogues ask",
        description=DESCRIPTION,
        query=[ID, FORMAT],
        answers={200: DaiaOut},
        refusals=["INVALID_REQUEST"],
        own_errors=True,
    )
    def get(self, request: Request) -> Response:
        at = timezone.now()
        asked = self._asked()
        meant = identifiers.titles_meant(asked, host=request.get_host())
        held = holdings({book_id for book_ids in meant.values() for book_id in book_ids}, at=at)
        url = request.build_absolute_uri
        data: dict[str, Any] = {
            "document": [
                document(held[book_id], identifier, at=at, url=url)
                for identifier in asked
                for book_id in meant[identifier]
                if book_id in held
            ],
            "institution": entity(settings.LIBRARY_NAME, id=url("/"), href=url("/")),
            "timestamp": Moment().to_representation(at.replace(microsecond=0)),
        }
        return Response(data, content_type=errors.CONTENT_TYPE)

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Also tells browsers that pages of other sites may ask."""
        response = super().options(request, *args, **kwargs)
        for name, value in PREFLIGHT.items():
            response[name] = value
        return response

    def _asked(self) -> list[str]:
        """The identifiers. Raises InvalidRequest, which names all that is wrong."""
        query = self.request.query_params
        query_id = "|".join(query.getlist("id"))
        complaints = [message for name, message in NOT_SERVED.items() if name in query]
        if query.get("format") != "json":
            complaints.append("Write format=json: there is no other form.")
        if not query_id:
            complaints.append("Write id=, with an ISBN, a barcode or the address of a book; several with | between.")
        if complaints:
            raise InvalidRequest(" ".join(complaints))
        return identifiers.split(query_id)
