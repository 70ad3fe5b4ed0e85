from django.apps import AppConfig
from django.conf import settings


class NotificationsConfig(AppConfig):
    name = "integrations.notifications"

    def ready(self) -> None:
        from events.consuming import Group, groups
        from events.signals import history_forgotten
        from events.stream import EVENTS
        from integrations.notifications.keeping import forget_history
        from integrations.notifications.queueing import queue

        history_forgotten.connect(forget_history, dispatch_uid="notices")
        if settings.SERVICE != "admin":  # whose members are the other service's
            groups.append(Group("notices", EVENTS, queue))
