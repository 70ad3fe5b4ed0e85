"""A day at the desk, by scanner and keyboard alone."""

from tests.browser.conftest import AtDesk


def test_ten_copies_are_lent_and_come_back(desk, library):
    ada = library.member("Ada Lovelace")
    pile = [library.copy(f"Title {number}") for number in range(10)]

    desk.scan(ada.card, *pile)
    desk.sees("Lent", pile[-1])
    assert {library.holder(barcode) for barcode in pile} == {ada.id}
    assert "10" in desk.member.locator(".desk-numbers").inner_text()

    desk.page.keyboard.press("Escape")
    desk.scan(*pile)
    desk.sees("Returned", pile[-1])
    assert {library.status(barcode) for barcode in pile} == {"available"}
    assert desk.words() == ["Returned"] * 10 + ["Lent"] * 10 + ["Card"]
    assert len(desk.asked) == 21


def test_a_card_shows_whose_turn_it_is_until_escape(desk, library):
    ada = library.member("Ada Byron")

    desk.scan(ada.card)
    desk.sees("Ada Byron")
    assert "Ada Byron" in desk.member.inner_text()

    desk.page.keyboard.press("Escape")
    assert "Ada Byron" not in desk.member.inner_text()


def test_the_same_card_again_ends_the_turn(desk, library):
    ada, barcode = library.member("Ada"), library.copy()

    desk.scan(ada.card, ada.card, barcode)  # faster than the first answer comes
    desk.sees("Back to its shelf")

    assert desk.words() == ["Back to its shelf", "Turn ended", "Card"]
    assert library.status(barcode) == "available"


def test_the_next_card_is_the_next_turn(desk, library):
    ada, grace = library.member("Ada"), library.member("Grace Hopper")
    one, two = library.copy("One"), library.copy("Two")

    desk.scan(ada.card, one, grace.card, two)
    desk.sees("Lent", "Two")

    assert (library.holder(one), library.holder(two)) == (ada.id, grace.id)
    assert "Grace Hopper" in desk.member.inner_text()


def test_for_whom_a_copy_goes_to_the_hold_shelf(desk, library):
    ada, grace = library.member("Ada"), library.member("Grace Hopper")
    [barcode], book = library.copies()
    library.lend(ada, barcode)
    library.reserve(grace, book)

    desk.scan(barcode)
    desk.sees("Hold shelf", "Grace Hopper")

    desk.scan(grace.card)
    desk.member.get_by_text("Emma").wait_for()
    desk.page.keyboard.press("Alt+1")
    desk.sees("Lent", barcode)
    assert library.holder(barcode) == grace.id
    assert desk.member.locator(".desk-waits").count() == 0


def test_where_a_copy_is_sent_to(desk, library):
    ada, grace = library.member("Ada"), library.member("Grace")
    [barcode], book = library.copies()
    library.lend(ada, barcode)
    library.reserve(grace, book, branch="Harbour")

    desk.scan(barcode)
    desk.sees("Send to Harbour")
    desk.scan(barcode)
    desk.sees("Send to Harbour", "on its way")

    desk.page.keyboard.press("Alt+B")
    desk.page.keyboard.type("Harbour")
    desk.page.keyboard.press("Enter")
    desk.scan(barcode)
    desk.sees("Hold shelf")
    assert library.status(barcode) == "on_hold_shelf"
    assert AtDesk(desk.page, desk.url).open().page.locator("#desk-branch").input_value() == "Harbour"


def test_a_refusal_is_overridden_with_a_reason(desk, library):
    ada, barcode = library.member("Ada"), library.copy()
    library.ask("PATCH", f"members/{ada.id}/", {"blocked_reason": "Lost a card"})

    desk.scan(ada.card, barcode)
    desk.sees("Refused")
    assert "Lost a card" in desk.member.inner_text()

    desk.page.wait_for_selector("[name=reason]:focus")
    desk.page.keyboard.press("Enter")
    assert desk.page.get_by_text("Write a reason first.").is_visible()
    desk.page.keyboard.type("Brings it tomorrow", delay=40)
    desk.page.keyboard.press("Enter")
    desk.sees("Lent", barcode)
    assert library.holder(barcode) == ada.id
    assert desk.has_focus("#desk-code")


