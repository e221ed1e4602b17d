"""Several processes: parts of the work, watchdogs, and the loss of a process."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.runs import QUICK, train

from experiments.checks import lost_process
from p2p_jax.cli import main
from p2p_jax.config.distributed import PARENT, Distributed
from p2p_jax.data.loading import batches, open_dataset, open_reader
from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.workdir import checkpoint


def test_independent_processes_hide_the_other_gpus_from_jax(monkeypatch):
    updates = {}
    monkeypatch.setattr(processes.jax.config, "update", updates.__setitem__)
    processes.start(Distributed())
    assert updates == {}
    processes.start(Distributed(devices=(2,)))
    assert updates == {"jax_cuda_visible_devices": "2", "jax_rocm_visible_devices": "2"}
    assert processes.start_independent(Distributed(processes=2, index=1, devices=(0, 1))) == (1, 2)
    assert updates["jax_cuda_visible_devices"] == "0,1"


@pytest.mark.parametrize("number", [0, 1, 5, 8, 106])
@pytest.mark.parametrize("total", [1, 2, 3, 8])
def test_every_index_belongs_to_exactly_one_process(monkeypatch, number, total):
    monkeypatch.setattr(processes.jax, "process_count", lambda: total)
    parts = []
    for index in range(total):
        monkeypatch.setattr(processes.jax, "process_index", lambda index=index: index)
        parts.append(list(processes.own_indices(number)))
    assert [index for part in parts for index in part] == list(range(number))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_child_ends_when_its_parent_has_ended():
    orphan = "import time; from p2p_jax.devices.processes import watch_parent; watch_parent(); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", orphan], env=os.environ | {PARENT: "1"})
    assert child.wait(30) == 75


@pytest.mark.slow
def test_a_watchdog_ends_only_a_process_that_hangs(capsys):
    ended = []
    with processes.watchdog(0.4, ended.append) as note:
        for _ in range(10):
            time.sleep(0.1)
            note()
        assert ended == []
        time.sleep(1)
    assert ended == [75]
    assert "no step has finished for 0.4 seconds" in capsys.readouterr().err
    with processes.watchdog(0.3, ended.append):
        pass
    time.sleep(0.6)
    assert ended == [75]


def test_processes_that_see_different_checkpoints_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "gather_lines", lambda lines: [*lines, "[3]"])
    said = "the processes see different checkpoints in .*: give all of them one workdir"
    with checkpoint.open_manager(tmp_path, keep=3) as manager, pytest.raises(UserError, match=said):
        checkpoint.restore(manager, None)


def test_each_process_reads_only_its_part_of_every_batch():
    from experiments.checks.equalities import CONFIG

    reader = open_reader(open_dataset(CONFIG).splits["train"], CONFIG, ahead=False)
    assert set(reader.cache) == {0}, "one pair is read for its size"
    options = {"seed": 3, "batch_size": 8, "start": 5, "threads": 0, "read": False}
    every = batches(reader, **options)
    parts = [batches(reader, shard=(index, 4), **options) for index in range(4)]
    for _ in range(6):
        together = np.concatenate([next(part)["index"] for part in parts])
        np.testing.assert_array_equal(together, next(every)["index"])
    indices = set(next(batches(reader, shard=(1, 4), **options))["index"].tolist())
    next(batches(reader, shard=(1, 4), **(options | {"read": True})))
    assert set(reader.cache) == {0} | indices
    assert len(indices) == 2


@pytest.mark.slow
def test_each_process_translates_its_part_and_skips_existing_pictures(tmp_path, capsys, side_by_side):
    (tmp_path / "quick.py").write_text(QUICK)
    run, out = tmp_path / "run", tmp_path / "out"
    pairs = ("--data.source", "folder", "--data.path", str(side_by_side))
    assert train(run, *pairs, "--steps", "1", name=str(tmp_path / "quick.py")) == 0
    line = ["translate", str(run), str(side_by_side), "--output", str(out)]

    def translated() -> set[str]:
        return {path.name for path in out.iterdir()}

    # Like the children that a parent starts
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PARENT, "1")
        assert main([*line, "--distributed.processes", "2", "--distributed.index", "0"]) == 0
        assert translated() == {"0.png", "2.png", "4.png"}
        assert main([*line, "--distributed.processes", "2", "--distributed.index", "1"]) == 0
    assert translated() == {f"{index}.png" for index in range(6)}
    (out / "3.png").unlink()
    times = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    capsys.readouterr()
    assert main([*line, "--skip-existing"]) == 0
    assert "5 of 6 pictures are translated already" in capsys.readouterr().out
    assert {path.name for path in out.iterdir() if times.get(path.name) != path.stat().st_mtime_ns} == {"3.png"}
    assert main([*line, "--skip-existing"]) == 0


@pytest.mark.exhaustive
def test_a_killed_process_ends_the_other_and_both_resume_to_the_same_bits(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lost_process", "--steps", "12", "--kill-at", "10", "--heartbeat", "10"])
    assert lost_process.main() == 0
    assert "the same bits" in capsys.readouterr().out
