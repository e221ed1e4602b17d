"""Several processes: what is refused, how shares are cut, and how an end is told, whatever it was."""

import os
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest
from helpers.runs import QUICK, train

from experiments.checks import lost_process
from p2p_jax.cli import main, run_command, supervisor
from p2p_jax.cli.supervisor import needs_parent
from p2p_jax.config.distributed import PARENT, Distributed, check_distributed, is_asked_for
from p2p_jax.data.loading import batches, open_dataset, open_reader
from p2p_jax.devices import processes
from p2p_jax.workdir import checkpoint

BY_HAND = {"coordinator": "127.0.0.1:7801", "processes": 2, "index": 0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"auto": True, "index": 1}, "both --distributed.auto and --distributed.index were given"),
        ({"processes": 2, "index": 0}, "--distributed.processes was given without --distributed.coordinator"),
        ({"coordinator": "127.0.0.1:7801"}, "without --distributed.processes"),
        (BY_HAND | {"coordinator": "127.0.0.1"}, "give HOST:PORT"),
        (BY_HAND | {"coordinator": "host:99999"}, "give HOST:PORT"),
        (BY_HAND | {"processes": 0}, "it must be at least 1"),
        (BY_HAND | {"index": 2}, "with 2 processes it is 0 to 1"),
        ({"heartbeat": 0}, "--distributed.heartbeat was given 0: it must be at least 1 second"),
        ({"step_timeout": 0}, "--distributed.step-timeout was given 0"),
        ({"devices": (-1,)}, "give numbers from 0 on"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        check_distributed(Distributed(**options))


def test_options_that_fit_pass():
    for options in (Distributed(), Distributed(auto=True), Distributed(**BY_HAND)):
        check_distributed(options)
    assert not is_asked_for(Distributed(heartbeat=5))
    assert is_asked_for(Distributed(auto=True))
    check_distributed(Distributed(processes=2, index=1), apart=True)
    with pytest.raises(ValueError, match=r"without --distributed.processes: give processes, index, or auto alone"):
        check_distributed(Distributed(index=1), apart=True)


def test_other_gpus_are_left_alone_by_processes_that_no_coordinator_brings_together(monkeypatch):
    told = {}
    monkeypatch.setattr(processes.jax.config, "update", told.__setitem__)
    processes.start(Distributed())
    assert told == {}
    processes.start(Distributed(devices=(2,)))
    assert told == {"jax_cuda_visible_devices": "2", "jax_rocm_visible_devices": "2"}
    assert processes.start_apart(Distributed(processes=2, index=1, devices=(0, 1))) == (1, 2)
    assert told["jax_cuda_visible_devices"] == "0,1"


def test_processes_that_see_different_checkpoints_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "gather_lines", lambda lines: [*lines, "[3]"])
    said = "the processes see different checkpoints in .*: give all of them one workdir"
    with checkpoint.open_manager(tmp_path, keep=3) as manager, pytest.raises(ValueError, match=said):
        checkpoint.restore(manager, None)


def test_a_parent_is_needed_once(monkeypatch):
    assert needs_parent(["train", "quickstart", "--distributed.auto"])
    assert needs_parent(["train", "quickstart", "--distributed.step_timeout", "3"])
    assert not needs_parent(["train", "quickstart"])
    monkeypatch.setenv(PARENT, "1")
    assert not needs_parent(["train", "quickstart", "--distributed.auto"])


@pytest.mark.parametrize("number", [0, 1, 5, 8, 106])
@pytest.mark.parametrize("total", [1, 2, 3, 8])
def test_shares_hold_everything_once(monkeypatch, number, total):
    monkeypatch.setattr(processes.jax, "process_count", lambda: total)
    shares = []
    for index in range(total):
        monkeypatch.setattr(processes.jax, "process_index", lambda index=index: index)
        shares.append(list(processes.own_share(number)))
    assert [one for share in shares for one in share] == list(range(number))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_each_process_reads_its_part_of_every_batch_and_no_more():
    from experiments.checks.equalities import CONFIG

    reader = open_reader(open_dataset(CONFIG).splits["train"], CONFIG, ahead=False)
    assert set(reader.cache) == {0}, "one is read to learn how large they are"
    options = {"seed": 3, "batch_size": 8, "start": 5, "threads": 0, "read": False}
    whole = batches(reader, **options)
    parts = [batches(reader, shard=(index, 4), **options) for index in range(4)]
    for _ in range(6):
        together = np.concatenate([next(part)["index"] for part in parts])
        np.testing.assert_array_equal(together, next(whole)["index"])
    indices = set(next(batches(reader, shard=(1, 4), **options))["index"].tolist())
    next(batches(reader, shard=(1, 4), **(options | {"read": True})))
    assert set(reader.cache) == {0} | indices
    assert len(indices) == 2


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("sys.exit(3)", 3, ""),
        ("os.abort()", 75, "another process of this run was lost"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "this process was ended by SIGKILL"),
    ],
)
def test_a_parent_tells_what_ended_its_child(monkeypatch, capsys, end, code, said):
    monkeypatch.setattr(supervisor, "CHILD", f"import os, signal, sys; assert os.environ['{PARENT}']; {end}")
    assert supervisor.supervise([], "p2p-jax") == code
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == bool(said)


