from django.apps import AppConfig


class ReservationsConfig(AppConfig):
    name = "reservations"

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from events.relay import handlers
        from events.signals import recorded
        from library.models import Branch
        from reservations import availability

        recorded.connect(availability.forget_after_commit, dispatch_uid="availability")
        post_save.connect(availability.forget_everything_after_commit, sender=Branch, dispatch_uid="availability")
        handlers.append(availability.forget_published)
