"""What members want to be written about, over HTTP: to themselves, and to staff for everybody."""

from __future__ import annotations

from rest_framework.request import Request

from integrations.notifications.api.serializers import NoticePreferencesEdit, NoticePreferencesOut
from integrations.notifications.preferences import preferences_of, set_preferences
from library.api.operations import OperationView
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import shown


class NoticePreferencesView(OperationView):
    def answer(self, member_id: int) -> Answer:
        return Answer(shown(NoticePreferencesOut, preferences_of(member_id)))

    def edited(self, member_id: int) -> Answer:
        asked = self.parsed(NoticePreferencesEdit)
        saved = self.change(set_preferences, member_id=member_id, fields=asked)
        return Answer(shown(NoticePreferencesOut, saved), "Saved.")


class MemberNotices(NoticePreferencesView):
    tag = "members"

    @endpoint(
        name="members_notices",
        summary="What a member is written to about",
        answers={200: NoticePreferencesOut},
        refusals=["MEMBER_NOT_FOUND"],
    )
    def get(self, request: Request, member_id: int) -> Answer:
        self.require_visible(member_id)
        return self.answer(member_id)

    @endpoint(
        name="members_notices_update",
        summary="Choose what a member is written to about",
        description="Only the fields that are given.",
        request=NoticePreferencesEdit,
        answers={200: NoticePreferencesOut},
        refusals=["MEMBER_NOT_FOUND"],
        example={"language": "ar", "unwanted": ["returned", "renewed"]},
    )
    def patch(self, request: Request, member_id: int) -> Answer:
        self.require_visible(member_id)
        return self.edited(member_id)


class MyNotices(NoticePreferencesView):
    tag = "me"

    @endpoint(name="me_notices", summary="What I am written to about", answers={200: NoticePreferencesOut})
    def get(self, request: Request) -> Answer:
        return self.answer(self.own_member)

    @endpoint(
        name="me_notices_update",
        summary="Choose what I am written to about",
        description="Only the fields that are given.",
        request=NoticePreferencesEdit,
        answers={200: NoticePreferencesOut},
        example={"language": "ar", "unwanted": ["returned", "renewed"]},
    )
    def patch(self, request: Request) -> Answer:
        return self.edited(self.own_member)
