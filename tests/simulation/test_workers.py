import pytest

from circulation.simulation.running import Run
from events import redis


@pytest.mark.parametrize("seed", [11, 12])
def test_with_eight_workers_everything_holds(simulate, seed):
    ran = simulate(seed=seed, events=100, workers=8)
    assert ran.failure is None, ran.out
    assert sum(line[3:7].strip() == "OK" for line in ran.out) == 8
    assert "No digest: with several workers, who comes first differs from run to run." in ran.out


def test_with_lending_on_return_everything_holds_too(simulate):
    # Two titles for twenty members: whatever comes first, most returns find somebody waiting.
    ran = simulate(seed=14, events=200, titles=2, members=20, workers=4, fulfil_on_return="loan")
    assert ran.failure is None, ran.out
    [returns] = [line for line in ran.out if line.startswith("return ")]
    assert " lent on" in returns


def test_workers_do_things_at_the_same_time(simulate, monkeypatch):
    """Otherwise the tests above would prove nothing."""
    at_work, most = [], []
    work = Run._work

    def counting(self, *arguments):
        perform = self.desk.perform

        def performed(event):
            at_work.append(event)
            most.append(len({id(event) for event in at_work}))
            outcome = perform(event)
            at_work.remove(event)
            return outcome

        if "perform" not in vars(self.desk):
            self.desk.perform = performed
        work(self, *arguments)

    monkeypatch.setattr(Run, "_work", counting)
    assert simulate(seed=15, events=100, workers=8).failure is None
    assert max(most) > 3


def refusing(call, *, insist=False):
    redis.logger.warning("Redis does not answer")
    return None if not insist else True


def test_without_a_cache_everything_holds_and_the_report_says_so(simulate, monkeypatch):
    monkeypatch.setattr(redis, "ask", refusing)
    ran = simulate(seed=16, events=20)
    assert ran.failure is None
    assert "            6 titles; the cache did not always answer" in ran.out
