"""The signals of the project: what those hear who must not be known where it happens."""

from django.dispatch import Signal

# Something happened, so whoever caches what it knows must forget it. Sent inside the operation, with `events`: those
# just written. Receivers act after commit.
recorded = Signal()

# Whose these `loans` and `reservations` were, which ended, is being forgotten: their ids. Sent inside the operation;
# receivers forget it as well, in the same transaction.
history_forgotten = Signal()
