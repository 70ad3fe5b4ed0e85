"""The table of accounts/access.py, walked: every route, method, role; one's own data and other people's."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.access import ACCESS, ELSEWHERE
from accounts.models import Scope
from tests.api.access import RULES, rule_of
from tests.api.asking import data_of, error_of, everything, raw
from tests.api.conftest import Client
from tests.api.routes import ROUTES, nowhere
from tests.api.signing import signed_in, with_key
from tests.factories import (
    NOW,
    JobFactory,
    KeyFactory,
    LoanFactory,
    MemberFactory,
    PartnerReservationFactory,
    ReservationFactory,
    UserFactory,
    WebhookFactory,
)

pytestmark = pytest.mark.django_db

NOWHERE = "^(api|reserve|status|daia)/"  # the route of what no other matches
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
DOCUMENTS = {"/api/schema/", "/api/docs/", "/api/redoc/"}
every_row = pytest.mark.parametrize(
    ("route", "method"), [row for row in RULES if row[0] not in DOCUMENTS], ids=lambda part: part
)
# Of members' own rows, those that name what is theirs in the route.
OWN = [row for row, rule in RULES.items() if rule.who == "own" and "{" in row[0]]


@pytest.fixture
def ada():
    """A member who signs in."""
    return MemberFactory(user=UserFactory())


@pytest.fixture
def grace():
    """Another one."""
    return MemberFactory(user=UserFactory())


@pytest.fixture
def everywhere(ada):
    """Something behind every route: Ada's, and a key and a webhook of somebody's."""
    loan = LoanFactory(member=ada)
    return {
        "book": loan.book_id,
        "barcode": loan.copy.barcode,
        "member": ada.pk,
        "loan": loan.pk,
        "reservation": ReservationFactory(book=loan.book, member=ada).pk,
        "key": KeyFactory(owner=UserFactory(staff=True)).pk,
        "job": JobFactory(over=True).pk,
        "webhook": WebhookFactory().pk,
        "partner_reservation": PartnerReservationFactory(
            member=ada, state="cancelled", ended_at=NOW, next_try_at=None
        ).pk,
    }


def asked(client, method, route, world, **extra):
    return raw(client, method, route.format(**world), {}, **extra)


def may_pass(response):
    """Whether somebody was let in, whatever came of it then."""
    return response.status_code not in (401, 403)


# --- The table -------------------------------------------------------------------------------------------------------


def patterns(resolver, before=""):
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, before + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield before + str(entry.pattern), entry.callback


def served():
    """Every route and method of the URL conf that is no page of the admin."""
    for route, view in patterns(get_resolver()):
        if route.startswith("admin/") or route == NOWHERE:
            continue
        methods = {name.upper() for name in dir(view.view_class)} & METHODS if hasattr(view, "view_class") else {"GET"}
        yield from ((route, method) for method in methods)


def test_every_route_has_its_rows_and_every_row_its_route():
    assert {row for row in served() if row[0] not in ELSEWHERE} == set(ACCESS)


def test_what_is_elsewhere_is_known():
    beside = {route for route, _ in patterns(get_resolver()) if not route.startswith(("api/", "admin/", NOWHERE))}

    assert (beside | {"admin/"}) - {route for route, _ in ACCESS} == set(ELSEWHERE)
    assert beside & {route for route, _ in ACCESS} == {"reserve/", "status/<id:book_id>/", "daia/"}


def test_every_row_says_what_there_is_to_say():
    for rule in ACCESS.values():
        assert rule.who in {"anyone", "own", "account", "staff", "named", "admin"}
        assert rule.scope in {"any", "no"} or set(rule.scopes) <= set(Scope.values)
        assert rule.self_service in {None, "register", "borrow", "return", "renew", "reserve"}
        assert rule.rate in {"read", "write", "account"}
        assert rule.self_service is None or rule.who in {"own", "anyone"}


# Who may do what, once more and by hand: a slip in the table must not go through every test that believes it.
PUBLIC = """
GET / GET branches/ GET schema/ GET docs/ GET redoc/ GET books/ GET books/{book}/ GET books/{book}/availability/
GET books/{book}/availability/stream/ GET books/{book}/copies/ GET copies/{barcode}/ POST register/ POST users/
POST token/ POST token/refresh/ POST token/verify/ POST token/blacklist/
"""
MEMBERS = """
GET me/ GET me/loans/ GET me/history/ GET me/reservations/ POST me/password/
GET me/notices/ PATCH me/notices/ GET members/{member}/notices/ PATCH members/{member}/notices/
GET members/{member}/ GET members/{member}/loans/ GET members/{member}/history/ GET members/{member}/reservations/
GET loans/ GET loans/{loan}/ GET reservations/ GET reservations/{reservation}/ POST reservations/
POST circulation/checkout/ POST circulation/return/ POST circulation/renew/
POST reservations/{reservation}/cancel/ POST reservations/{reservation}/suspend/
POST reservations/{reservation}/resume/ POST reservations/{reservation}/fulfill/
POST borrow/ POST return/ GET users/{member}/borrowed/ PUT books/borrow/
POST reservations/reserve/ POST reservations/{reservation}/return_book/
GET partner-reservations/ GET partner-reservations/{partner_reservation}/
POST partner-reservations/{partner_reservation}/cancel/
"""
ADMINS = """
POST exports/ POST anonymisations/
GET webhooks/ POST webhooks/ GET webhooks/{webhook}/ PATCH webhooks/{webhook}/ DELETE webhooks/{webhook}/
POST webhooks/{webhook}/test/ POST webhooks/{webhook}/rotate-secret/ GET webhooks/{webhook}/deliveries/
"""


def by_hand(text):
    words = text.split()
    return {(f"/api/{path}".replace("//", "/"), method) for method, path in zip(words[::2], words[1::2], strict=True)}


def test_the_table_is_what_was_promised():
    assert {row for row, rule in RULES.items() if rule.who == "anyone"} == by_hand(PUBLIC) | {
        ("/status/{book}/", "GET"),
        ("/daia/", "GET"),
    }
    assert {row for row, rule in RULES.items() if rule.who in ("own", "account")} == by_hand(MEMBERS) | {
        ("/reserve/", "POST")
    }
    assert {row for row, rule in RULES.items() if rule.who not in ("anyone", "own", "account", "staff")} == {
        ("/api/keys/", "GET"),
        ("/api/keys/", "POST"),
        ("/api/keys/{key}/", "GET"),
        ("/api/keys/{key}/", "DELETE"),
    } | by_hand(ADMINS)
    assert {row for row, rule in RULES.items() if rule.who == "admin"} == by_hand(ADMINS)
    # What changes something needs a key that writes (webhooks only say who reads), and whoever can make keys or
    # passwords needs no key at all.
    # What a key asked for, it may cancel.
    for (route, method), rule in RULES.items():
        others = by_hand(f"{ADMINS} POST jobs/{{job}}/cancel/")
        if method != "GET" and rule.scope not in ("no", "admin") and (route, method) not in others:
            assert all(scope.endswith(":write") for scope in rule.scopes), route
            assert rule.scopes, route
        if method == "GET":
            assert rule.scope in ("any", "no", "admin") or rule.scope.endswith(":read"), route
    keyless = {route for (route, method), rule in RULES.items() if rule.scope == "no" and method == "POST"}
    assert keyless >= {"/api/register/", "/api/token/", "/api/keys/", "/api/me/password/"}


def test_a_route_without_a_row_is_open_to_nobody(api, monkeypatch, world, settings):
    for route, method in list(ACCESS):
        if route == "api/books/<id:book_id>/":
            monkeypatch.delitem(ACCESS, (route, method))
    settings.OPEN_DESK = True

    error_of(api.get(f"/api/books/{world['book']}/"), 403, "PERMISSION_DENIED")
    error_of(Client().get(f"/api/books/{world['book']}/"), 401, "NOT_AUTHENTICATED")


# --- Roles -----------------------------------------------------------------------------------------------------------


@every_row
def test_nobody_in_particular(anyone, everywhere, route, method):
    before = everything()

    response = asked(anyone, method, route, everywhere)

    if rule_of(route, method).who == "anyone":
        assert may_pass(response) or route == "/api/token/"
    else:
        error_of(response, 401, "NOT_AUTHENTICATED")
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'
        assert everything() == before


@every_row
def test_a_member_and_what_is_theirs(ada, everywhere, route, method):
    before = everything()

    response = asked(signed_in(ada.user), method, route, everywhere)

    if rule_of(route, method).who in ("anyone", "own", "account"):
        assert may_pass(response) or route == "/api/token/"
        assert response.status_code != 404
    else:
        error_of(response, 403, "PERMISSION_DENIED")
        assert everything() == before


@pytest.mark.parametrize(("route", "method"), OWN, ids=lambda part: part)
def test_a_member_and_what_is_another_persons(grace, everywhere, route, method):
    """What is not theirs does not exist for them, word for word."""
    before = everything()
    client = signed_in(grace.user)

    theirs = asked(client, method, route, everywhere)
    nothing = asked(client, method, route, dict.fromkeys(everywhere, 47110815))

    assert (theirs.status_code, nothing.status_code) == (404, 404)
    ids = [str(number) for number in everywhere.values()]
    told = theirs.content.decode()
    for number in ids:
        told = told.replace(f" {number}.", " 47110815.")
    assert told == nothing.content.decode()
    assert dict(theirs.headers).keys() == dict(nothing.headers).keys()
    assert everything() == before


@every_row
def test_an_account_that_belongs_to_no_member(everywhere, route, method):
    before = everything()

    response = asked(signed_in(UserFactory()), method, route, everywhere)

    rule = rule_of(route, method)
    if rule.who == "anyone" or route in ("/api/me/", "/api/me/password/"):
        assert may_pass(response) or route == "/api/token/"
    else:
        assert response.status_code in (400, 403) if rule.who == "own" else response.status_code == 403
        assert everything() == before


@every_row
def test_a_librarian(everywhere, route, method):
    librarian = MemberFactory(user=UserFactory(staff=True)).user

    response = asked(signed_in(librarian), method, route, everywhere)

    if rule_of(route, method).who == "admin":
        error_of(response, 403, "PERMISSION_DENIED")
    else:
        assert may_pass(response) or route == "/api/token/"


@every_row
def test_an_admin(everywhere, route, method):
    admin = MemberFactory(user=UserFactory(admin=True)).user

    response = asked(signed_in(admin), method, route, everywhere)

    assert may_pass(response) or route == "/api/token/"


@every_row
def test_an_open_desk(anyone, everywhere, route, method, settings):
    """Nobody in particular is a librarian there; but what needs an account still needs one."""
    settings.OPEN_DESK = True

    response = asked(anyone, method, route, everywhere)

    rule = rule_of(route, method)
    if rule.who in ("account", "named", "admin"):
        error_of(response, 401, "NOT_AUTHENTICATED")
    else:
        assert may_pass(response) or route == "/api/token/"


@every_row
def test_a_page_of_another_site_at_an_open_desk(anyone, everywhere, route, method, settings):
    settings.OPEN_DESK = True
    before = everything()

    response = asked(anyone, method, route, everywhere, HTTP_SEC_FETCH_SITE="cross-site")

    if rule_of(route, method).who == "anyone":
        assert may_pass(response) or route == "/api/token/"
    else:
        error_of(response, 401, "NOT_AUTHENTICATED")
        assert everything() == before


@every_row
def test_a_presented_credential_decides_at_an_open_desk_too(ada, everywhere, route, method, settings):
    settings.OPEN_DESK = True

    if rule_of(route, method).who in ("staff", "named", "admin"):
        error_of(asked(signed_in(ada.user), method, route, everywhere), 403, "PERMISSION_DENIED")
    wrong = Client()
    wrong.credentials(HTTP_AUTHORIZATION="Bearer x.y.z")
    error_of(asked(wrong, method, route, everywhere), 401, "TOKEN_INVALID")
    wrong.credentials(HTTP_X_API_KEY="cdk_" + "x" * 43)
    error_of(asked(wrong, method, route, everywhere), 401, "TOKEN_INVALID")


# --- Keys ------------------------------------------------------------------------------------------------------------


@every_row
def test_a_key_is_good_for_its_scopes_and_nothing_else(everywhere, route, method):
    rule = rule_of(route, method)
    admin = MemberFactory(user=UserFactory(admin=True)).user
    good = {scope for scope in Scope.values if rule.scope == "any" or scope in rule.scopes}
    others = [scope for scope in Scope.values if scope not in good]
    useless = [with_key(admin, *scopes) for scopes in [[scope] for scope in others] + [others] * bool(others)]
    before = everything()

    for client in useless:
        error_of(asked(client, method, route, everywhere), 403, "PERMISSION_DENIED")
    assert everything() == before
    for scope in good:
        assert may_pass(asked(with_key(admin, scope), method, route, everywhere))


@every_row
def test_the_key_of_a_librarian_is_not_an_admins(everywhere, route, method):
    admin = UserFactory(admin=True)
    client = with_key(admin, *Scope.values)
    admin.is_superuser = False
    admin.save()

    response = asked(client, method, route, everywhere)

    rule = rule_of(route, method)
    if rule.who == "admin" or rule.scope in ("admin", "no"):
        error_of(response, 403, "PERMISSION_DENIED")
    else:
        assert may_pass(response)


# --- OPTIONS and HEAD ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_options_are_for_whoever_may_use_the_route(anyone, ada, everywhere, route):
    rules = [rule_of(route, method) for method in ROUTES[route]]

    for client, allowed in (
        (anyone, {"anyone"}),
        (signed_in(ada.user), {"anyone", "own", "account"}),
        (signed_in(UserFactory(staff=True)), {"anyone", "own", "account", "staff", "named"}),
    ):
        response = asked(client, "OPTIONS", route, everywhere)
        if any(rule.who in allowed for rule in rules):
            data_of(response)
        else:
            assert response.status_code in (401, 403)


@pytest.mark.parametrize("route", [route for route, methods in ROUTES.items() if "GET" in methods])
def test_head_is_for_whoever_may_get(anyone, grace, everywhere, route):
    for client in (anyone, signed_in(grace.user)):
        head, get = (asked(client, method, route, everywhere) for method in ("HEAD", "GET"))

        assert (head.status_code, head.content) == (get.status_code, b"")


@pytest.mark.parametrize("route", ROUTES)
def test_what_does_not_exist_is_no_secret_of_anybody(anyone, everywhere, route):
    """Who may not come in is told the same, whether there is something or not."""
    for method in ROUTES[route]:
        there, nothing = asked(anyone, method, route, everywhere), raw(anyone, method, nowhere(route), {})
        if rule_of(route, method).who != "anyone":
            assert (there.status_code, there.content) == (nothing.status_code, nothing.content)
