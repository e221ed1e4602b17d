"""Batches after which losses or networks are not finite are skipped; the run equals one that never had them."""

import json
import shutil
import signal
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.runs import NO_REPORT, QUICK, ROOT, crash, folder_of_pairs, leaves_of, rows_of, steps_of, stop_after, train
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.console import open_console
from p2p_jax.data.loading import open_dataset, open_reader
from p2p_jax.devices.sharding import make_mesh
from p2p_jax.errors import NotFinite
from p2p_jax.training import loop, skipped_batches, trainer
from p2p_jax.training.feed import make_update, open_store, open_stream
from p2p_jax.training.skipped_batches import as_array, drop_skipped, find_index, next_index
from p2p_jax.workdir import checkpoint, record

BROKEN = (
    QUICK
    + """
import jax.numpy as jnp
build_whole = build

def build(config):
    model = build_whole(config)
    def reconstruction(fake, target):
        white = target.mean() > 0.9
        loss = model.reconstruction(fake, target)
        return FAULT
    return model._replace(reconstruction=reconstruction)
"""
)
VALUE = "jnp.where(white, jnp.nan, loss)"
SLOPE = "loss + 0 * jnp.sqrt(jnp.where(white, 0.0, 1.0) * jnp.abs(fake).sum())"


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)


@cache
def make_pairs():
    """Six pairs, of which the last is white."""
    pairs = folder_of_pairs(ROOT / "of_leaving_out" / "pairs", 5)
    Image.new("RGB", (64, 32), "white").save(pairs / "white.png")
    return str(pairs)


def start(folder, *options, workdir="run", fault=VALUE, on_nan="skip"):
    file = folder / "broken.py"
    file.write_text(BROKEN.replace("FAULT", fault))
    options = (*("--data.source", "folder", "--data.path", make_pairs(), "--on-nan", on_nan), *options)
    options = ("--steps", "12", "--checkpoint-every", "4", "--log-every", "1", "--keep", "9", *options)
    return train(folder / workdir, *options, name=str(file))


@cache
def whole_run():
    """A run of 12 steps that has skipped a batch in each of its three epochs; checkpoints 4, 8 and 12."""
    make_pairs()
    assert start(ROOT / "of_leaving_out", workdir="whole") == 0
    return ROOT / "of_leaving_out" / "whole"


def assert_as_whole(run):
    assert left_out_of(run, 12) == left_out_of(whole_run(), 12)
    assert leaves_of(run) == leaves_of(whole_run())
    same = ("step", "generator_l1", "discriminator_loss", "left_out")
    rows, whole = ([[row[name] for name in same] for row in rows_of(path)] for path in (run, whole_run()))
    assert rows == whole


def left_out_of(workdir, step):
    meta = json.loads((workdir / "checkpoints" / str(step) / "meta" / "metadata").read_text())
    return meta["left_out"]


@pytest.mark.parametrize("start", [0, 3, 5])
@pytest.mark.parametrize("left_out", [(), (3,), (4, 5), (3, 4, 7), (0, 9)])
def test_host_and_device_skip_the_same_batches(start, left_out):
    given = list(drop_skipped(range(start, 30), start, left_out))
    assert not set(given) & set(left_out)
    assert len(given) == 30 - start - sum(index >= start for index in left_out)
    assert [find_index(start, taken, left_out) for taken in range(8)] == given[:8]
    index, found = start, []
    for _ in range(8):
        found.append(int(next_index(np.int32(index), as_array(left_out))))
        index = found[-1] + 1
    assert found == given[:8]


def test_as_many_batches_in_a_row_as_allowed_are_skipped():
    row = range(5, 5 + skipped_batches.MAX_SKIPPED)
    assert int(next_index(np.int32(5), as_array(row))) == 5 + skipped_batches.MAX_SKIPPED == find_index(5, 0, row)


