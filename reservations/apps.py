from django.apps import AppConfig


class ReservationsConfig(AppConfig):
    name = "reservations"

    def ready(self) -> None:
        from events.relay import handlers
        from events.signals import recorded
        from reservations import availability

        recorded.connect(availability.forget_after_commit, dispatch_uid="availability")
        handlers.append(availability.forget_published)
