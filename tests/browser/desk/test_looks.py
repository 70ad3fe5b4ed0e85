"""The page in the dark and the light, on a phone, at 200 %, and for those who do not see it."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import AtDesk

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SIZES = {"wide": (1280, 800, 1), "phone": (390, 844, 2), "200 %": (640, 400, 2)}

schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


def seen(chromium, signed_in, served, scheme="light", size="wide"):
    width, height, factor = SIZES[size]
    context = chromium.new_context(
        storage_state=signed_in,
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        device_scale_factor=factor,
        reduced_motion="reduce",
    )
    return context, AtDesk(context.new_page(), served).open()


def violations(page):
    """What axe finds in the desk itself."""
    found = Axe().run(page, context="#content", options=RULES).response["violations"]
    return [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]


def everything(desk, library):
    """One of each result, a member who is blocked, and a reason that is asked for."""
    ada, grace = library.member("Ada Lovelace"), library.member("Grace Hopper")
    held, book = library.copies()
    library.lend(ada, held[0])
    library.reserve(grace, book)
    had, refused = library.copy("Had"), library.copy("Refused")
    library.lend(grace, had)
    desk.scan(held[0], "unknown", grace.card, had)
    desk.sees("Has it already")
    assert violations(desk.page) == []
    desk.page.keyboard.press("Escape")
    library.ask("PATCH", f"members/{grace.id}/", {"blocked_reason": "Lost a card"})
    desk.scan(grace.card, refused)
    desk.page.wait_for_selector("[name=reason]:focus")


@schemes
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_and_nothing_is_cut_off(chromium, signed_in, served, library, scheme, size):
    context, desk = seen(chromium, signed_in, served, scheme, size)
    assert violations(desk.page) == []

    everything(desk, library)

    assert violations(desk.page) == []
    assert desk.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("?")
    assert violations(desk.page) == []
    context.close()


def test_the_newest_result_is_read_out_and_large(desk, library):
    desk.scan("unknown")
    desk.sees("Unknown code")

    newest = desk.page.locator("#desk-newest")
    assert (newest.get_attribute("aria-live"), newest.get_attribute("aria-atomic")) == ("assertive", "true")
    size = "parseFloat(getComputedStyle(document.querySelector('#desk-newest .desk-word')).fontSize)"
    assert desk.page.evaluate(size) >= 48


def test_nothing_comes_from_elsewhere(context, served):
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))

    AtDesk(page, served).open()

    assert [url for url in asked if not url.startswith((served, "data:"))] == []
