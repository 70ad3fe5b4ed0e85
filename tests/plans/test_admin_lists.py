"""The lists of the admin at a big library: found by an index, counted no further than people turn pages."""

import pytest

# Pages of 8 kB: counting to 10,000 reads the most of them.
COUNTED = 3000


@pytest.mark.parametrize(
    ("path", "index", "most"),
    [
        ("library/book/", "library_book_pkey", COUNTED),
        ("library/book/?q=50000", "library_book_pkey", 500),
        ("library/copy/", "library_copy_pkey", COUNTED),
        ("library/copy/?q=50000-1", "one_copy_per_barcode", 100),
        ("library/member/", "library_member_pkey", COUNTED),
        ("library/member/?q=C00000777", "one_member_per_card", 200),
        ("circulation/loan/", "circulation_loan_pkey", COUNTED),
        ("circulation/loan/?state=open", "open_loan", COUNTED),
        ("circulation/loan/?q=50000-1", "one_copy_per_barcode", 500),
        ("reservations/reservation/", "reservations_reservation_pkey", COUNTED),
    ],
)
def test_a_list_and_its_search_are_read_in_part_and_by_an_index(plans_of, path, index, most):
    plans = plans_of(f"/admin/{path}")

    assert index in plans.indexes, str(plans)
    assert plans.pages <= most, str(plans)


@pytest.mark.parametrize(
    ("model", "field", "term", "index"),
    [
        ("library.copy", "book", "50000", "library_book_pkey"),
        ("notifications.preferences", "member", "C00000777", "one_member_per_card"),
    ],
)
def test_what_is_offered_while_typing_is_found_by_an_index(plans_of, model, field, term, index):
    app, name = model.split(".")

    plans = plans_of(f"/admin/autocomplete/?app_label={app}&model_name={name}&field_name={field}&term={term}")

    assert index in plans.indexes, str(plans)
    assert plans.pages <= 500, str(plans)


@pytest.mark.parametrize(("text", "index"), [("50000-1", "one_copy_per_barcode"), ("C00000777", "one_member_per_card")])
def test_one_field_that_finds_anything_looks_numbers_up(plans_of, text, index):
    plans = plans_of(f"/admin/search/?s={text}")

    assert index in plans.indexes, str(plans)
    assert plans.scanned == set(), str(plans)
    assert plans.pages <= 100, str(plans)
