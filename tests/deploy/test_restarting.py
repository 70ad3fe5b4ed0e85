"""Web servers that are restarted while librarians lend and take back: nobody notices."""

import signal

import pytest

from circulation.invariants import broken
from tests.deploy.conftest import COMMAND, Process
from tests.deploy.load import at_work
from tests.waiting import until

pytestmark = pytest.mark.slow


def some_more(staff, number=40):
    """Waits until so many requests more were answered, some of each librarian."""
    goal = [librarian.answered + number // len(staff) for librarian in staff]
    until(lambda: all(librarian.answered >= least for librarian, least in zip(staff, goal, strict=True)))


def failures(staff):
    return [failure for librarian in staff for failure in librarian.failures]


def test_two_web_servers_are_restarted_one_after_the_other_without_a_failed_request(service, proxy):
    """With keys and without, which nginx must not send twice."""
    with at_work(proxy.url, librarians=3) as careful, at_work(proxy.url, librarians=3, with_keys=False) as staff:
        some_more(staff + careful)
        for name, process in service.web.items():
            proxy.rest(name)
            some_more(staff + careful)  # what was sent there before has arrived
            assert process.stop() == 0
            some_more(staff + careful)
            process.start()
            process.wait_until_it_answers()
            proxy.wake(name)
            some_more(staff + careful)

        assert failures(staff + careful) == []
        assert {(librarian.reopened, librarian.repeated) for librarian in staff + careful} == {(0, 0)}  # nor noticed

    assert broken() == []


def test_the_processes_of_one_web_server_are_made_anew_without_a_failed_request(environment):
    """By SIGHUP. The clients are connected to it directly, and hear that the connections of a process that goes end."""
    web = Process(COMMAND["web"], environment | {"GRANIAN_WORKERS": "2", "GRANIAN_RESPAWN_INTERVAL": "4"})
    try:
        web.wait_until_it_answers()
        before = web.workers()
        with at_work(f"http://{web.address}", librarians=4) as careful:
            some_more(careful)
            web.tell(signal.SIGHUP)
            until(lambda: len(now := web.workers()) == 2 and not now & before)
            some_more(careful)
        assert failures(careful) == []
        # A connection on which nothing is asked ends without a word: what was just being sent there is sent again.
        assert sum(librarian.reopened + librarian.repeated for librarian in careful) >= 1
    finally:
        web.kill()


def test_a_web_server_that_is_told_to_end_finishes_what_it_answers(environment):
    """Whoever it answers is told that the connection ends; who comes later is refused at once, not left waiting."""
    web = Process(COMMAND["web"], environment)
    try:
        web.wait_until_it_answers()
        with at_work(f"http://{web.address}", librarians=4) as careful:
            some_more(careful)
            assert web.stop() == 0
        assert {failure.partition(": ")[2] for failure in failures(careful)} <= {
            "ConnectionRefusedError(111, 'Connection refused')"
        }
        assert [librarian.reopened + librarian.repeated for librarian in careful] == [1, 1, 1, 1]
    finally:
        web.kill()
