"""API keys over HTTP. The key itself is in one answer, that to its making."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from accounts.callers import caller_of
from accounts.exceptions import KeyNotFound
from accounts.keys import create_key, revoke_key
from accounts.models import APIKey, Role, Scope
from rest.answers import Answer
from rest.pagination import Orderings, PageRequest, page_data, paginate
from rest.schema import endpoint, page_of, page_query
from rest.serializers import Moment, StrictSerializer, Text, shown, written
from rest.views import DeskView

ORDERINGS: Orderings = {"id": F("pk"), "created_at": F("created_at")}


class KeyOut(serializers.Serializer[APIKey]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    owner = serializers.CharField(source="owner.username")
    prefix = serializers.CharField(help_text="How the key begins.")
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))
    created_at = Moment()
    expires_at = Moment(allow_null=True)
    last_used_at = Moment(allow_null=True)
    revoked_at = Moment(allow_null=True)


class NewKeyOut(KeyOut):
    key = serializers.CharField(help_text="The key. Nobody can show it again.")


class KeyInput(StrictSerializer):
    name = Text(max_length=60)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), min_length=1, max_length=20)
    expires_at = Moment(required=False, help_text="With its zone; without one, UTC.")

    def validate_expires_at(self, moment: Any) -> Any:
        if timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
        if moment <= timezone.now():
            raise serializers.ValidationError("This moment has passed.", code="past")
        return moment


class KeyView(DeskView):
    tag = "accounts"

    def keys(self) -> QuerySet[APIKey]:
        """One's own; admins see everybody's."""
        keys = APIKey.objects.select_related("owner")
        return keys if self.only_owner is None else keys.filter(owner=self.only_owner)

    @property
    def only_owner(self) -> int | None:
        caller = caller_of(self.request)
        assert caller.user is not None  # the table asks for one
        return None if caller.role == Role.ADMIN else caller.user.pk


class KeyList(KeyView):
    @endpoint(
        name="keys_list",
        summary="List API keys",
        description="One's own; admins see everybody's.",
        query=page_query(ORDERINGS, "id"),
        answers={200: page_of(KeyOut)},
    )
    def get(self, request: Request) -> Answer:
        page = paginate(self.keys(), PageRequest.of(request, ORDERINGS, "id"), ORDERINGS)
        return Answer(page_data(request, page.next, page.previous, page.count, written(KeyOut, page.rows)))

    @endpoint(
        name="keys_create",
        summary="Make an API key for a program",
        description="It acts as who made it, within its scopes. Its text is in this answer and nowhere else.",
        request=KeyInput,
        answers={201: NewKeyOut},
        headers={201: ["Location"]},
        example={"name": "Self-check machine, entrance", "scopes": ["circulation:write", "catalogue:read"]},
    )
    def post(self, request: Request) -> Answer:
        self.require_earnest()
        owner = caller_of(request).user
        assert owner is not None  # the table asks for one
        key, text = create_key(owner=owner, **self.parsed(KeyInput))
        headers = {"Location": f"/api/keys/{key.pk}/"}
        message = f"Keep this key safe: it cannot be shown again. It is called {key.name}."
        return Answer(shown(KeyOut, key) | {"key": text}, message, status=201, headers=headers)


class KeyDetail(KeyView):
    @endpoint(name="keys_read", summary="One API key", answers={200: KeyOut}, refusals=["NOT_FOUND"])
    def get(self, request: Request, key_id: int) -> Answer:
        key = self.keys().filter(pk=key_id).first()
        if key is None:
            raise KeyNotFound(key_id)
        return Answer(shown(KeyOut, key))

    @endpoint(
        name="keys_revoke",
        summary="Revoke an API key",
        description="For good. What uses it is refused from the next request on.",
        answers={200: KeyOut},
        refusals=["NOT_FOUND"],
    )
    def delete(self, request: Request, key_id: int) -> Answer:
        self.require_earnest()
        key = revoke_key(key_id=key_id, owner_id=self.only_owner)
        return Answer(shown(KeyOut, key), f"The key {key.name} is revoked.")
