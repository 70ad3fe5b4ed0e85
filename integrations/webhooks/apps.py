from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "integrations.webhooks"

    def ready(self) -> None:
        from events.consuming import Group, groups
        from events.stream import EVENTS
        from integrations.webhooks.services import queue

        groups.append(Group("webhooks", EVENTS, queue))
