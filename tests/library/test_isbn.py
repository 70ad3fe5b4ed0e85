"""ISBNs as people write them."""

import pytest

from library.isbn import normalised


@pytest.mark.parametrize(
    "text",
    [
        "9780141439587",
        "978-0-14-143958-7",
        "978 0 14 143958 7",
        "0141439580",
        "0-14-143958-0",
        " 0 14 143958 0 ",
        "978014143958７",
    ],
)
def test_an_isbn_is_kept_as_thirteen_digits(text):
    assert normalised(text) == "9780141439587"


def test_the_last_digit_of_an_old_isbn_may_be_an_x():
    assert normalised("043942089X") == normalised("0-439-42089-x") == "9780439420891"


def test_an_isbn_of_the_second_range_has_no_old_form():
    assert normalised("979-10-90636-07-1") == "9791090636071"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "978014143958",
        "97801414395870",
        "9780141439588",
        "0141439581",
        "977-0-14-143958-8",
        "ISBN",
        "٩٧٨٠١٤١٤٣٩٥٨٧",
        "9780141439587\0",
    ],
)
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError, match="is not an ISBN: its length or check digit is wrong"):
        normalised(text)
