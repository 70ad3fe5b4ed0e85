from django.apps import AppConfig


class LogbookConfig(AppConfig):
    name = "integrations.logbook"
    verbose_name = "Log"
