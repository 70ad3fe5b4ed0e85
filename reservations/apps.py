from django.apps import AppConfig


class ReservationsConfig(AppConfig):
    name = "reservations"

    def ready(self) -> None:
        from events.relay import handlers
        from events.signals import recorded
        from reservations.availability import forget_after_commit, forget_published

        recorded.connect(forget_after_commit, dispatch_uid="availability")
        handlers.append(forget_published)
