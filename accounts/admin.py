"""Accounts, API keys and locks in the admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold import forms as theme

from accounts import tokens
from accounts.keys import create_key, revoke_key
from accounts.models import ROLES, APIKey, FailedSignIn, Role, Scope, User
from events.admin import ModelForm, ReadOnlyAdmin, RecordedAdmin

admin.site.unregister(Group)  # roles stand for what a group would

# --- Accounts ------------------------------------------------------------------------------------------------


ROLE_NAMES = {Role.MEMBER: _("member"), Role.LIBRARIAN: _("librarian"), Role.ADMIN: _("admin")}


def role_field() -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=_("Role"),
        choices=[(int(role), ROLE_NAMES[role]) for role in ROLES],
        coerce=lambda value: Role(int(value)),
        help_text=_("Librarians work at the desk and in these pages. Admins also look after accounts and keys."),
    )


class RoleMixin:
    """A form with the role in place of the two columns that it is kept in."""

    def save(self, commit: bool = True) -> Any:
        self.instance.role = self.cleaned_data["role"]  # type: ignore[attr-defined]
        return super().save(commit)  # type: ignore[misc]


class AccountForm(RoleMixin, theme.UserChangeForm):  # type: ignore[misc]  # it has no types
    role = role_field()

    editor: ClassVar[Any] = None  # who has the form before them

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            self.initial["role"] = int(self.instance.role)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if self.instance == self.editor:
            if cleaned.get("role") != Role.ADMIN:
                self.add_error("role", gettext("You cannot take this role from yourself. Ask another admin."))
            if not cleaned.get("is_active"):
                self.add_error("is_active", gettext("You cannot lock yourself out. Ask another admin."))
        return cleaned


class NewAccountForm(RoleMixin, theme.UserCreationForm):  # type: ignore[misc]
    role = role_field()

    class Meta:
        model = User
        fields = ["username", "email"]


class RoleFilter(admin.SimpleListFilter):
    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(role.label, str(ROLE_NAMES[role])) for role in ROLES]

    def queryset(self, request: HttpRequest, accounts: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "admin":
                return accounts.filter(is_staff=True, is_superuser=True)
            case "librarian":
                return accounts.filter(is_staff=True, is_superuser=False)
            case "member":
                return accounts.filter(is_staff=False)
        return accounts


@admin.register(User)
class AccountAdmin(RecordedAdmin, auth_admin.UserAdmin):  # type: ignore[type-arg]
    form = AccountForm
    add_form = NewAccountForm
    change_password_form = theme.AdminPasswordChangeForm
    fieldsets = (
        (None, {"fields": ["username", "password", "role", "is_active"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    )
    add_fieldsets = ((None, {"fields": ["username", "email", "role", "usable_password", "password1", "password2"]}),)
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal = ()
    list_display = ["username", "email", "role", "is_active", "last_login"]
    list_filter = [RoleFilter, "is_active"]
    search_fields = ["username"]  # see find
    search_help_text = _("A part of the username, or a whole e-mail address")
    actions = ["sign_out"]

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(Q(username__icontains=text) | Q(email__iexact=text))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **{"change": change, **kwargs})
        return type(form.__name__, (form,), {"editor": request.user})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        # Who may only look is shown nothing of a password.
        return [(name, {"fields": [field for field in part["fields"] if field != "password"]}) for name, part in found]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj != request.user and super().has_delete_permission(request, obj)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Nothing: it would keep the name of an account that is gone."""

    @admin.display(description=_("Role"))
    def role(self, account: User) -> str:
        return str(ROLE_NAMES[account.role])

    @admin.action(description=_("End all sign-ins of the chosen accounts"), permissions=["change"])
    def sign_out(self, request: HttpRequest, accounts: QuerySet[User]) -> None:
        for account in accounts:
            tokens.end_sign_ins(account)
        names = ", ".join(account.username for account in accounts)
        told = gettext("Signed out everywhere: %(names)s. Their API keys go on until they are revoked.")
        self.message_user(request, told % {"names": names})


# --- API keys ------------------------------------------------------------------------------------------------


