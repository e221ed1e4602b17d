"""Training on a prepared set in a bucket, with two processes of which one is killed while it fetches."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers import bucket_worker
from helpers.bucket_servers import serve_bucket, upload
from helpers.runs import NO_REPORT, leaves_of, quick_experiment
from helpers.sets import prepare_set

from experiments.checks.simulated import free_address
from p2p_jax.cli import main
from p2p_jax.training import trainer

COUNTS = {"train": 16, "test": 2}


class Group:
    """Two processes of one run; each has a cache of its own, as on two machines, or both share one."""

    def __init__(self, folder: Path, command: Sequence[str], caches: Sequence[str], seconds: Sequence[float]):
        address, self.logs, self.caches = free_address(), [], [folder / name for name in caches]
        distributed = (
            "--distributed.coordinator",
            address,
            "--distributed.processes",
            "2",
            "--distributed.heartbeat",
            "10",
        )
        environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
        environment["PYTHONPATH"] = os.pathsep.join(["tests", *sys.path])
        self.processes = []
        for index in range(2):
            self.logs.append(folder / f"{caches[index]}-{index}-{time.monotonic_ns()}.log")
            argv = [sys.executable, bucket_worker.__file__, str(self.logs[-1]), str(seconds[index])]
            own = environment | {"XDG_CACHE_HOME": str(self.caches[index])}
            argv += [*command, *distributed, "--distributed.index", str(index)]
            self.processes.append(subprocess.Popen(argv, env=own))

    def wait(self) -> list[int]:
        return [process.wait(240) for process in self.processes]

    def fetched(self, index: int) -> dict[str, int]:
        """{shard: bytes} that a process has fetched."""
        total: dict[str, int] = {}
        for line in self.logs[index].read_text().splitlines() if self.logs[index].exists() else ():
            name, size = line.split()
            if ".array_record" in name:
                total[name] = total.get(name, 0) + int(size)
        return total


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_set(tmp_path_factory.mktemp("prepared") / "sets", COUNTS)


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, bytes]:
    """The arrays of an undisturbed run of two processes on the set in a folder."""
    place = folder.parents[2]
    assert Group(place, train_command(place, place / "local", folder.parents[1]), ("x", "x"), (0, 0)).wait() == [0, 0]
    return leaves_of(place / "local", 6)


def train_command(tmp_path: Path, workdir: Path, place: str | Path) -> list[str]:
    command = ["train", quick_experiment(tmp_path), "--workdir", str(workdir), "--data.tfds", "mine"]
    command += ["--data.tfds-dir", str(place), "--steps", "6", "--batch-size", "4", "--checkpoint-every", "2"]
    return [*command, "--seed", "3", "--data.cache", "none"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("scheme", ["file", "s3", "gs"])
def test_a_run_whose_process_is_killed_while_it_fetches_ends_with_the_numbers_of_a_folder(
    scheme, folder, expected, tmp_path, monkeypatch
):
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.array_record*")}
    with serve_bucket(scheme, tmp_path / "bucket", monkeypatch) as url:
        upload(folder.parents[1], url)
        command = train_command(tmp_path, tmp_path / "remote", url)
        first = Group(tmp_path, command, ("a", "b"), (0.0, 0.2))
        while sum(first.fetched(1).values()) < 200_000:
            assert first.processes[1].poll() is None
            time.sleep(0.05)
        first.processes[1].kill()
        assert first.wait()[0] in (75, -6)  # another process of the run was lost
        partial = [path.stat().st_size for path in first.caches[1].rglob("partial/*")]
        assert any(0 < size < max(sizes.values()) for size in partial)
        second = Group(tmp_path, command, ("a", "b"), (0.0, 0.0))
        assert second.wait() == [0, 0]
        assert leaves_of(tmp_path / "remote", 6) == expected
        for index in range(2):
            total = sum((first.fetched(index) | {}).values()) + sum(second.fetched(index).values())
            assert total <= sum(sizes.values()) + 4 * 20_000, "only the reads that the kill interrupted are done again"


@pytest.mark.exhaustive
def test_two_processes_of_one_machine_fetch_each_shard_once(folder, tmp_path):
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.array_record*")}
    command = train_command(tmp_path, tmp_path / "run", f"file://{folder.parents[1]}")
    group = Group(tmp_path, command, ("a", "a"), (0.02, 0.02))
    assert group.wait() == [0, 0]
    both = [group.fetched(index) for index in range(2)]
    assert not set(both[0]) & set(both[1])
    assert all(both), "both processes fetch"
    assert both[0] | both[1] == sizes


@pytest.mark.slow
def test_a_run_moves_between_a_bucket_and_a_folder_and_is_evaluated_from_both(folder, tmp_path, monkeypatch, capsys):
    url, figures = f"file://{folder.parents[1]}", []
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    for place in (url, folder.parents[1]):
        assert main(train_command(tmp_path, tmp_path / "run", place)) == 0  # the second time there is nothing left to do
        assert (f"fetched from {url}/mine/1.0.0" in capsys.readouterr().out.replace("\n", "")) == (place == url)
        assert f'"tfds_dir": "{place}"' in (tmp_path / "run" / "experiment.json").read_text()
        assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0
        figures.append(capsys.readouterr().out)
    assert figures[0] == figures[1]
