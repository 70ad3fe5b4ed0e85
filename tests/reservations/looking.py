"""What became of reservations, and what was recorded."""

from events.models import Event
from reservations.models import Reservation


def status_of(*reservations: Reservation) -> list[str]:
    return [Reservation.objects.get(pk=reservation.pk).status for reservation in reservations]


def kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))
