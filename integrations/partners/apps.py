from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "integrations.partners"

    def ready(self) -> None:
        from integrations.partners.models import has_name
        from library.branch_form import names_taken

        names_taken.append(has_name)
