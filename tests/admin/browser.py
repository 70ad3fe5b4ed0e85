"""What a browser does with the admin's pages: opens them, sends their forms back, chooses actions."""

import re

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.test import Client
from django.urls import reverse


def page(model: type[Model], name: str = "changelist", *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def change_page(row: Model) -> str:
    return page(type(row), "change", row.pk)


def told(response) -> list[str]:
    """The messages at the top of a page."""
    return [str(message) for message in response.context["messages"]]


def errors(response) -> dict[str, list[str]]:
    """What a form says is wrong, by field; what concerns no field under `__all__`."""
    return dict(response.context["adminform"].form.errors)


def own_scripts(response) -> list[str]:
    """What a page would run of itself, and browsers do not: our Content-Security-Policy lets them run files only."""
    if response.streaming or "'unsafe-inline'; style-src" in response["Content-Security-Policy"]:
        return []
    text = response.content.decode()
    written = re.findall(r"<script(?![^>]*(?: src=|type=\"application/json\"))[^>]*>", text)
    return written + re.findall(r"<[a-z]+[^<>]* on[a-z]+=[^<>]*>", text)


class Browser:
    def __init__(self, client: Client) -> None:
        self.client = client

    def open(self, url: str, **query):
        response = self.client.get(url, query)
        assert response.status_code == 200
        assert own_scripts(response) == []
        return response

    def typed(self, url: str, **query) -> dict[str, object]:
        """What the form of a page would send if nothing were typed."""
        response = self.open(url, **query)
        form = response.context["adminform"].form
        values = {name: form[name].value() for name in form.fields}
        # A browser sends nothing for an empty box, and the counts of lists that stand below the form.
        data = {name: "" if value is None else value for name, value in values.items() if value is not False}
        for inline in response.context["inline_admin_formsets"]:
            management = inline.formset.management_form
            data |= {management.add_prefix(name): management[name].value() for name in management.fields}
        return data

    def send(self, url: str, data: dict[str, object], **changes):
        """Press Save."""
        given = {name: value for name, value in (data | changes).items() if value is not False}
        return self.client.post(url, given, follow=True)

    def save(self, url: str, **changes):
        """Open a form, change it and press Save."""
        return self.send(url, self.typed(url), **changes)

    def act(self, action: str, *rows: Model, **answers):
        """Choose rows on a list and an action; with `confirmed="yes"`, answer the question that it asks."""
        data = {"action": action, ACTION_CHECKBOX_NAME: [row.pk for row in rows], **answers}
        return self.client.post(page(type(rows[0])), data if answers else data | {"index": 0}, follow=True)

    def confirm(self, action: str, *rows: Model, reason: str = ""):
        return self.act(action, *rows, confirmed="yes", reason=reason)
