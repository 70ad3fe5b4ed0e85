"""What becomes of scans when the service is away, an answer is lost, or the session has ended."""

from tests.browser.conftest import AtDesk, sign_in

BATCH = "/api/circulation/batch/"
SCAN = "/api/circulation/scan/"
WAITING = "Object.keys(localStorage).filter((name) => name.startsWith('circdesk.scan.')).length"


def waiting(page):
    return page.evaluate(WAITING)


def all_sent(page):
    page.wait_for_function(f"{WAITING} === 0")


def go_offline(desk, context):
    context.set_offline(True)
    desk.scan("first-to-notice")
    desk.banner.get_by_text("The service cannot be reached").wait_for()


def batches(desk):
    return [url for url in desk.asked if url.endswith(BATCH)]


def test_scans_wait_in_order_and_go_as_one_batch(desk, context, library):
    ada, grace = library.member("Ada"), library.member("Grace Hopper")
    one, two, three = (library.copy(title) for title in ("One", "Two", "Three"))
    library.lend(grace, three)
    go_offline(desk, context)

    desk.scan(ada.card, one, grace.card, two)
    desk.page.keyboard.press("Escape")
    desk.scan(three)
    desk.sees("Waiting to be sent")
    assert "6 waiting" in desk.banner.inner_text()

    context.set_offline(False)
    all_sent(desk.page)
    desk.sees("Returned")
    assert desk.words() == ["Returned", "Lent", "Card", "Lent", "Card", "Unknown code"]
    assert (library.holder(one), library.holder(two)) == (ada.id, grace.id)
    assert library.status(three) == "available"
    assert len(batches(desk)) == 1
    assert desk.page.get_by_text("The service is back.").is_visible()


def test_what_was_refused_meanwhile_stays_until_it_is_ticked_off(desk, context, library):
    ada, grace, barcode = library.member("Ada"), library.member("Grace"), library.copy()
    go_offline(desk, context)
    desk.scan(ada.card, barcode)
    library.lend(grace, barcode)

    context.set_offline(False)
    all_sent(desk.page)
    desk.sees("Refused")
    assert desk.page.get_by_role("button", name="Seen").count() == 2  # and the code that nobody knows

    desk.open()
    assert sorted(desk.words()) == ["Refused", "Unknown code"]
    for _ in range(2):
        desk.page.get_by_role("button", name="Seen").first.click()
    desk.open()
    assert desk.words() == []


def test_scans_outlive_the_page(desk, context, library):
    ada, barcode = library.member("Ada"), library.copy()
    go_offline(desk, context)
    desk.scan(ada.card, barcode)
    assert waiting(desk.page) == 3
    desk.page.close()

    context.set_offline(False)
    again = AtDesk(context.new_page(), desk.url).open()
    all_sent(again.page)
    again.sees("Lent")
    assert library.holder(barcode) == ada.id


def test_a_lost_answer_is_asked_for_again_and_nothing_is_done_twice(desk, library):
    ada, barcode = library.member("Ada"), library.copy()
    desk.scan(ada.card)
    desk.sees("Ada")
    keys = []

    def lose_the_first(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
        else:
            route.fetch()  # it is done
            route.abort()

    desk.page.route(f"**{SCAN}", lose_the_first)
    desk.scan(barcode)
    desk.sees("Lent", barcode)

    assert (len(keys), len(set(keys))) == (2, 1)
    assert library.loans_of(ada) == 1
    assert desk.words() == ["Lent", "Card"]


def test_a_batch_whose_answer_is_lost_is_sent_again_as_it_was(desk, context, library):
    ada, barcode = library.member("Ada"), library.copy()
    go_offline(desk, context)
    desk.scan(ada.card, barcode)
    sent = []

    def lose_the_first(route):
        sent.append((route.request.headers["idempotency-key"], route.request.post_data))
        if len(sent) > 1:
            route.continue_()
        else:
            route.fetch()
            route.abort()

    desk.page.route(f"**{BATCH}", lose_the_first)
    context.set_offline(False)
    all_sent(desk.page)
    desk.sees("Lent")

    assert (len(sent), len(set(sent))) == (2, 1)
    assert library.loans_of(ada) == 1


def test_a_busy_service_is_asked_again_without_a_word(desk, library):
    ada, excuses = library.member("Ada"), ["BUSY"]

    def excuse_itself_once(route):
        if excuses:
            route.fulfill(status=503, json={"success": False, "error": {"code": excuses.pop()}})
        else:
            route.continue_()

    desk.page.route(f"**{SCAN}", excuse_itself_once)
    desk.scan(ada.card)

    desk.sees("Ada")
    assert desk.banner.is_hidden()


def test_of_two_tabs_each_sends_its_scans_once_and_for_its_own_turn(desk, context, library):
    ada, grace = library.member("Ada"), library.member("Grace")
    one, two = library.copy("One"), library.copy("Two")
    other = AtDesk(context.new_page(), desk.url).open()
    go_offline(desk, context)
    go_offline(other, context)
    desk.scan(ada.card)
    other.scan(grace.card)
    desk.scan(one)
    other.scan(two)

    context.set_offline(False)
    all_sent(desk.page)
    desk.sees("Lent", one)
    other.sees("Lent", two)

    assert (library.holder(one), library.holder(two)) == (ada.id, grace.id)
    assert len(batches(desk)) == len(batches(other)) == 1


def test_scans_wait_while_nobody_is_signed_in(desk, context, library):
    ada, barcode = library.member("Ada"), library.copy()
    desk.scan(ada.card)
    desk.sees("Ada")
    context.clear_cookies()

    desk.scan(barcode)
    desk.banner.get_by_text("You are signed out. Nothing is lost").wait_for()
    assert waiting(desk.page) == 1

    desk.banner.get_by_role("link", name="Sign in").click()
    sign_in(desk.page, desk.url, name="ben")
    all_sent(desk.page)
    desk.sees("Lent", "scanned by ann")
    assert library.holder(barcode) == ada.id


def test_nobody_leaves_the_page_by_accident_while_scans_wait(desk, context):
    go_offline(desk, context)
    asked = []
    desk.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))

    desk.page.close(run_before_unload=True)
    context.pages[0].wait_for_event("close") if context.pages else None

    assert asked == ["beforeunload"]


def test_more_than_a_batch_holds_goes_as_several(desk, context, library):
    ada, barcode = library.member("Ada"), library.copy()
    go_offline(desk, context)
    desk.scan(ada.card, *(f"x{number}" for number in range(105)), barcode)

    context.set_offline(False)
    all_sent(desk.page)
    print(desk.words()[:5], len(desk.words()), desk.words()[-3:])
    desk.sees("Lent")
    assert library.holder(barcode) == ada.id
    assert len(batches(desk)) == 2


def test_offline_the_turn_goes_on_and_ends_as_it_would_have(desk, context, library):
    ada, grace = library.member("Ada"), library.member("Grace")
    one, two, three = (library.copy(title) for title in ("One", "Two", "Three"))
    library.lend(grace, two)
    library.lend(grace, three)
    desk.scan(ada.card)
    desk.sees("Ada")
    context.set_offline(True)

    desk.scan("first-to-notice", one)
    desk.sees("Waiting to be sent")
    desk.page.keyboard.press("Escape")
    desk.scan(two, three)
    context.set_offline(False)
    all_sent(desk.page)

    desk.sees("Returned", three)
    assert desk.words() == ["Returned", "Returned", "Lent", "Unknown code", "Card"]
    assert library.holder(one) == ada.id
