"""Cursors into the midst of a list, where no test could turn page after page to."""

import base64
import json

from django.db.models import F

from rest.pagination import Orderings


def deep_cursor(model, orderings: Orderings, ordering: str, pk: int) -> str:
    """What the page that ends with this row would give as its next."""
    row = model.objects.alias(_key=orderings[ordering.removeprefix("-")]).annotate(key=F("_key")).get(pk=pk)
    key = row.key if isinstance(row.key, int | str) else row.key.isoformat()
    return base64.urlsafe_b64encode(json.dumps([ordering, False, key, pk]).encode()).decode().rstrip("=")
