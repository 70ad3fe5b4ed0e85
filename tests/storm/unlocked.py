"""The service with its locks taken out, which a storm must catch. Never to be run but by the test beside it."""

import random
import time

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from circulation import services  # noqa: E402  # after the settings
from library import locks  # noqa: E402

for name in ("_BOOK_BY_ID", "_BOOK_BY_BARCODE", "_BY_BOOK", "_BY_BARCODE"):
    statement = getattr(locks, name)
    setattr(locks, name, statement[: statement.index("FOR NO KEY UPDATE")])

_facts_for = services.facts_for


def slowly(*args, **kwargs):
    """A moment between what is asked and what is written, in which the others do the same."""
    facts = _facts_for(*args, **kwargs)
    time.sleep(random.uniform(0, 0.05))
    return facts


services.facts_for = slowly
