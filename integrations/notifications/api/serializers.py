"""What a member wants to be written about, in and out."""

from __future__ import annotations

from django.conf import settings
from rest_framework import serializers

from integrations.notifications.kinds import Kind
from integrations.notifications.models import Preferences
from rest.serializers import StrictSerializer

KIND_CHOICES = [(kind.value, str(kind.label)) for kind in Kind]


class NoticePreferencesOut(serializers.Serializer[Preferences]):
    """In which language a member is written to, and about what."""

    language = serializers.SerializerMethodField(help_text="The library's own, unless another one was chosen.")
    unwanted = serializers.ListField(
        child=serializers.ChoiceField(KIND_CHOICES), help_text="What the member is not written to about."
    )
    kinds = serializers.SerializerMethodField(help_text="Everything that members are written to about.")

    def get_language(self, preferences: Preferences) -> str:
        return preferences.language or settings.LANGUAGE_CODE

    def get_kinds(self, preferences: Preferences) -> list[str]:
        return list(Kind.values)


class NoticePreferencesEdit(StrictSerializer):
    language = serializers.ChoiceField(
        [(code, str(name)) for code, name in settings.LANGUAGES],
        required=False,
        allow_null=True,
        help_text="Null: the library's own. What there are no words for in this language comes in English.",
    )
    unwanted = serializers.ListField(child=serializers.ChoiceField(KIND_CHOICES), required=False, max_length=20)
