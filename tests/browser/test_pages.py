"""Every page of the librarian's desk: nothing that axe finds, in the light and the dark, wide and on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from library.models import Book, LoanPolicy
from tests.admin.library import ADDED_BY_HAND, MODELS, row_of

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
LOOKS = {
    "light": ("light", 1280, 800, 1),
    "dark": ("dark", 1280, 800, 1),
    "phone": ("light", 390, 844, 2),
    "dark phone": ("dark", 390, 844, 2),
    "200 %": ("light", 640, 400, 2),
}


def address(model, name, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def lists():
    return [address(model, "changelist") for model in MODELS]


def forms():
    return [address(model, "add") for model in ADDED_BY_HAND]


def rows():
    """The page of one row of each list; what happened to one, and what asks before one is deleted."""
    named = [(model, "change") for model in MODELS] + [
        (Book, "history"),
        (LoanPolicy, "history"),
        (LoanPolicy, "delete"),
    ]
    return [address(model, name, row_of(model).pk) for model, name in named]


def violations(page):
    found = Axe().run(page, options=RULES).response["violations"]
    return [(rule["id"], node["html"][:200]) for rule in found for node in rule["nodes"]]


def cut_off(page):
    """Whether the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.fixture
def window(request, chromium, of_the_admin):
    scheme, width, height, factor = LOOKS[getattr(request, "param", "light")]
    context = chromium.new_context(
        storage_state=of_the_admin,
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        device_scale_factor=factor,
        reduced_motion="reduce",
        locale="en-GB",
    )
    page = context.new_page()
    failed = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on(
        "console",
        lambda told: failed.append(told.text) if told.type == "error" and "status of 40" not in told.text else None,
    )
    yield page
    context.close()
    assert failed == []


def looked_at(page, served, paths):
    """What is wrong with these pages, each thing with the first page where it is."""
    wrong, usual = {}, page.viewport_size["height"]
    for path in paths:
        page.goto(f"{served}{path}")
        page.wait_for_load_state()
        if cut_off(page):
            wrong["wider than its window"] = path
        # All of it is seen, so that nothing lies below the bar at the bottom.
        width, height = page.viewport_size["width"], page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        for found in violations(page):
            wrong.setdefault(found, path)
        page.set_viewport_size({"width": width, "height": usual})
    return wrong


in_every_look = pytest.mark.parametrize("window", LOOKS, indirect=True)
in_two_looks = pytest.mark.parametrize("window", ["light", "dark phone"], indirect=True)

OWN = ["/admin/", "/admin/import/", "/admin/hold-shelf/", "/admin/overdue/", "/admin/find/?q=Emma"]
REFUSED = ["/admin/nowhere/", "/admin/members/987654/", "/admin/reservations/line/987654/"]


@in_two_looks
@pytest.mark.parametrize("half", [0, 1])
def test_lists(window, served, stocked, half):
    assert looked_at(window, served, lists()[half::2]) == {}


@in_two_looks
def test_forms(window, served, stocked):
    assert looked_at(window, served, forms()) == {}


def test_rows(window, served, stocked, django_db_blocker):
    with django_db_blocker.unblock():
        paths = rows()

    assert looked_at(window, served, [*paths, *REFUSED]) == {}


@in_every_look
def test_pages_of_the_day(window, served, stocked):
    assert looked_at(window, served, [*OWN, *stocked]) == {}


def test_the_sign_in(chromium, served):
    page = chromium.new_page()
    page.goto(f"{served}/admin/login/")

    assert violations(page) == []
    page.close()


def test_the_content_is_two_keys_away(chromium, of_the_admin, served):
    context = chromium.new_context(storage_state=of_the_admin)
    page = context.new_page()
    page.goto(f"{served}/admin/library/book/")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.closest('#main') !== null")
    context.close()
