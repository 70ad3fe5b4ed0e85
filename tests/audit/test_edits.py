"""Whatever is edited, and whichever way, leaves its old and new values and who did it; never a secret."""

import json

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import APIKey, User
from events.models import Event, PendingEvent
from integrations.notifications.models import NoticeTemplate, Preferences
from integrations.webhooks.models import Subscription
from library.models import LoanPolicy
from tests.admin.browser import change_page, page, told
from tests.api.signing import signed_in
from tests.circulation.commands import run
from tests.factories import (
    BookFactory,
    BranchFactory,
    CopyFactory,
    KeyFactory,
    MemberCategoryFactory,
    MemberFactory,
    PartnerFactory,
    UserFactory,
    WebhookFactory,
    general_policy,
)

pytestmark = pytest.mark.django_db

SECRETS = ("correct staple", "cdk_of_the_partner", "cdk_another")


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def template():
    words = {"subject": "Here it is", "text": "Ready", "html": "Ready"}
    NoticeTemplate.objects.bulk_create([NoticeTemplate(kind="ready", language="en", **words)])
    return NoticeTemplate.objects.get()


def task():
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    return PeriodicTask.objects.create(name="Serve", task="circulation.tasks.serve_lines", interval=every)


def last() -> Event:
    return Event.objects.latest("pk")


def changes() -> dict:
    return last().payload["changes"]


# --- Each row made, the edit, and what is told of it ---------------------------------------------------------------

