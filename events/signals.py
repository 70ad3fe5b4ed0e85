"""The one signal of the project: titles changed, so whoever caches what it knows of them must forget it."""

from django.dispatch import Signal

# Sent inside the operation with `book_ids: set[int]`; receivers act after commit. Bulk writers send it themselves.
titles_changed = Signal()
