"""The training loop: several steps in one call, calls dispatched ahead of their metrics, and the time lost to waiting."""

import errno
import shutil

import jax
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.runs import (
    DRAWN,
    LINEAR,
    NO_REPORT,
    SMALL,
    crash,
    finished_run,
    leaves_of,
    rows_of,
    steps_of,
    stop_after,
    train,
)

from p2p_jax.config import Config, Data
from p2p_jax.training import loop, previews, resolve_config, trainer
from p2p_jax.training.feed import plan_calls
from p2p_jax.workdir import checkpoint

IN_CALLS = (*LINEAR, "--steps-per-call", "3")
ITEMS = ("generator", "discriminator", "training")


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)


@pytest.mark.parametrize(
    ("per_call", "done", "steps", "planned"),
    [
        (1, 0, 3, [1, 1, 1]),
        (3, 0, 8, [3, 3, 2]),
        (3, 6, 8, [2]),
        (3, 8, 12, [1, 3]),
        (10, 0, 4, [4]),
        (4, 8, 8, []),
    ],
)
def test_calls_begin_at_multiples_and_end_with_the_run(per_call, done, steps, planned):
    assert list(plan_calls(Config(steps_per_call=per_call, steps=steps), done)) == planned


def resolved(config):
    return resolve_config.resolve_config(config, pairs=8, devices=1)


def test_the_default_is_one_step_on_a_cpu_and_several_on_an_accelerator(monkeypatch):
    uneven = Config(data=Data(preprocess="none"))
    assert resolved(Config()).steps_per_call == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert resolved(Config()).steps_per_call == resolve_config.STEPS_PER_CALL > 1
    assert resolved(Config(steps_per_call=3)).steps_per_call == 3
    assert resolved(uneven).steps_per_call == 1


def assert_close(run, other):
    (one, step), (two, other_step) = (checkpoint.restore_items(path, ITEMS) for path in (run, other))
    assert step == other_step
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=1e-3, atol=1e-5)


@pytest.mark.exhaustive
def test_several_steps_in_one_call_are_the_same_steps(tmp_path):
    assert train(tmp_path, *IN_CALLS) == 0
    assert_close(tmp_path, finished_run())
    rows, single = ({row["step"]: row for row in rows_of(path)} for path in (tmp_path, finished_run()))
    assert list(rows) == [3, 6, 8], "what is due within a call comes after it"
    assert steps_of(tmp_path) == [3, 6, 8]
    assert [path.name for path in sorted((tmp_path / "samples").iterdir())] == ["step_00000006.png", "step_00000008.png"]
    whole = (2 * single[2]["generator_l1"] + single[3]["generator_l1"]) / 3
    assert rows[3]["generator_l1"] == pytest.approx(whole, rel=1e-4), "the mean of all steps of a call"
    assert rows[8]["generator_l1"] == pytest.approx(single[8]["generator_l1"], rel=1e-4)
    assert rows[8]["learning_rate"] == single[8]["learning_rate"]


@pytest.mark.exhaustive
def test_several_steps_in_one_call_split_batches_over_devices(tmp_path):
    options = (*SMALL, "--steps", "4", "--batch-size", "2")
    assert train(tmp_path / "calls", *options, "--steps-per-call", "2") == 0
    assert train(tmp_path / "single", *options) == 0
    assert_close(tmp_path / "calls", tmp_path / "single")


@pytest.mark.slow
def test_a_crashed_run_of_calls_resumes_bit_for_bit(tmp_path, monkeypatch):
    options = (*IN_CALLS, "--data.cache", "device")
    assert train(tmp_path / "whole", *options) == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 2, crash)
        assert train(tmp_path / "crashed", *options) == 70
    assert steps_of(tmp_path / "crashed")[-1] < 8
    assert train(tmp_path / "crashed") == 0
    assert leaves_of(tmp_path / "crashed") == leaves_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--steps-per-call", "0"), "--steps-per-call was given 0: it must be at least 1"),
        (("--steps-per-call", "2", "--data.preprocess", "none"), "different sizes, which do not fit into one call"),
    ],
)
def test_impossible_steps_per_call_are_refused(tmp_path, capsys, options, said):
    assert train(tmp_path / "run", *DRAWN, "--steps", "2", *options) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_a_run_keeps_its_steps_per_call(tmp_path, capsys):
    shutil.copytree(finished_run(), tmp_path / "run")
    assert train(tmp_path / "run", "--steps-per-call", "2") == 2
    assert "steps_per_call is 1, not 2" in capsys.readouterr().err


@pytest.mark.slow
def test_a_loss_of_nan_is_found_within_a_call(tmp_path, capsys, monkeypatch):
    real = loop.find_program

    def spoiled(*args):
        program = real(*args)

        def run(*args, **kwargs):
            state, metrics = program(*args, **kwargs)
            return state, metrics | {"generator_gan": metrics["generator_gan"].at[1].set(np.nan)}

        return run

    monkeypatch.setattr(loop, "find_program", spoiled)
    assert train(tmp_path, *IN_CALLS) == 1
    assert "generator_gan became nan at step 2," in capsys.readouterr().err


@pytest.mark.slow
def test_metrics_are_read_after_later_calls_are_dispatched(tmp_path, monkeypatch):
    order = []
    find_program, fetch = loop.find_program, loop.fetch_metrics

    def noting(*args):
        program = find_program(*args)

        def run(*args, **kwargs):
            order.append("call")
            return program(*args, **kwargs)

        return run

    monkeypatch.setattr(loop, "find_program", noting)
    monkeypatch.setattr(loop, "fetch_metrics", lambda call: order.append(call.step) or fetch(call))
    assert train(tmp_path, *DRAWN, "--steps", "6", "--log-every", "2") == 0
    assert order == ["call", "call", "call", 1, "call", 2, "call", 3, "call", 4, 5, 6]
    assert [row["step"] for row in rows_of(tmp_path)] == [2, 4, 6]


def test_rows_record_the_fractions_of_time_lost_to_waiting():
    rows = {row["step"]: row for row in rows_of(finished_run())}
    names = ("data_wait", "compilation_wait", "sample_wait", "validation_wait", "checkpoint_wait")
    for step, row in rows.items():
        assert all(0 <= row[name] <= 1 for name in names)
        assert sum(row[name] for name in names) <= 1
        assert (row["compilation_wait"] > 0) == (step == 2)
        assert (row["sample_wait"] > 0) == (step in (4, 8))
        assert (row["validation_wait"] > 0) == (step in (3, 6, 8))
        assert (row["checkpoint_wait"] > 0) == (step in (4, 8)), "saving is over when the next row is written"
        assert row["pictures_per_second"] * row["seconds"] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("at", tiers([4, 8]))
def test_a_sample_grid_that_cannot_be_written_ends_the_run(tmp_path, capsys, monkeypatch, at):
    def full(path, columns):
        if path.name == f"step_{at:08d}.png":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(previews, "save_grid", full)
    assert train(tmp_path, *LINEAR) != 0
    assert "no space left on the disk" in capsys.readouterr().err
    assert steps_of(tmp_path) != []