EDITS = {
    "title, API": (
        lambda: BookFactory(title="Emma"),
        lambda row, api, desk: api.patch(f"/api/books/{row.pk}/", {"title": "Persuasion"}),
        ("book.edited", {"title": ["Emma", "Persuasion"]}),
    ),
    "title, page": (
        lambda: BookFactory(title="Emma", authors="Jane Austen"),
        lambda row, api, desk: desk.save(change_page(row), title="Persuasion"),
        ("book.edited", {"title": ["Emma", "Persuasion"]}),
    ),
    "copy, API": (
        lambda: CopyFactory(barcode="old"),
        lambda row, api, desk: api.patch("/api/copies/old/", {"barcode": "new"}),
        ("copy.edited", {"barcode": ["old", "new"]}),
    ),
    "copy, page": (
        lambda: CopyFactory(barcode="old"),
        lambda row, api, desk: desk.save(change_page(row), branch=BranchFactory(name="Ostend").pk),
        ("copy.edited", {"branch": ["Main Library", "Ostend"]}),
    ),
    "member, API": (
        lambda: MemberFactory(email="ada@example.org", expires_on=None),
        lambda row, api, desk: api.patch(f"/api/members/{row.pk}/", {"email": "", "expires_on": "2027-01-31"}),
        ("member.edited", {"email": ["ada@example.org", ""], "expires_on": [None, "2027-01-31"]}),
    ),
    "member, page": (
        lambda: MemberFactory(last_name="Byron"),
        lambda row, api, desk: desk.save(
            change_page(row), last_name="King", category=MemberCategoryFactory(name="peer").pk
        ),
        ("member.edited", {"last_name": ["Byron", "King"], "category": ["standard", "peer"]}),
    ),
    "branch, page": (
        lambda: BranchFactory(name="Harbour"),
        lambda row, api, desk: desk.save(change_page(row), name="Port"),
        ("branch.saved", {"name": ["Harbour", "Port"]}),
    ),
    "category, page": (
        lambda: MemberCategoryFactory(name="child"),
        lambda row, api, desk: desk.save(change_page(row), name="pupil"),
        ("category.saved", {"name": ["child", "pupil"]}),
    ),
    "policy, page": (
        lambda: general_policy(max_loans=5),
        lambda row, api, desk: desk.save(
            change_page(row), max_loans="7", member_category=MemberCategoryFactory(name="child").pk
        ),
        ("policy.saved", {"max_loans": [5, 7], "member_category": [None, "child"]}),
    ),
    "partner, page": (
        lambda: PartnerFactory(name="Bruges", position=1, api_key=SECRETS[1]),
        lambda row, api, desk: desk.save(change_page(row), position="3", new_key=SECRETS[2]),
        ("partner.saved", {"position": [1, 3], "api_key": ["(secret)", "(secret)"]}),
    ),
    "partner, command": (
        lambda: PartnerFactory(name="Bruges", is_on=True),
        lambda row, api, desk: run("partner", "bruges", is_on=False),
        ("partner.saved", {"is_on": [True, False]}),
    ),
    "webhook, API": (
        lambda: WebhookFactory(description="old"),
        lambda row, api, desk: api.patch(
            f"/api/webhooks/{row.pk}/", {"description": "new", "types": ["book.borrowed"]}
        ),
        ("webhook.saved", {"types": [[], ["book.borrowed"]], "description": ["old", "new"]}),
    ),
    "webhook's secret, API": (
        WebhookFactory,
        lambda row, api, desk: api.post(f"/api/webhooks/{row.pk}/rotate-secret/", {}),
        ("webhook.saved", {"salt": ["(secret)", "(secret)"]}),
    ),
    "webhook, page": (
        lambda: WebhookFactory(active=False, paused_reason="Paused by ada."),
        lambda row, api, desk: desk.act("resume", row),
        ("webhook.saved", {"active": [False, True], "paused_reason": ["Paused by ada.", ""]}),
    ),
    "template, page": (
        template,
        lambda row, api, desk: desk.save(change_page(row), subject="It is here"),
        ("template.saved", {"subject": ["Here it is", "It is here"]}),
    ),
    "preferences, API": (
        MemberFactory,
        lambda row, api, desk: api.patch(f"/api/members/{row.pk}/notices/", {"unwanted": ["returned"]}),
        ("preferences.saved", {"unwanted": [None, ["returned"]]}),
    ),
    "account, page": (
        lambda: UserFactory(username="ada", email="old@example.org", is_active=True),
        lambda row, api, desk: desk.save(change_page(row), role="2", email="ada@example.org", is_active=False),
        (
            "account.saved",
            {
                "email": ["old@example.org", "ada@example.org"],
                "is_active": [True, False],
                "role": ["member", "librarian"],
            },
        ),
    ),
    "account, command": (
        lambda: UserFactory(username="ada", staff=True),
        lambda row, api, desk: run("set_role", "ada", "admin"),
        ("account.saved", {"role": ["librarian", "admin"]}),
    ),
    "account's password, page": (
        lambda: UserFactory(username="ada"),
        lambda row, api, desk: desk.client.post(
            f"/admin/accounts/user/{row.pk}/password/",
            {"password1": SECRETS[0], "password2": SECRETS[0], "usable_password": "true"},
        ),
        ("account.saved", {"password": ["(secret)", "(secret)"]}),
    ),
    "account's sign-ins, page": (
        lambda: UserFactory(username="ada"),
        lambda row, api, desk: desk.act("sign_out", row),
        ("account.saved", {"sign_ins_ended": [0, 1]}),
    ),
    "task, page": (
        task,
        lambda row, api, desk: desk.act("disable_tasks", row),
        ("task.saved", {"enabled": [True, False]}),
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_leaves_old_and_new_values_of_exactly_what_changed(edit, api, desk, boss):
    make, change, (kind, expected) = EDITS[edit]
    row = make()
    before = Event.objects.count()

    change(row, api, desk)

    told_of = last()
    assert (told_of.kind, told_of.payload["changes"]) == (kind, expected)
    assert told_of.payload["changed"]
    assert Event.objects.count() == before + 1
    assert told_of.actor_id == (None if edit.endswith("command") else boss.pk)
    assert told_of.record_id == told_of.payload.get("record")
    assert not any(secret in json.dumps(told_of.payload) for secret in SECRETS)


@pytest.mark.parametrize("edit", [edit for edit in EDITS if edit.endswith("page") and "password" not in edit])
def test_saving_a_page_as_it_is_leaves_nothing(edit, desk):
    row = EDITS[edit][0]()
    before = Event.objects.count()

    desk.save(change_page(row))

    assert Event.objects.count() == before


# --- What is made and what goes -----------------------------------------------------------------------------------


def test_an_account_that_is_made_is_told_with_its_role_and_without_its_password(desk, boss):
    asked = {"username": "ada", "email": "ada@example.org", "role": "3", "usable_password": "true"}
    desk.send(page(User, "add"), asked, password1=SECRETS[0], password2=SECRETS[0])

    made = User.objects.get(username="ada")
    event = Event.objects.get(kind="account.saved")
    assert (event.record_id, event.actor_id) == (made.pk, boss.pk)
    assert changes() == {
        "username": [None, "ada"],
        "email": [None, "ada@example.org"],
        "is_active": [None, True],
        "role": [None, "admin"],
        "sign_ins_ended": [None, 0],
    }


def test_who_signs_up_is_told_as_an_account_and_as_a_member(api):
    asked = {"username": "ada", "password": "a staple, correct", "email": "ada@example.org"}
    assert api.post("/api/register/", asked).status_code == 201

    assert list(Event.objects.order_by("pk").values_list("kind", flat=True)) == ["account.saved", "member.enrolled"]
    assert "correct" not in json.dumps(list(Event.objects.values_list("payload", flat=True)))


def test_who_changes_their_own_password_is_told(api):
    ada = UserFactory(username="ada")
    ada.set_password("a staple, correct")
    User.objects.bulk_update([ada], ["password"])

    signed_in(ada).post("/api/me/password/", {"current": "a staple, correct", "new": "another, horses"})

    assert (last().kind, last().actor_id, changes()) == (
        "account.saved", ada.pk, {"password": ["(secret)", "(secret)"]},
    )  # fmt: skip


def test_signing_in_is_no_edit(client, settings):
    ada = UserFactory(username="ada", staff=True)
    ada.set_password("a staple, correct")
    User.objects.bulk_update([ada], ["password"])
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]

    signed = client.post("/admin/login/", {"username": "ada", "password": "a staple, correct", "next": "/admin/"})
    assert signed.status_code == 302

    ada.refresh_from_db()
    assert ada.password.startswith("pbkdf2")  # it was hashed anew meanwhile
    assert not Event.objects.exists()


def test_an_account_that_goes_takes_its_name_out_of_the_trail(desk):
    ada = UserFactory(username="ada", email="ada@example.org")
    run("set_role", "ada", "librarian")
    desk.save(change_page(ada), email="zoe@example.org")

    desk.client.post(page(User, "delete", ada.pk), {"post": "yes"})

    assert not User.objects.filter(pk=ada.pk).exists()
    events = Event.objects.filter(record_id=ada.pk).order_by("pk")
    assert [(event.kind, event.payload.get("changed")) for event in events] == [
        ("account.saved", ["is_staff"]),
        ("account.saved", ["email"]),
        ("account.deleted", None),
    ]
    assert "example.org" not in json.dumps([event.payload for event in events])


@pytest.mark.parametrize("way", ["API", "page", "command"])
def test_a_key_that_is_made_and_revoked_is_told_and_never_shown(way, api, desk, boss):
    if way == "command":
        run("create_key", "boss", "machine", "catalogue:read")
    elif way == "API":
        api.post("/api/keys/", {"name": "machine", "scopes": ["catalogue:read"]})
    else:
        desk.send(page(APIKey, "add"), {"name": "machine", "owner": boss.pk, "scopes": ["catalogue:read"]})
    key = APIKey.objects.get()
    assert last().payload["changes"].keys() == {"name", "owner", "scopes", "created_at"}
    assert (last().kind, last().record_id, changes()["owner"], changes()["scopes"]) == (
        "key.saved", key.pk, [None, boss.pk], [None, ["catalogue:read"]],
    )  # fmt: skip
    assert key.digest not in json.dumps(last().payload)

    if way == "page":
        desk.act("revoke", key)
    else:
        api.delete(f"/api/keys/{key.pk}/")

    key.refresh_from_db()
    assert (last().kind, changes()) == ("key.saved", {"revoked_at": [None, key.revoked_at.isoformat()]})
    api.delete(f"/api/keys/{key.pk}/")
    assert Event.objects.filter(kind="key.saved").count() == 2


def test_a_key_that_is_used_is_not_edited(api):
    key = KeyFactory()
    APIKey.objects.filter(pk=key.pk).update(last_used_at=None)
    key.last_used_at = key.created_at
    key.save(update_fields=["last_used_at"])

    assert not Event.objects.exists()


def test_a_webhook_is_told_from_its_beginning_to_its_end(api):
    made = api.post("/api/webhooks/", {"url": "https://example.org/x"}).json()["data"]
    salt = Subscription.objects.get().salt
    api.delete(f"/api/webhooks/{made['id']}/")

    assert not Subscription.objects.exists()
    events = list(Event.objects.order_by("pk"))
    assert [(event.kind, event.record_id) for event in events] == [
        ("webhook.saved", made["id"]),
        ("webhook.deleted", made["id"]),
    ]
    assert events[0].payload["changes"]["url"] == [None, "https://example.org/x"]
    assert events[0].payload["changes"]["salt"] == [None, "(secret)"]
    assert salt not in json.dumps([event.payload for event in events])


DELETED = {
    "branch.deleted": BranchFactory,
    "category.deleted": MemberCategoryFactory,
    "policy.deleted": lambda: LoanPolicy.objects.create(member_category=MemberCategoryFactory()),
    "partner.deleted": PartnerFactory,
    "template.deleted": template,
    "preferences.deleted": lambda: Preferences.objects.create(member=MemberFactory(), language="ar"),
    "account.deleted": UserFactory,
    "task.deleted": task,
}


@pytest.mark.parametrize("kind", DELETED)
def test_what_is_deleted_from_a_list_is_told(kind, desk, boss):
    row = DELETED[kind]()

    desk.act("delete_selected", row, post="yes")

    assert not type(row).objects.filter(pk=row.pk).exists()
    assert (last().kind, last().actor_id) == (kind, boss.pk)


def test_tasks_are_enabled_and_disabled_together_and_each_is_told(desk):
    first = task()
    second = PeriodicTask.objects.create(name="Mail", task="x", interval=first.interval, enabled=False)

    assert told(desk.act("toggle_tasks", first, second)) == ["Saved."]

    events = Event.objects.order_by("-pk")[:2]
    assert [(event.record_id, event.payload["changes"]) for event in events] == [
        (second.pk, {"enabled": [False, True]}),
        (first.pk, {"enabled": [True, False]}),
    ]


def test_when_tasks_run_is_told_by_the_name_of_the_time():
    every = task().interval
    every.every = 10
    every.save()

    assert (last().kind, last().record_id, last().payload["name"]) == ("task.saved", None, "every 10 minutes")
    assert changes() == {"every": [5, 10]}


def test_what_beat_keeps_of_a_task_is_no_edit():
    row = task()
    before = Event.objects.count()

    row.total_run_count += 1
    row.last_run_at = row.date_changed
    row.save()

    assert Event.objects.count() == before


# --- What is nobody else's business ----------------------------------------------------------------------------------


def test_how_the_house_is_run_is_recorded_and_never_published(desk):
    UserFactory(username="ada")
    run("set_role", "ada", "admin")
    desk.save(change_page(BranchFactory(name="Harbour")), name="Port")

    assert set(Event.objects.values_list("kind", flat=True)) == {"account.saved", "branch.saved"}
    pending = PendingEvent.objects.select_related("event")
    assert {row.event.kind for row in pending} == {"branch.saved"}
