from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        import config.celery  # noqa: F401  # whoever wakes a worker must know where the broker is
