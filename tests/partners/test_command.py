"""Partner libraries from the command line."""

import io

import pytest
from django.core.management import CommandError, call_command

from integrations.partners.models import Partner

pytestmark = pytest.mark.django_db

KEY = "cdk_0123456789012345678901234567890123456789012"
URL = "https://library.example.org"


def partner(*arguments):
    said = io.StringIO()
    call_command("partner", *arguments, stdout=said)
    return said.getvalue()


def test_a_partner_is_registered_and_changed(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")

    said = partner("library 2", "--url", URL, "--key-from", str(tmp_path / "key"), "--position", "3")
    assert said == "library 2 is registered. API key: set.\n"
    assert (
        partner("LIBRARY 2", "--off", "--timeout", "0.5", "--card-prefix", "east")
        == "library 2 is changed. API key: set.\n"
    )

    made = Partner.objects.get()
    assert (made.base_url, made.api_key, made.position) == (URL, KEY, 3)
    assert (made.is_on, made.timeout, made.card_prefix, made.protocol) == (False, 0.5, "east", "circdesk")


def test_the_key_comes_from_the_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(KEY))

    partner("library 2", "--url", URL, "--key-from", "-")

    assert Partner.objects.get().api_key == KEY


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "This field cannot be blank."),
        (["--url", "http://10.0.0.1"], "10.0.0.1 is not on the public internet."),
        (["--url", URL, "--timeout", "3"], "Ensure this value is less than or equal to 2.0."),
        (["--url", URL, "--card-prefix", "a b"], "Write letters, digits, dots, hyphens and underscores."),
        (["--url", URL, "--key-from", "/nowhere"], "/nowhere cannot be read: "),
    ],
)
def test_what_cannot_be_registered_is_refused_in_a_sentence(arguments, problem):
    with pytest.raises(CommandError) as caught:
        partner("library 2", *arguments)

    assert problem in str(caught.value)
    assert not Partner.objects.exists()


def test_a_key_that_is_none_is_not_kept_and_not_shown(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY} and more"))

    with pytest.raises(CommandError) as caught:
        partner("library 2", "--url", URL, "--key-from", "-")

    assert str(caught.value) == "An API key has neither spaces nor letters beyond ASCII."
    assert not Partner.objects.exists()