def test_an_error_of_a_severed_connection_asks_for_another_start(monkeypatch, capsys):
    def severed(_argv):
        try:
            raise jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed:  Connection reset by peer\nmore")
        except Exception as error:
            raise KeyError("of a library in between") from error

    with pytest.raises(KeyError):
        run_command(severed, [])
    monkeypatch.setenv(PARENT, "1")
    assert run_command(severed, []) == 75
    said = capsys.readouterr().err
    assert said.startswith(
        "p2p-jax: another process of this run was lost (UNKNOWN: Gloo all-reduce failed:  Connection reset"
    )
    assert said.count("\n") == 1


@pytest.mark.parametrize(("end", "code"), [("raise ValueError", 1), ("sys.exit(3)", 3), ("return 75", 75)])
def test_a_child_leaves_whatever_comes_of_it(end, code):
    program = (
        f"import sys; from p2p_jax import cli\nfrom p2p_jax.cli import child\ndef main(argv): {end}\n"
        "cli.main = main; child.run_child()"
    )
    assert subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL).returncode == code


def test_a_parent_hands_signals_on(monkeypatch):
    waits = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); time.sleep(60)"
    monkeypatch.setattr(supervisor, "CHILD", waits)
    began, before = time.monotonic(), signal.getsignal(signal.SIGTERM)
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    assert supervisor.supervise([], "p2p-jax") == 75
    assert time.monotonic() - began < 30
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_child_whose_parent_is_gone_ends():
    orphan = "import time; from p2p_jax.processes import _watch_parent; _watch_parent(); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", orphan], env=os.environ | {PARENT: "1"})
    assert child.wait(30) == 75


def test_a_watchdog_ends_what_hangs_and_only_that(capsys):
    ended = []
    with processes.watchdog(0.4, ended.append) as note:
        for _ in range(10):
            time.sleep(0.1)
            note()
        assert ended == []
        time.sleep(1)
    assert ended == [75]
    assert "no step has ended for 0.4 seconds" in capsys.readouterr().err
    with processes.watchdog(0.3, ended.append):
        pass
    time.sleep(0.6)
    assert ended == [75]


def test_a_batch_that_does_not_split_over_processes_is_refused(monkeypatch):
    from p2p_jax.devices.sharding import make_mesh

    devices = [type("Device", (), {"process_index": index})() for index in (0, 1)]
    with pytest.raises(ValueError, match="makes 3 pairs at a time: give a multiple of the 2 processes"):
        make_mesh(3, devices)


def test_pictures_are_translated_by_shares_and_those_that_are_there_left_out(tmp_path, capsys, side_by_side):
    (tmp_path / "quick.py").write_text(QUICK)
    run, out = tmp_path / "run", tmp_path / "out"
    pairs = ("--data.source", "folder", "--data.path", str(side_by_side))
    assert train(run, *pairs, "--steps", "1", name=str(tmp_path / "quick.py")) == 0
    line = ["translate", str(run), str(side_by_side), "--output", str(out)]

    def translated() -> set[str]:
        return {path.name for path in out.iterdir()}

    # As the children that a parent would start.
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


@pytest.mark.slow
def test_a_killed_process_ends_the_other_and_both_go_on_to_the_same_bits(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lost_process", "--steps", "30", "--kill-at", "10", "--heartbeat", "10"])
    assert lost_process.main() == 0
    assert "the same bits" in capsys.readouterr().out
