"""Files that are sent, up to what a view allows. More than a little of them Django streams to disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig
from django.http import QueryDict
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from rest.views import DeskView

AROUND = 64 * 1024  # bytes of a body that are not the files': other fields, and what is between them


class UploadTooLarge(RequestDataTooBig):
    def __init__(self, most: int) -> None:
        super().__init__(f"The files are too large. At most {most} MB are read.")


class FilesParser(MultiPartParser):
    """Forms with files. One that is cut off, or is none, is as wrong as a field may be."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        boundary = parse_header_parameters(media_type or "")[1].get("boundary", "")
        body: Any = _Body(stream, b"--%s--" % boundary.encode("ascii", "replace"))
        try:
            form = super().parse(body, media_type, parser_context)
        except ParseError as error:
            raise ValidationError({"body": ["This cannot be read as multipart/form-data."]}) from error
        if not body.is_whole:  # as much of it as came would be another request than what was asked
            raise ValidationError({"body": ["This ends before its last boundary: it was cut off on the way."]})
        return form


class _Body:
    """A body as it is read, which remembers whether its last boundary came."""

    def __init__(self, stream: IO[Any], last: bytes) -> None:
        self.is_whole = False
        self._stream, self._last, self._before = stream, last, b""

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        if not self.is_whole:
            seen = self._before + data
            self.is_whole = self._last in seen
            self._before = seen[-len(self._last) :]
        return data


class UploadView(DeskView):
    """A view that takes files, so many megabytes in one request."""

    parser_classes = [FilesParser]
    is_streamed = True

    @property
    def upload_limit(self) -> int:
        raise NotImplementedError

    @property
    def form(self) -> dict[str, list[Any]]:
        """Everything that was sent, files among it, by the names of the fields."""
        sent = self.request.data
        return dict(sent.lists()) if isinstance(sent, QueryDict) else {}  # without a body it is no form

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > self.upload_limit * 1_000_000 + AROUND:
            raise UploadTooLarge(self.upload_limit)
        super().initial(request, *args, **kwargs)
