from django.apps import AppConfig


class PublishingConfig(AppConfig):
    name = "integrations.publishing"

    def ready(self) -> None:
        from events.relay import Outlet, outlets
        from events.stream import EVENTS
        from integrations.publishing.messages import messages

        outlets.append(Outlet(EVENTS, messages))
