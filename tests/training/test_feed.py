"""Batches picked from a store on the device equal those read on the host, and so do the runs."""

import jax
import numpy as np
import pytest
from helpers.runs import NO_REPORT, folder_of_pairs, leaves_of, quick_experiment, rows_of

from p2p_jax.cli import main
from p2p_jax.config import Config, Data
from p2p_jax.data.loading import open_dataset, open_reader
from p2p_jax.devices.sharding import make_mesh
from p2p_jax.training import trainer
from p2p_jax.training.feed import open_store, open_stream


def opened(path, **data):
    config = Config(image_size=16, batch_size=2, data=Data(path=str(path), load_size=18, **data))
    return config, open_reader(open_dataset(config).splits["train"], config), make_mesh(2)


def test_the_store_holds_the_pairs_of_the_reader(side_by_side):
    config, reader, mesh = opened(side_by_side, cache="device")
    store = open_store(reader, config, mesh)
    read = open_stream(reader, config, mesh, start=3, counts=[1] * 5, indices_only=False)
    picked = open_stream(reader, config, mesh, start=3, counts=[1] * 5, indices_only=True)
    for _ in range(5):
        indices = next(picked)["index"]
        for name, pictures in next(read).items():
            assert np.array_equal(store[name][indices], pictures)
            assert len(pictures.sharding.device_set) == 2, "a batch is split over the devices"


@pytest.mark.parametrize("data", [{}, {"cache": "memory"}, {"cache": "none"}, {"cache": "device", "preprocess": "crop"}])
def test_there_is_no_store_where_it_does_not_fit_or_would_not_help(side_by_side, data):
    config, reader, mesh = opened(side_by_side, **data)
    assert open_store(reader, config, mesh) is None


def test_on_an_accelerator_the_store_is_the_default(side_by_side, monkeypatch):
    config, reader, mesh = opened(side_by_side)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert open_store(reader, config, mesh) is not None


@pytest.mark.slow
def test_a_run_is_the_same_wherever_its_pictures_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    pairs = folder_of_pairs(tmp_path / "pairs")
    options = ("--data.path", str(pairs), "--steps", "4", "--batch-size", "2")
    for cache in ("memory", "device"):
        line = ["train", quick_experiment(tmp_path), "--workdir", str(tmp_path / cache), *options, "--data.cache", cache]
        assert main(line) == 0
        assert 0 <= rows_of(tmp_path / cache)[-1]["data_wait"] < 1
    assert leaves_of(tmp_path / "memory") == leaves_of(tmp_path / "device")