class NewKeyForm(ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope.value, _(scope.label)) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = APIKey
        fields = ["name", "owner", "scopes", "expires_at"]

    def clean_expires_at(self) -> Any:
        moment = self.cleaned_data["expires_at"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError(gettext("This moment has passed."))
        return moment

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        owner, scopes = cleaned.get("owner"), cleaned.get("scopes", [])
        if owner and owner.role < Role.LIBRARIAN:
            self.add_error("owner", gettext("Keys belong to librarians and admins."))
        elif owner and Scope.ADMIN in scopes and owner.role < Role.ADMIN:
            self.add_error("scopes", gettext("%(owner)s is no admin, so their key cannot be.") % {"owner": owner})
        return cleaned


class StandingFilter(admin.SimpleListFilter):
    title = _("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("good", gettext("Good")), ("expired", gettext("Expired")), ("revoked", gettext("Revoked"))]

    def queryset(self, request: HttpRequest, keys: QuerySet[Any]) -> QuerySet[Any]:
        expired = Q(expires_at__lte=timezone.now())
        match self.value():
            case "good":
                return keys.filter(~expired | Q(expires_at=None), revoked_at=None)
            case "expired":
                return keys.filter(expired, revoked_at=None)
            case "revoked":
                return keys.exclude(revoked_at=None)
        return keys


@admin.register(APIKey)
class KeyAdmin(RecordedAdmin):
    form = NewKeyForm
    autocomplete_fields = ["owner"]
    list_display = ["name", "owner", "prefix", "good_for", "last_used_at", "expires_at", "revoked_at"]
    list_filter = [StandingFilter]
    list_select_related = ["owner"]
    search_fields = ["name"]  # see find
    search_help_text = _("A part of the name or of the owner's, or how the key begins")
    actions = ["revoke"]

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(Q(name__icontains=text) | Q(owner__username__icontains=text) | Q(prefix=text[:12]))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ["name", "owner", "scopes", "expires_at"]
        return ["name", "owner", "prefix", "good_for", "created_at", "expires_at", "last_used_at", "revoked_at"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a revoked key stays, so that it is known what it was

    def save_model(self, request: HttpRequest, obj: APIKey, form: Any, change: bool) -> None:
        key, text = create_key(
            owner=obj.owner, name=obj.name, scopes=form.cleaned_data["scopes"], expires_at=obj.expires_at
        )
        obj.pk, obj.prefix = key.pk, key.prefix
        told = gettext("The key is %(text)s . It cannot be shown again: keep it safe.")
        self.message_user(request, told % {"text": text}, messages.WARNING)

    @admin.display(description=_("Scopes"))
    def good_for(self, key: APIKey) -> str:
        return ", ".join(key.scopes)

    @admin.action(description=_("Revoke the chosen keys for good"), permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[APIKey]) -> None:
        names = [revoke_key(key_id=key.pk).name for key in keys]
        self.message_user(request, gettext("Revoked: %(names)s.") % {"names": ", ".join(names)})


# --- Locks ---------------------------------------------------------------------------------------------------


@admin.register(FailedSignIn)
class FailedSignInAdmin(ReadOnlyAdmin):
    list_display = ["username", "ip_address", "failures_since_start", "attempt_time", "locked", "user_agent"]
    fields = ["username", "ip_address", "failures_since_start", "attempt_time", "user_agent", "path_info"]
    search_fields = ["username"]  # see find
    search_help_text = _("A username or an address")
    actions: Any = ["let_account_in", "let_address_in"]

    def find(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(Q(username=text) | Q(ip_address__iexact=text))

    def annotations(self) -> dict[str, Any]:
        lately = FailedSignIn.objects.filter(attempt_time__gte=timezone.now() - settings.AXES_COOLOFF_TIME).order_by()

        def failures(*same: str) -> Coalesce:
            rows = lately.filter(**{name: OuterRef(name) for name in same}).values(*same)
            return Coalesce(Subquery(rows.annotate(n=Sum("failures_since_start")).values("n")), 0)

        return {
            "of_both": failures("username", "ip_address"),
            "of_account": failures("username"),
            "of_address": failures("ip_address"),
        }

    @admin.display(description=_("Locked out"))
    def locked(self, row: Any) -> str:
        limit = settings.AXES_FAILURE_LIMIT
        if row.of_address >= limit * settings.FAILURES_FROM_AFAR:
            return gettext("everybody at this address")
        if row.of_account >= limit * settings.FAILURES_FROM_AFAR:
            return gettext("this account, from everywhere")
        return gettext("this account, from this address") if row.of_both >= limit else ""

    @admin.action(description=_("Let these accounts sign in again"), permissions=["lift"])
    def let_account_in(self, request: HttpRequest, chosen: QuerySet[FailedSignIn]) -> None:
        names = set(chosen.values_list("username", flat=True))
        FailedSignIn.objects.filter(username__in=names).delete()
        self.message_user(request, gettext("May try again: %(names)s.") % {"names": _listed(names)})

    @admin.action(description=_("Let people at these addresses sign in again"), permissions=["lift"])
    def let_address_in(self, request: HttpRequest, chosen: QuerySet[FailedSignIn]) -> None:
        addresses = set(chosen.values_list("ip_address", flat=True))
        FailedSignIn.objects.filter(ip_address__in=addresses).delete()
        self.message_user(request, gettext("May try again: %(names)s.") % {"names": _listed(addresses)})

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_failedsignin")


def _listed(names: set[Any]) -> str:
    return ", ".join(sorted(filter(None, names)))
