"""Workers that answer, fail, hang or are interrupted. Nothing here depends on a clock."""

import pytest
from helpers.benchmark import TINY

from experiments.benchmark import measure, pool
from experiments.benchmark.options import Contestant, Options

ECHO = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if request.get("contestant", [""])[0] == "broken":
        sys.exit("out of luck")
    answer = {"platform": "cpu"} if request["do"] == "prepare" else 2.0
    print(json.dumps({"answer": answer}), flush=True)
"""


def test_a_contestant_that_fails_has_the_reason_in_its_row_and_the_others_continue(fake_worker):
    fake_worker(ECHO)
    rows = [Contestant("first", "jax"), Contestant("broken", "torch"), Contestant("last", "torch")]
    progress = []
    options = Options(rounds=2, steps=4)
    first, broken, last = measure.measure_case(TINY, rows, options, progress.append, parts=("step", "forward"))
    assert broken["failed"] == "its process ended with code 1: out of luck"
    assert "step" not in broken
    assert first["step"] == last["forward"] == [0.5, 0.5]
    assert first["peak"] == 2.0
    assert progress[1] == "broken: prepare"


def test_a_worker_that_does_not_answer_is_stopped(fake_worker):
    fake_worker("import sys; sys.stdin.read()")
    with pool.open_worker(0.01) as worker, pytest.raises(pool.WorkerFailed, match=r"no answer in 0\.01 s"):
        pool.ask(worker, "step")
    assert worker.process.returncode is not None


def test_workers_are_killed_when_the_program_is_interrupted(monkeypatch, fake_worker):
    fake_worker(ECHO)

    def interrupt(_):
        raise KeyboardInterrupt

    exit_codes = []
    original = pool.stop

    def stop(worker):
        original(worker)
        exit_codes.append(worker.process.returncode)

    monkeypatch.setattr(pool, "stop", stop)
    with pytest.raises(KeyboardInterrupt):
        measure.measure_case(TINY, [Contestant("first", "jax")], Options(), interrupt, parts=("step",))
    assert exit_codes == [-9]
