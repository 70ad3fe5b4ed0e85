"""Accounts at once: a token is renewed once, a name is given once, an erased member leaves nothing on loan."""

import time
from functools import partial
from threading import Event

import pytest
from django.db import IntegrityError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.exceptions import TokenInvalid
from accounts.models import User
from accounts.tokens import Pair, change_password, check, end, end_sign_ins, pair_for, renew
from circulation.members import delete
from circulation.models import Loan
from circulation.services import check_out
from library.models import Member
from library.registration import register
from tests.concurrency.library import new_member, new_title, violated
from tests.concurrency.races import PAUSE, race, unlocked
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10


def test_of_sixteen_renewals_of_one_token_one_gets_a_pair():
    user = UserFactory()
    for _ in range(ROUNDS):
        refresh = pair_for(user).refresh

        outcomes = race([partial(renew, refresh=refresh)] * 16)

        assert len(outcomes.done) == 1
        assert outcomes.refused == {"TOKEN_INVALID": 15}
    assert BlacklistedToken.objects.count() == ROUNDS
    assert OutstandingToken.objects.count() == 2 * ROUNDS


def test_a_token_that_is_renewed_and_ended_at_once_is_used_once():
    user = UserFactory()
    for _ in range(ROUNDS):
        refresh = pair_for(user).refresh

        outcomes = race([partial(renew, refresh=refresh), partial(end, refresh=refresh)] * 4)

        assert len(outcomes.done) == 1


def test_of_sixteen_who_sign_up_under_one_name_one_does(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for number in range(ROUNDS):
        names = [f"ada{number}", f"Ada{number}", f"ADA{number}", f"aDa{number}"]
        calls = [
            partial(register, username=name, password="a staple, correct", email=f"{name}.{i}@example.org", at=NOW)
            for i, name in enumerate(names * 4)
        ]

        outcomes = race(calls)

        assert len(outcomes.done) == 1
        assert outcomes.refused == {"DUPLICATE": 15}
    assert User.objects.count() == Member.objects.count() == ROUNDS


def test_whoever_ends_all_sign_ins_ends_those_that_are_being_renewed(settings):
    for _ in range(ROUNDS):
        user = UserFactory()
        pairs = [pair_for(user) for _ in range(6)]

        outcomes = race([*(partial(renew, refresh=pair.refresh) for pair in pairs), partial(end_sign_ins, user)])

        assert outcomes.errors == []
        left = [outcome for outcome in outcomes.done if isinstance(outcome, Pair)]
        for pair in [*pairs, *left]:
            with pytest.raises(TokenInvalid):
                check(pair.access)
            with pytest.raises(TokenInvalid):
                renew(refresh=pair.refresh)


def signed_up(number):
    return register(username=f"ada{number}", password="a staple, correct", email=f"{number}@example.org", at=NOW)


def writes_token(sql):
    return sql.startswith('INSERT INTO "token_blacklist_outstandingtoken"')


def slow_sign_ins(execute, sql, *rest):
    """Whoever signs in takes longer than an erasure, between reading the account and writing the token."""
    if writes_token(sql):
        time.sleep(4 * PAUSE)
    return execute(sql, *rest)


def test_an_account_may_go_while_it_signs_in_and_changes_its_password(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for number in range(ROUNDS // 2):
        member = signed_up(number)
        refresh = pair_for(member.user).refresh

        outcomes = race(
            [
                partial(delete, member_id=member.pk, at=NOW),
                *[partial(pair_for, member.user)] * 3,
                partial(renew, refresh=refresh),
                partial(end, refresh=pair_for(member.user).refresh),
                partial(change_password, member.user, password="another staple"),
            ],
            around=slow_sign_ins,
        )

        assert outcomes.errors == []
        assert set(outcomes.refused) <= {"TOKEN_INVALID"}
        assert not User.objects.filter(pk=member.user.pk).exists()
    assert not OutstandingToken.objects.exists()


def test_control_without_locks_only_the_foreign_key_keeps_a_token_from_losing_its_account(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    member = signed_up(1)
    read, erased = Event(), Event()

    def erase():
        assert read.wait(10)
        delete(member_id=member.pk, at=NOW)
        erased.set()

    def erased_in_between(execute, sql, *rest):
        if writes_token(sql):
            read.set()
            assert erased.wait(10)
        return execute(unlocked(sql), *rest)

    outcomes = race([erase, partial(pair_for, member.user)], around=erased_in_between)

    (error,) = outcomes.errors
    assert isinstance(error, IntegrityError)


def test_a_member_is_erased_or_borrows_but_not_both():
    both = set()
    for _ in range(ROUNDS):
        member, book = new_member(), new_title(copies=1)

        outcomes = race(
            [
                partial(delete, member_id=member.pk, at=NOW),
                partial(check_out, member_id=member.pk, book_id=book.pk, at=NOW),
            ]
        )

        refused = set(outcomes.refused)
        assert refused in ({"MEMBER_HAS_OPEN_LOANS"}, {"MEMBER_NOT_FOUND"})
        assert Loan.objects.filter(member=member.pk).exists() == (refused == {"MEMBER_HAS_OPEN_LOANS"})
        both |= refused
    assert violated() == set()
