"""The envelope of a successful answer, and its ETag."""

import hashlib
import json
from typing import Any

from rest_framework.response import Response


class Answer(Response):
    """`{"success": true, "message": ..., "data": ...}`."""

    def __init__(
        self, data: Any, message: str = "", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__({"success": True, "message": message, "data": data}, status=status, headers=headers)


def etag(revision: str, shown: Any) -> str:
    """An ETag in two parts: the revision that `If-Match` asks for, and a digest of everything that is shown."""
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
    return f'"{revision}.{digest}"'
