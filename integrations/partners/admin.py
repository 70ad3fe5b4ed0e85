"""Partner libraries in the admin: where they are, how it stands with them, and never what we show them to be let in."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from events.admin import ModelForm, ReadOnlyAdmin, RecordedAdmin
from integrations.partners.breaker import forget, states_of
from integrations.partners.models import Partner, PartnerReservation, Reader

STATES = {
    "closed": _("Asked"),
    "open": _("Left alone for a while"),
    "half-open": _("Tried again with the next request"),
    "unknown": _("Not known: Redis is away"),
}


class PartnerForm(ModelForm):
    """The key is typed in and never shown again."""

    new_key = forms.CharField(
        label=_("New API key"),
        required=False,
        max_length=200,
        validators=Partner._meta.get_field("api_key").validators,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text=_(
            "Of another Circdesk, with the scopes catalogue:read, members:read, members:write, circulation:read "
            "and circulation:write. Leave it empty to keep the one that is set."
        ),
    )
    without_key = forms.BooleanField(label=_("Forget the API key"), required=False)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if cleaned.get("without_key"):
            self.instance.api_key = ""
        if cleaned.get("new_key"):
            self.instance.api_key = cleaned["new_key"]
        if cleaned.get("without_key") and cleaned.get("new_key"):
            raise ValidationError(gettext("Either a new API key or none."))
        return cleaned


@admin.register(Partner)
class PartnerAdmin(RecordedAdmin):
    form = PartnerForm
    list_display = ["name", "protocol", "base_url", "is_on", "has_key", "state", "last_failure"]
    list_filter = ["is_on", "protocol"]
    ordering = ["position", "name"]
    readonly_fields = ["has_key", "state", "last_failure"]
    fieldsets: ClassVar[Any] = [
        (
            None,
            {"fields": ["name", "position", "is_on", "protocol", "base_url", "daia_id", "timeout", "allows_private"]},
        ),
        (_("How it lets us in"), {"fields": ["has_key", "new_key", "without_key", "card_prefix"]}),
        (_("How it stands with it"), {"fields": ["state", "last_failure"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Partner | None = None) -> Any:
        """Of one that is being registered nothing is known yet, nor is there a key to forget."""
        if obj is not None:
            return self.fieldsets
        what, access, _ = self.fieldsets
        return [what, (access[0], {"fields": ["new_key", "card_prefix"]})]

    @admin.display(description=_("API key"))
    def has_key(self, partner: Partner) -> str:
        return gettext("set") if partner.api_key else gettext("not set")

    @admin.display(description=_("State"))
    def state(self, partner: Partner) -> str:
        if not partner.is_on:
            return gettext("Off")
        [known] = states_of([partner])
        return str(STATES[known.state])

    @admin.display(description=_("Last failure"))
    def last_failure(self, partner: Partner) -> str:
        [known] = states_of([partner])
        if known.last_failed_at is None:
            return gettext("None that is known")
        when = localize(timezone.localtime(known.last_failed_at))
        ago = timesince(known.last_failed_at)
        return gettext("%(failure)s (%(time)s ago, %(when)s)") % {
            "failure": known.last_failure, "time": ago, "when": when,
        }  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Partner, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget(obj.pk)


@admin.register(PartnerReservation)
class PartnerReservationAdmin(ReadOnlyAdmin):
    """What was reserved at partners, and how far that got."""

    list_display = ["id", "partner", "book", "member", "state", "remote_status", "asked_at", "next_try_at", "message"]
    list_filter = ["state", "partner"]
    list_select_related = ["partner", "book", "member"]
    fields = [
        "partner", "book", "member", "state", "message", "until", "remote_id", "remote_status", "shelf_until",
        "asked_at", "attempts", "next_try_at", "ended_at",
    ]  # fmt: skip


@admin.register(Reader)
class ReaderAdmin(ReadOnlyAdmin):
    """Who our members are at partners."""

    list_display = ["partner", "member", "remote_id"]
    list_select_related = ["partner", "member"]
