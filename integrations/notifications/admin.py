"""Notices in the admin: what was sent and why not, the library's own words, and who wants what."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from events.admin import DeskAdmin, ModelForm, ReadOnlyAdmin, RecordedAdmin
from integrations.notifications import rendering
from integrations.notifications.kinds import NAMES, Kind
from integrations.notifications.locked import Unfit
from integrations.notifications.models import Notice, NoticeTemplate, Preferences
from integrations.notifications.rendering import Words, is_from_right_to_left
from integrations.notifications.sending import send_again
from library.lookups import members_with_email
from library.models import Member
from library.search import members_like

LANGUAGES = [(code, format_lazy("{} ({})", _(name), code)) for code, name in settings.LANGUAGES]


class WhereMembersAre(DeskAdmin):
    """Of two services, the public one writes to members, and has no admin. The other one has no use for these pages."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return settings.SERVICE != "admin" and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return settings.SERVICE != "admin" and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return settings.SERVICE != "admin" and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return settings.SERVICE != "admin" and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return settings.SERVICE != "admin" and super().has_delete_permission(request, obj)


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin, WhereMembersAre):
    list_display = ["id", "created_at", "kind", "member", "state", "why", "attempts", "due_at", "address", "sent_at"]
    list_filter = ["state", "kind"]
    list_select_related = ["member"]
    narrowing = ("member__id__exact",)
    search_fields = ["message_id"]  # see find
    search_help_text = _("A card number, an e-mail address, or a Message-ID")
    actions: Any = ["send_again"]

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        if named := rows.filter(message_id=f"<{text.strip('<>')}>"):
            return named
        if "@" in text:
            return rows.filter(Q(address=text) | Q(member__in=members_with_email([text]).values("pk")))
        return rows.filter(member__card_number=text)

    @admin.action(description=_("Send again"), permissions=["send"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Notice]) -> None:
        count = send_again(notice_ids=list(chosen.values_list("pk", flat=True)), at=timezone.now())
        told = gettext("%(count)s will be sent again, if what they say is still true. What is queued stays as it is.")
        self.message_user(request, told % {"count": count})

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_notice")


class TemplateForm(ModelForm):
    language = forms.ChoiceField(label=_("Language"), choices=LANGUAGES, initial=settings.LANGUAGE_CODE)

    class Meta:
        model = NoticeTemplate
        fields = ["kind", "language", "subject", "text", "html"]
        widgets = {
            "subject": forms.Textarea(attrs={"rows": 1, "cols": 100, "dir": "auto"}),
            "text": forms.Textarea(attrs={"rows": 14, "cols": 100, "dir": "auto"}),
            "html": forms.Textarea(attrs={"rows": 18, "cols": 100, "dir": "auto"}),
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if set(cleaned) >= {"kind", "language", *rendering.PARTS}:
            for part, problem in rendering.problems_of(cleaned["kind"], words_in(cleaned)).items():
                self.add_error(part, problem)
        return cleaned


def words_in(data: Any) -> Words:
    """What stands in a form."""
    return Words(data["language"], data["subject"], data["text"], data["html"])


@admin.register(NoticeTemplate)
class NoticeTemplateAdmin(RecordedAdmin, WhereMembersAre):
    """Deleting one goes back to the words that come with the service."""

    form = TemplateForm
    list_display = ["kind", "language", "subject"]
    list_filter = ["kind", "language"]
    ordering = ["kind", "language"]
    change_form_template = "admin/notifications/template_form.html"

    def get_urls(self) -> list[Any]:
        preview = path(
            "preview/", self.admin_site.admin_view(self.preview), name="notifications_noticetemplate_preview"
        )
        return [preview, *super().get_urls()]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """For a kind that is named, the words that come with the service, to be changed."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        kind, language = given.get("kind"), given.get("language", settings.LANGUAGE_CODE)
        if kind in Kind.values and language in dict(LANGUAGES):
            words = rendering.usual(kind, language)
            return {"kind": kind, "language": language} | {part: getattr(words, part) for part in rendering.PARTS}
        return {}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        more = {
            "names": [(gettext(kind.label), ", ".join(NAMES[kind])) for kind in Kind],
            "shipped": [
                (label, [(kind.value, gettext(kind.label)) for kind in Kind], code)
                for code, label in LANGUAGES
                if rendering.shipped(Kind.READY, code)
            ],
        }
        return super().changeform_view(request, object_id, form_url, more | (extra_context or {}))

    def preview(self, request: HttpRequest) -> TemplateResponse:
        """What is in the form, as it would look with made-up names; nothing is saved."""
        form = TemplateForm(request.POST)
        form.instance.validate_constraints = lambda exclude=None: None
        context = {**self.admin_site.each_context(request), "title": _("Preview"), "opts": self.opts, "form": form}
        if form.is_valid():
            words = words_in(form.cleaned_data)
            try:
                context["letter"] = rendering.previewed(form.cleaned_data["kind"], words)
            except Unfit as problem:
                form.add_error(None, str(problem))
            context["direction"] = "rtl" if is_from_right_to_left(words.language) else "ltr"
        response = TemplateResponse(request, "admin/notifications/preview.html", context)
        # The mail brings its own styles. Nothing runs in its frame.
        response["Content-Security-Policy"] = f"{settings.CONTENT_SECURITY_POLICY}; style-src 'self' 'unsafe-inline'"
        return response


class PreferencesForm(ModelForm):
    language = forms.ChoiceField(
        label=_("Language"), choices=[("", _("The library's own")), *LANGUAGES], required=False
    )
    unwanted = forms.MultipleChoiceField(
        label=_("Unwanted"),
        choices=[(kind.value, _(kind.label)) for kind in Kind],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What the member is not written to about."),
    )

    class Meta:
        model = Preferences
        fields = ["member", "language", "unwanted"]


@admin.register(Preferences)
class PreferencesAdmin(RecordedAdmin, WhereMembersAre):
    form = PreferencesForm
    list_display = ["member", "language", "unwanted"]
    list_select_related = ["member"]
    autocomplete_fields = ["member"]
    search_fields = ["member"]  # see find
    search_help_text = _("A card number, an e-mail address, or beginnings of a name")

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"member_id": row.member_id, "kind__startswith": "preferences."}

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(member__in=members_like(Member.objects.all(), text).values("pk"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["member"] if obj is not None else []