@pytest.mark.parametrize("per_call", tiers(["1", "5"], 0, slow=2))
@pytest.mark.parametrize("fault", tiers([VALUE, SLOPE]))
def test_the_batch_that_caused_a_nan_is_skipped(tmp_path, capsys, fault, per_call):
    assert start(tmp_path, "--steps-per-call", per_call, fault=fault) == 0
    said = capsys.readouterr().out
    assert said.count("(white) is skipped from now on") == 3
    left_out = left_out_of(tmp_path / "run", 12)
    assert [index // 6 for index in left_out] == [0, 1, 2], "once in each epoch"
    assert f"3 batches skipped: {', '.join(map(str, left_out))}." in said
    rows = {row["step"]: row for row in rows_of(tmp_path / "run")}
    assert list(rows) == (list(range(1, 13)) if per_call == "1" else [5, 10, 12])
    assert all(np.isfinite(list(row.values())).all() for row in rows.values())
    assert rows[12]["left_out"] == 3
    assert not any("finite" in name for name in rows[12])
    numbers = [left_out_of(tmp_path / "run", step) for step in steps_of(tmp_path / "run")]
    assert numbers == sorted(numbers)


@pytest.mark.slow
@pytest.mark.parametrize("flags", tiers([("--data.cache", "device"), ()]))
def test_a_run_with_skipped_batches_equals_a_run_without_them(tmp_path, flags):
    """The other run trains on the remaining batches; the index of a batch determines its pictures and random numbers."""
    assert start(tmp_path, *flags) == 0
    assert_as_whole(tmp_path / "run")
    config = record.load_experiment(tmp_path / "run", trust=True).config
    left_out = left_out_of(tmp_path / "run", 12)
    model = record.load_experiment(tmp_path / "run", trust=True).build(config)
    reader, mesh = open_reader(open_dataset(config).splits["train"], config), make_mesh(1)
    plain = replace(config, on_nan="stop")
    store = open_store(reader, plain, mesh)
    assert (store is not None) == bool(flags)
    update = make_update(model, plain, mesh, store)
    state = trainer.fresh_state(config, model, trainer.describe_state(config, model, mesh), None, open_console(quiet=True))
    stream = open_stream(reader, plain, mesh, start=0, counts=[1] * 15, indices_only=bool(flags))
    for index, batch in enumerate(stream):
        if index not in left_out:
            state, _ = update(state.replace(batch_index=jax.numpy.int32(index)), batch)
    expected = {np.asarray(leaf).tobytes() for leaf in jax.tree.leaves((state.generator, state.discriminator))}
    found = {leaf for place, leaf in leaves_of(tmp_path / "run", 12).items() if "training" not in place}
    assert found <= expected
    assert int(state.step) == 12


@pytest.mark.slow
@pytest.mark.parametrize("taken", tiers([1, 6]))
def test_an_interrupted_run_skips_the_same_batches(tmp_path, monkeypatch, taken):
    """Resumes from the state that was saved at the crash, or without it from the last checkpoint, with the same rows."""
    with monkeypatch.context() as patch:
        stop_after(patch, taken, crash)
        assert start(tmp_path) == 70
    shutil.copytree(tmp_path / "run", tmp_path / "killed")
    for step in steps_of(tmp_path / "killed"):
        if step % 4:
            shutil.rmtree(tmp_path / "killed" / "checkpoints" / str(step))
    assert start(tmp_path) == 0
    assert left_out_of(tmp_path / "run", 12) == left_out_of(whole_run(), 12)
    assert leaves_of(tmp_path / "run") == leaves_of(whole_run())
    assert start(tmp_path, workdir="killed") == 0
    assert_as_whole(tmp_path / "killed")


@pytest.mark.slow
def test_a_skip_before_the_first_checkpoint_starts_again_at_step_0(tmp_path):
    assert start(tmp_path, "--checkpoint-every", "100") == 0
    assert steps_of(tmp_path / "run") == [12]
    assert leaves_of(tmp_path / "run") == leaves_of(whole_run())


@pytest.mark.slow
def test_samples_and_rows_of_undone_steps_are_removed(tmp_path, monkeypatch):
    dropped = []
    real = trainer.drop_later
    monkeypatch.setattr(trainer, "drop_later", lambda *args: dropped.append(args[1]) or real(*args))
    assert start(tmp_path, "--sample-every", "1") == 0
    assert dropped == [0, 0, 4, 8], "the start, and where the run went back to"
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 12
    assert_as_whole(tmp_path / "run")


@pytest.mark.slow
def test_a_run_stopped_by_a_nan_resumes_with_on_nan_skip(tmp_path, capsys):
    assert start(tmp_path, on_nan="stop") == 1
    message = capsys.readouterr().err
    assert "became nan at step 4, so training stopped; no checkpoint" in message
    assert message.count("\n") == 1
    assert start(tmp_path, on_nan="skip") == 0
    assert_as_whole(tmp_path / "run")


@pytest.mark.slow
def test_networks_that_are_never_finite_end_the_run(tmp_path, monkeypatch, capsys):
    for module in (skipped_batches, trainer):
        monkeypatch.setattr(module, "MAX_SKIPPED", 3)
    always = VALUE.replace("white", "jnp.abs(fake).sum() > 0")
    assert start(tmp_path, fault=always) == 1
    output = capsys.readouterr()
    assert output.out.count("is skipped from now on") == 3
    assert "though 3 batches had been skipped before, so training stopped; no checkpoint had been written" in output.err
    assert steps_of(tmp_path / "run") == []


@pytest.mark.slow
def test_a_signal_before_the_restore_is_not_lost(tmp_path, monkeypatch):
    def fetch(call):
        try:
            return real(call)
        except NotFinite:
            signal.raise_signal(signal.SIGTERM)
            raise

    real = loop.fetch_metrics
    monkeypatch.setattr(loop, "fetch_metrics", fetch)
    assert start(tmp_path) == 75
    assert steps_of(tmp_path / "run") == [1]
    monkeypatch.setattr(loop, "fetch_metrics", real)
    assert start(tmp_path) == 0
    assert leaves_of(tmp_path / "run") == leaves_of(whole_run())


@pytest.mark.slow
def test_the_checksum_of_a_checkpoint_covers_its_skipped_batches(tmp_path):
    shutil.copytree(whole_run(), tmp_path / "run")
    meta = tmp_path / "run" / "checkpoints" / "12" / "meta" / "metadata"
    numbers = json.dumps(left_out_of(tmp_path / "run", 12))
    assert numbers in meta.read_text()
    meta.write_text(meta.read_text().replace(numbers, numbers.replace("13", "11")))
    with pytest.warns(UserWarning, match=r"checkpoint 12 .* damaged \(meta\)"):
        assert checkpoint.restore_params(tmp_path / "run")[2] == 8


@pytest.mark.slow
def test_checkpoints_of_older_versions_have_no_skipped_batches(tmp_path):
    shutil.copytree(whole_run(), tmp_path / "run")
    meta = tmp_path / "run" / "checkpoints" / "12" / "meta" / "metadata"
    kept = {name: value for name, value in json.loads(meta.read_text()).items() if name not in ("left_out", "checksum")}
    meta.write_text(json.dumps(kept))
    with checkpoint.open_manager(tmp_path / "run", keep=9) as manager:
        assert checkpoint.read_skipped(manager, 12) == ()
        assert checkpoint.read_skipped(manager, 8) == (3, 6)
    assert checkpoint.restore_params(tmp_path / "run")[2] == 12


@pytest.mark.slow
def test_the_report_shows_the_number_of_skipped_batches(tmp_path):
    shutil.copytree(whole_run(), tmp_path / "run")
    assert main(["report", str(tmp_path / "run"), "--trust"]) == 0
    assert "not finite after them: 3.</p>" in (tmp_path / "run" / "report" / "index.html").read_text()
