"""A library with a web server of its own, and a librarian with a browser at its desk."""

import re
import shutil
from types import SimpleNamespace

import pytest
import requests
from django.utils import timezone

from circulation import demo
from circulation.models import Loan
from circulation.simulation.own_database import own_database
from reservations.models import Reservation
from tests.admin.library import stock
from tests.factories import BranchFactory, UserFactory, general_policy
from tests.simulation.service import web_server

PATIENCE = 10  # seconds
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PASSWORD = "only-for-this-test"


class Library:
    """What the tests prepare and look up, over the API."""

    def __init__(self, url):
        self.url = url
        self._number = 0
        token = requests.post(f"{url}/api/token/", json={"username": "ann", "password": PASSWORD}, timeout=PATIENCE)
        assert token.status_code == 200, token.text
        self._headers = {"Authorization": f"Bearer {token.json()['data']['access']}"}

    def ask(self, method, path, body=None):
        answer = requests.request(method, f"{self.url}/api/{path}", json=body, headers=self._headers, timeout=PATIENCE)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"]

    def member(self, name):
        self._number += 1
        made = self.ask("POST", "members/", {"name": name, "card_number": f"M-{self._number}"})
        return SimpleNamespace(id=made["id"], card=made["card_number"], name=name)

    def copies(self, count=1, title="Emma", **more):
        """The barcodes of the copies of a new title, and its id."""
        book = self.ask("POST", "books/", {"title": title, "copies": count, **more})
        rows = self.ask("GET", f"books/{book['id']}/copies/")
        return [row["barcode"] for row in rows.get("results", rows)], book["id"]

    def copy(self, title="Emma"):
        [barcode], _ = self.copies(1, title)
        return barcode

    def lend(self, member, barcode):
        return self.ask("POST", "circulation/checkout/", {"member_id": member.id, "barcode": barcode})

    def reserve(self, member, book, **more):
        return self.ask("POST", "reservations/", {"member_id": member.id, "book_id": book, **more})

    def status(self, barcode):
        return self.ask("GET", f"copies/{barcode}/")["status"]

    def holder(self, barcode):
        """Who has a copy, by the loans that are open."""
        book = self.ask("GET", f"copies/{barcode}/")["book_id"]
        loans = self.ask("GET", f"loans/?book_id={book}&status=open")["results"]
        return next((loan["member_id"] for loan in loans if loan["copy_barcode"] == barcode), None)

    def loans_of(self, member):
        return len(self.ask("GET", f"members/{member.id}/history/")["results"])


class AtDesk:
    """A librarian before the desk's page: what they scan, press and see."""

    def __init__(self, page, url):
        self.page, self.url = page, url
        self.asked = []
        page.on("request", lambda request: request.method == "POST" and self.asked.append(request.url))

    def open(self):
        self.page.goto(f"{self.url}/admin/desk/")
        self.page.wait_for_selector("#desk-code:focus")
        return self

    def scan(self, *codes):
        """As a scanner does: quick, and with Enter at the end. The focus is wherever it is."""
        for code in codes:
            self.page.keyboard.type(code)
            self.page.keyboard.press("Enter")

    def sees(self, *words):
        """In what stands there largest. Waits for it."""
        newest = self.page.locator("#desk-newest")
        for word in words:
            newest.get_by_text(word).first.wait_for(timeout=PATIENCE * 1000)

    def has_focus(self, selector):
        try:
            self.page.wait_for_selector(f"{selector}:focus", timeout=2000)
        except Exception:
            return False
        return True

    @property
    def rows(self):
        """The word of each scan, the newest first."""
        return self.page.locator("#desk-newest .desk-word span:last-child, #desk-rows .desk-word span:last-child")

    def words(self):
        return self.rows.all_text_contents()

    @property
    def member(self):
        return self.page.locator("#desk-member")

    @property
    def banner(self):
        return self.page.locator("#desk-banner")


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        pytest.skip("There is no Chromium here: apt-get install chromium.")
    from playwright.sync_api import sync_playwright

    # The browser's events are waited for in a loop of this very thread. Nothing of Django runs in it.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(chromium, django_db_setup, django_db_blocker):
    """The URL of the demo library with another branch, and its librarians Ann and Ben."""
    with django_db_blocker.unblock(), own_database(workers=1) as database:
        demo.load(at=timezone.now())
        BranchFactory(name="Harbour")
        general_policy(max_loans=30)
        for name in ("ann", "ben"):
            account = UserFactory(staff=True, username=name)
            account.set_password(PASSWORD)
            account.save(update_fields=["password"])
        root = UserFactory(admin=True, username="root")
        root.set_password(PASSWORD)
        root.save(update_fields=["password"])
        with web_server(database, OPEN_DESK="false", THROTTLE="false") as (url, _):
            yield url


@pytest.fixture(scope="session")
def library(served):
    return Library(served)


def sign_in(page, url, name="ann", to="/admin/desk/", seen="#desk-code:focus"):
    if not re.search("/admin/login/", page.url):
        page.goto(f"{url}/admin/login/?next={to}")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_selector(seen)


@pytest.fixture(scope="session")
def signed_in(chromium, served):
    """What the browser of somebody keeps who has signed in."""
    context = chromium.new_context()
    sign_in(context.new_page(), served)
    state = context.storage_state()
    context.close()
    return {"cookies": state["cookies"]}


@pytest.fixture(scope="session")
def of_the_admin(chromium, served):
    """The same of the admin."""
    context = chromium.new_context()
    sign_in(context.new_page(), served, "root", "/admin/", "#main")
    state = context.storage_state()
    context.close()
    return {"cookies": state["cookies"]}


@pytest.fixture(scope="session")
def stocked(served, django_db_blocker):
    """Rows in every list; the pages of some of them."""
    with django_db_blocker.unblock():
        stock(3)
        book, member = Reservation.objects.latest("pk").book_id, Loan.objects.latest("pk").member_id
        pages = [f"/admin/library/book/{book}/change/", f"/admin/library/member/{member}/change/"]
        return [*pages, f"/admin/reservations/line/{book}/", f"/admin/members/{member}/"]


@pytest.fixture
def context(chromium, signed_in):
    context = chromium.new_context(storage_state=signed_in, locale="en-GB")
    context.set_default_timeout(PATIENCE * 1000)
    yield context
    context.close()


@pytest.fixture
def desk(context, served):
    """Ann's desk. No script of its may fail."""
    page = context.new_page()
    failed = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield AtDesk(page, served).open()
    assert failed == []
