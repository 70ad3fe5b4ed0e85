"""A librarian's day: a file comes in, ten copies go out and come back, a line moves, and the overview has it."""

import re

from circulation.jobs.models import Job
from circulation.jobs.running import run
from library.models import Copy
from tests.browser.conftest import AtDesk
from tests.browser.test_pages import violations

FILE = "id,title,author\n" + "".join(f"{number},Story {number},Somebody\n" for number in range(1, 11))


def number(page, label):
    """What a tile of the overview says."""
    text = page.locator("a", has_text=label).first.inner_text()
    return int(re.search(r"\d+", text.replace(label, ""))[0])


def work():
    """What a worker does with a job that waits."""
    for job in Job.objects.filter(state="queued"):
        run(job.pk)


def test_a_file_ten_loans_a_line_and_the_overview(desk, library, served):
    page = desk.page
    page.goto(f"{served}/admin/")
    lent, returned = number(page, "Lent today"), number(page, "Returned today")

    # A file comes in: looked at first, then imported, with the keyboard.
    page.goto(f"{served}/admin/import/")
    page.set_input_files("#id_file", {"name": "story.csv", "mimeType": "text/csv", "buffer": FILE.encode()})
    page.get_by_role("button", name="Look at it first").press("Enter")
    page.wait_for_url("**/admin/import/*/")
    work()
    page.get_by_role("button", name="Import it").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Import it").press("Enter")
    page.wait_for_url("**/admin/import/*/")
    work()
    page.get_by_text("10 added").first.wait_for()
    assert violations(page) == []
    pile = list(
        Copy.objects.filter(book__title__startswith="Story ").order_by("book_id").values_list("barcode", flat=True)
    )
    assert len(pile) == 10

    # Ten go out and come back.
    ada, grace = library.member("Ada Lovelace"), library.member("Grace Hopper")
    at_desk = AtDesk(page, served).open()
    at_desk.scan(ada.card, *pile)
    at_desk.sees("Lent", pile[-1])
    book = Copy.objects.get(barcode=pile[0]).book_id
    library.reserve(grace, book)
    page.goto(f"{served}/admin/reservations/line/{book}/")
    page.get_by_text("Waiting").first.wait_for()
    at_desk = AtDesk(page, served).open()
    at_desk.scan(*pile)
    at_desk.sees("Returned", pile[-1])

    # The line has moved, and the overview has it.
    page.goto(f"{served}/admin/reservations/line/{book}/")
    page.get_by_text("Ready for pick-up").first.wait_for()
    page.goto(f"{served}/admin/hold-shelf/")
    page.get_by_text(pile[0], exact=True).first.wait_for()
    page.goto(f"{served}/admin/")
    assert (number(page, "Lent today"), number(page, "Returned today")) == (lent + 10, returned + 10)
