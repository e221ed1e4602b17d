"""The budget: threads stay within it, wait in turn, and never wait for each other in a cycle."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from p2p_jax.limits import budget
from p2p_jax.limits.budget import MIB, MemoryBudget, OverBudget, check_members, check_pages


class Meter:
    """The bytes that are in use, and their maximum."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def change(self, size: int) -> None:
        with self.lock:
            self.now += size
            self.most = max(self.most, self.now)


def run(threads: int, count: int, work) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, index) for index in range(count)]:
            future.result(timeout=60)


def test_sixteen_threads_stay_within_the_budget():
    shared, meter = MemoryBudget(100 * MIB), Meter()

    def work(index: int) -> None:
        size = (5 + index % 70) * MIB
        with shared.reserve(size):
            meter.change(size)
            time.sleep(0.002)
            meter.change(-size)

    run(16, 160, work)
    assert 50 * MIB < meter.most <= 100 * MIB


def test_jobs_that_hold_memory_and_need_more_do_not_wait_for_each_other():
    shared, meter = MemoryBudget(100 * MIB), Meter()

    def work(index: int) -> None:
        with shared.job():
            for _ in range(3):
                with shared.reserve(45 * MIB):
                    meter.change(45 * MIB)
                    time.sleep(0.001)
            meter.change(-3 * 45 * MIB)

    run(16, 48, work)
    assert meter.now == 0
    assert meter.most <= 4 * 45 * MIB, "two jobs hold one picture each, and only one of them gets its other two"


def test_a_job_keeps_its_memory_until_its_end_and_releases_it_after_an_error():
    shared = MemoryBudget(10 * MIB)
    done = threading.Event()

    def other() -> None:
        with shared.reserve(8 * MIB):
            done.set()

    thread = threading.Thread(target=other)

    def fail() -> None:
        with shared.job():
            with shared.job(), shared.reserve(8 * MIB):
                pass
            thread.start()
            assert not done.wait(0.1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert done.wait(5)
    thread.join()


def test_large_requests_are_not_overtaken_forever():
    shared, order = MemoryBudget(10 * MIB), []
    release = threading.Event()

    def hold() -> None:
        with shared.reserve(6 * MIB):
            release.wait(5)

    def ask(size: int) -> None:
        with shared.reserve(size * MIB):
            order.append(size)

    threads = [threading.Thread(target=hold), *(threading.Thread(target=ask, args=(size,)) for size in (10, 5))]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    assert order == []
    release.set()
    for thread in threads:
        thread.join(5)
    assert order == [10, 5]


def test_more_than_the_whole_budget_is_refused_at_once():
    with pytest.raises(OverBudget, match="needs 11 MiB of memory to be read, and at most 10 MiB are allowed"):
        MemoryBudget(10 * MIB).reserve(11 * MIB).__enter__()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_does_not_wait_for_the_threads_of_its_parent():
    shared = MemoryBudget(10 * MIB)
    with shared.reserve(10 * MIB):
        child = os.fork()
        if not child:
            thread = threading.Thread(target=lambda: shared.reserve(9 * MIB).__enter__(), daemon=True)
            thread.start()
            thread.join(5)
            os._exit(thread.is_alive())
        assert os.waitpid(child, 0)[1] == 0


def test_members_and_pages_are_limited(monkeypatch):
    monkeypatch.setattr(budget, "MEMBERS", 5)
    monkeypatch.setattr(budget, "PAGES", 3)
    check_members(5)
    check_pages(3)
    with pytest.raises(OverBudget, match="holds more than 5 members"):
        check_members(6)
    with pytest.raises(OverBudget, match="claims more than 3 pages"):
        check_pages(4)