def test_a_refusal_is_left_as_it_is(desk, library):
    ada, barcode = library.member("Ada"), library.copy()
    library.ask("PATCH", f"members/{ada.id}/", {"blocked_reason": "Lost a card"})
    desk.scan(ada.card, barcode)
    desk.page.wait_for_selector("[name=reason]:focus")

    desk.page.keyboard.press("Escape")

    assert desk.has_focus("#desk-code")
    assert desk.page.locator("[name=reason]").count() == 0
    assert "Ada" in desk.member.inner_text()
    assert library.status(barcode) == "available"


def test_what_is_scanned_while_a_reason_is_asked_is_no_reason(desk, library):
    ada, barcode, other = library.member("Ada"), library.copy(), library.copy("Other")
    library.ask("PATCH", f"members/{ada.id}/", {"blocked_reason": "Lost a card"})
    desk.scan(ada.card, barcode)
    desk.page.wait_for_selector("[name=reason]:focus")

    desk.scan(other)
    desk.sees("Refused", other)

    assert library.status(barcode) == "available"


def test_a_loan_and_a_return_are_undone(desk, library):
    ada, barcode = library.member("Ada"), library.copy()
    desk.scan(ada.card, barcode)
    desk.sees("Lent")

    desk.page.keyboard.press("Control+z")
    desk.sees("Undone")
    assert library.status(barcode) == "available"

    library.lend(ada, barcode)
    desk.page.keyboard.press("Escape")
    desk.scan(barcode)
    desk.sees("Returned")
    desk.page.keyboard.press("Control+z")
    desk.sees("Undone", "again")
    assert library.holder(barcode) == ada.id

    desk.page.keyboard.press("Control+z")
    desk.page.get_by_text("There is nothing to undo.").wait_for()


def test_a_copy_that_a_member_has_is_renewed_or_returned(desk, library):
    ada, barcode = library.member("Ada"), library.copy()
    library.lend(ada, barcode)

    desk.scan(ada.card, barcode)
    desk.sees("Has it already")
    desk.page.keyboard.press("Alt+R")
    desk.sees("Renewed")

    desk.scan(barcode)
    desk.sees("Has it already")
    desk.page.keyboard.press("Alt+T")
    desk.sees("Returned")
    assert library.status(barcode) == "available"
    assert "Ada" in desk.member.inner_text()


def test_what_nobody_knows_is_said_so(desk):
    desk.scan("no-such-code")

    desk.sees("Unknown code", "No copy and no card has the code no-such-code.")


def test_every_key_is_shown_for_a_question_mark(desk):
    desk.page.keyboard.press("?")
    assert desk.page.get_by_role("dialog").get_by_text("Ctrl").is_visible()

    desk.page.keyboard.press("Escape")
    assert not desk.page.locator("#desk-help").is_visible()
    assert desk.has_focus("#desk-code")


def test_the_focus_comes_back_whatever_is_clicked(desk):
    for place in ("main h2 >> nth=0", "#desk-sound", "#desk-hint", "#main"):
        desk.page.locator(place).first.click(position={"x": 5, "y": 5})
        assert desk.has_focus("#desk-code")


def test_sound_is_off_until_somebody_switches_it_on(desk):
    sound = desk.page.locator("#desk-sound")
    assert sound.get_attribute("aria-pressed") == "false"

    desk.page.keyboard.press("Alt+S")
    assert (sound.get_attribute("aria-pressed"), sound.inner_text().split("\n")[-1]) == ("true", "Sound is on")


def test_nobodys_card_stays_on_the_desk(context, served, library):
    ada = library.member("Ada Lovelace")
    page = context.new_page()
    page.clock.install()
    desk = AtDesk(page, served).open()
    desk.scan(ada.card)
    desk.sees("Ada Lovelace")

    page.clock.run_for(61_000)
    page.get_by_text("Is it still the turn of Ada Lovelace?").wait_for()
    page.keyboard.press("Enter")
    page.clock.run_for(2_000)
    assert page.get_by_text("Is it still the turn of").count() == 0

    page.clock.run_for(121_000)
    desk.sees("Turn ended")
    assert "Ada Lovelace" not in desk.member.inner_text()
