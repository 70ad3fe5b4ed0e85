"""The one signal of the project: something happened, so whoever caches what it knows must forget it."""

from django.dispatch import Signal

# Sent inside the operation, with `events`: those just written. Receivers act after commit.
recorded = Signal()
