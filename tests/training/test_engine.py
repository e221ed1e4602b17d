"""A run compiles its program before it creates the state, and then uses the program that was compiled ahead."""

import shutil
import signal

import pytest
from helpers.cases import tiers
from helpers.runs import (
    LINEAR,
    NO_REPORT,
    TINY,
    finished_run,
    folder_of_pairs,
    leaves_of,
    quick_experiment,
    steps_of,
    train,
)

from p2p_jax.cli import main
from p2p_jax.training import engine, trainer
from p2p_jax.workdir import checkpoint


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)


@pytest.fixture
def events(monkeypatch):
    """The events of a run in order: ("compiled", leading axes of a batch), "made" (a new state), "restored"."""
    finished_run()  # before events are recorded
    happened = []

    def noting(module, name, describe):
        real = getattr(module, name)

        def noted(*args, **kwargs):
            result = real(*args, **kwargs)
            if (event := describe(result, *args)) is not None:
                happened.append(event)
            return result

        monkeypatch.setattr(module, name, noted)

    noting(engine, "compile_and_release", lambda _, update, state, batch: ("compiled", _leading(batch)))
    noting(trainer, "fresh_state", lambda *_: "made")
    noting(checkpoint, "restore", lambda found, *_: found and "restored")
    return happened


def run_quick(folder, *options):
    """Trains the smallest networks on pairs from a folder."""
    if not (folder / "pairs").exists():
        folder_of_pairs(folder / "pairs")
    line = ["train", quick_experiment(folder), "--workdir", str(folder / "run"), "--data.path", str(folder / "pairs")]
    return main([*line, *options])


def _leading(batch):
    """The leading axes of a batch: (batch,) or (steps, batch)."""
    return batch["index"].shape if "index" in batch else batch["input"].shape[:-3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "shape"),
    tiers(
        [
            (("--batch-size", "2"), (2,)),
            (("--batch-size", "2", "--steps-per-call", "2"), (2, 2)),
            (("--batch-size", "3", "--data.cache", "device"), (3,)),
            (("--data.preprocess", "crop"), (1,)),
            (("--data.preprocess", "pad"), (1,)),
            (("--data.cache", "none", "--batch-size", "4"), (4,)),
            (("--data.input.kind", "labels", "--data.input.palette", "#ffffff", "#000000"), (1,)),
        ],
        fast=1,
        slow=2,
        several=True,
    ),
)
def test_one_program_compiled_before_the_state_serves_the_whole_run(tmp_path, events, options, shape):
    assert run_quick(tmp_path, "--steps", "4", *options) == 0
    assert events == [("compiled", shape), "made"]


@pytest.mark.slow
def test_pictures_of_varying_sizes_are_compiled_when_they_occur(tmp_path, events):
    assert run_quick(tmp_path, "--steps", "2", "--data.preprocess", "none") == 0
    assert events == ["made", ("compiled", (1,))]


@pytest.mark.slow
def test_a_last_call_of_fewer_steps_has_its_own_program(tmp_path, events):
    assert run_quick(tmp_path, "--steps", "5", "--steps-per-call", "3") == 0
    assert events == [("compiled", (3, 1)), "made", ("compiled", (2, 1))]
    assert run_quick(tmp_path, "--steps", "6") == 0
    assert events[3:] == ["restored", ("compiled", (1, 1))]


@pytest.mark.slow
def test_a_resumed_run_creates_no_new_state(tmp_path, events):
    shutil.copytree(finished_run(), tmp_path / "run")
    assert train(tmp_path / "run", "--steps", "9") == 0
    assert events == [("compiled", (1,)), "restored"]


@pytest.mark.slow
def test_a_finished_run_compiles_nothing(tmp_path, events):
    shutil.copytree(finished_run(), tmp_path / "run")
    assert train(tmp_path / "run") == 0
    assert events == ["restored"]
    assert leaves_of(tmp_path / "run") == leaves_of(finished_run())


@pytest.mark.exhaustive
def test_networks_to_start_from_are_loaded_before_compilation_because_they_may_not_fit(tmp_path, events):
    assert train(tmp_path / "new", *LINEAR, "--init-from", str(finished_run())) == 0
    assert events == ["made", ("compiled", (1,))]
    other = (*TINY, "--steps", "2", "--generator.num-blocks", "1", "--generator.architecture", "resnet")
    assert train(tmp_path / "other", *other, "--init-from", str(finished_run())) == 2
    assert not (tmp_path / "other").exists() or not any((tmp_path / "other").iterdir())


@pytest.mark.slow
def test_a_signal_while_the_step_is_compiled_ends_the_run_after_its_next_step(tmp_path, monkeypatch):
    real = trainer.compile_ahead
    monkeypatch.setattr(trainer, "compile_ahead", lambda *args: signal.raise_signal(signal.SIGTERM) or real(*args))
    assert run_quick(tmp_path, "--steps", "4") == 75
    assert steps_of(tmp_path / "run") == [1]
