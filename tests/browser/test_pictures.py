"""The pictures of docs/desk.md: `make pictures` takes them anew, of the demo library."""

import os
from pathlib import Path

import pytest

from library.models import Copy
from reservations.models import Reservation
from tests.browser.conftest import AtDesk
from tests.walks import ROOT

PICTURES = Path("docs/images/desk")
PAGES = {
    "overview": "/admin/",
    "hold-shelf": "/admin/hold-shelf/",
    "overdue": "/admin/overdue/",
    "titles": "/admin/library/book/",
    "member": "/admin/members/1/",
    "import": "/admin/import/",
}


@pytest.fixture
def where(tmp_path):
    return ROOT / PICTURES if os.environ.get("PICTURES") else tmp_path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_page_has_its_picture(chromium, signed_in, served, where, scheme):
    context = chromium.new_context(
        storage_state=signed_in, color_scheme=scheme, viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    where.mkdir(parents=True, exist_ok=True)
    line = Reservation.objects.filter(status="waiting", book__title="Frankenstein").values_list("book_id", flat=True)[0]
    for name, path in {**PAGES, "line": f"/admin/reservations/line/{line}/"}.items():
        page.goto(f"{served}{path}")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=where / f"{name}-{scheme}.png")
    desk = AtDesk(page, served).open()
    on_loan = Copy.objects.filter(status="on_loan", book__title="Frankenstein").values_list("barcode", flat=True)[0]
    desk.scan("no-such-code", on_loan)
    desk.sees("Hold shelf")
    page.screenshot(path=where / f"desk-{scheme}.png")
    page.keyboard.press("Control+z")
    desk.sees("Undone")
    context.close()

    pictures = [path.stem for path in sorted(where.glob(f"*-{scheme}.png"))]
    assert pictures == sorted(f"{name}-{scheme}" for name in [*PAGES, "line", "desk"])
