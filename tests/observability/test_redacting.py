"""What no line tells: secrets, and who people are; by the name that a value has, and by how it looks in a sentence."""

import logging
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.keys import BEGINNING
from config.observability import redacting
from config.observability.redacting import HIDDEN

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMiJ9.c2lnbmF0dXJl-_x"
KEY = f"{BEGINNING}{'aB3_-' * 8}xyz"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Redis does not answer.", "Redis does not answer."),
        ("Slow query: 350 ms", "Slow query: 350 ms"),
        ("Partner library 2 did not answer within 2 seconds.", "Partner library 2 did not answer within 2 seconds."),
        ("Authorization: Bearer abc.def", f"Authorization: {HIDDEN}"),
        ("sent bearer abcdefgh twice", f"sent bearer {HIDDEN} twice"),
        ("Basic dXNlcjpwYXNz", f"Basic {HIDDEN}"),
        (f"of token {JWT}.", f"of token {HIDDEN}"),
        (f"a key {KEY} was sent", f"a key {HIDDEN} was sent"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD= is it", f"{HIDDEN} is it"),
        ("to ada.lovelace+x@mail.example.org, now", f"to {HIDDEN}, now"),
        ("to <ädä@bücher.example>", f"to <{HIDDEN}>"),
        ("postgresql://circdesk:p@ss:w/ord@db.example.org:5432/x", f"postgresql://{HIDDEN}@db.example.org:5432/x"),
        ("redis://:secret@cache:6379/1 is away", f"redis://{HIDDEN}@cache:6379/1 is away"),
        ("GET /api/members/?search=Ada&limit=5 took", f"GET /api/members/?search={HIDDEN}&limit={HIDDEN} took"),
        ("password=hunter2, name=x", f"password={HIDDEN}, name=x"),
        ('{"password": "with \\" quotes", "a": 1}', f'{{"password": {HIDDEN}, "a": 1}}'),
        ("{'refresh_token': 'abc'}", f"{{'refresh_token': {HIDDEN}}}"),
        ("SECRET_KEY=abc", f"SECRET_KEY={HIDDEN}"),
        ("Cookie: sessionid=abc; csrftoken=def", f"Cookie: {HIDDEN}"),
        ("Key (email)=(ada@example.org) already exists.", f"Key (email)=({HIDDEN}) already exists."),
        (
            "Key (lower(first_name), last_name)=(ada, King (Lovelace)) already exists.",
            f"Key (lower(first_name), last_name)=({HIDDEN}) already exists.",
        ),
        (
            "DETAIL:  Failing row contains (26, Ada, Lovelace, (x), null).\nLINE 1",
            f"DETAIL:  Failing row contains ({HIDDEN}).\nLINE 1",
        ),
        ("card C00000026 of", f"card {HIDDEN} of"),
    ],
)
def test_sentences(said, told):
    assert redacting.text(said) == told
    assert redacting.text(told) == told


@pytest.mark.parametrize(
    "name",
    [
        *("password", "new_password", "SECRET_KEY", "api_key", "X-API-Key", "Authorization", "Proxy-Authorization"),
        *("access_token", "refresh", "csrfmiddlewaretoken", "sessionid", "Set-Cookie", "HTTP_COOKIE", "SENTRY_DSN"),
        *(
            "email",
            "e-mail",
            "first_name",
            "last_name",
            "member_name",
            "name",
            "username",
            "card_number",
            "REMOTE_ADDR",
        ),
    ],
)
def test_values_are_hidden_by_their_names_however_deep_they_are(name):
    assert redacting.value({"a": [{"b": ({name: "Lovelace"},)}]}) == {"a": [{"b": [{name: HIDDEN}]}]}
    assert redacting.value([(name, "Lovelace")]) == [[name, HIDDEN]]


@pytest.mark.parametrize(
    "name", ["message", "route", "status", "queries", "logger", "filename", "exc_type", "book_id", "branch", "keys"]
)
def test_what_says_nothing_of_anybody_is_told(name):
    assert redacting.value({name: "plain"}) == {name: "plain"}


def test_what_has_no_end_has_one_here():
    endless = {}
    endless["a"] = endless

    assert HIDDEN in str(redacting.value(endless))


class Odd:
    def __repr__(self):
        return "<Odd password=hunter2>"


@pytest.mark.parametrize("repeated", ["://", "csrf", "token", "eyJ.", "a@", "?a", ")=(", "secret_", "cookie ", "a=\\"])
def test_no_text_is_read_again_for_each_place_in_it(repeated, monkeypatch):
    monkeypatch.setattr(redacting, "LONG", 400_000)  # which would take minutes; otherwise, a tenth of a second
    signal.signal(signal.SIGVTALRM, _give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)
    try:
        told = redacting.text("=" + repeated * (400_000 // len(repeated)))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    assert told.startswith(("=", HIDDEN))


def _give_up(*_):
    raise TimeoutError


def test_what_is_neither_text_nor_number_is_told_as_text_and_looked_through():
    assert redacting.value({"x": Odd(), b"y": b"Bearer abcdef"}) == {
        "x": f"<Odd password={HIDDEN}",
        "b'y'": f"Bearer {HIDDEN}",
    }


secrets = st.sampled_from([JWT, KEY, "ada@example.org", "Bearer s3cr3t-value", "password=s3cr3t-value"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(before=st.text(), secret=secrets, after=st.text(), around=anything)
def test_no_surroundings_let_a_secret_through(before, secret, after, around):
    told = str(redacting.value([around, {"x": f"{before} {secret} {after}"}]))

    for hidden in (JWT, KEY, "ada@example.org", "s3cr3t-value"):
        assert hidden not in told


def test_lines_are_redacted_whoever_writes_them(lines):
    logger = logging.getLogger("tests.of.a.library")
    try:
        try:
            raise KeyError(KEY)
        except KeyError as error:
            raise ValueError("for ada@example.org") from error
    except ValueError:
        logger.exception("Sent %s to %s", JWT, "ada@example.org", extra={"parameters": ["q", KEY], "email": "x"})

    [line] = lines.of("tests.of.a.library")
    assert line["message"] == f"Sent {HIDDEN} to {HIDDEN}"
    assert line["parameters"] == ["q", HIDDEN]
    assert "email" not in line
    assert [each["exc_value"] for each in line["exception"]] == [f"for {HIDDEN}", f"'{HIDDEN}'"]
