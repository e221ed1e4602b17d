"""A run from label maps with a segmentation discriminator, LabelMix, warps and noise resumes bit for bit."""

import signal

import pytest
from helpers.runs import SMALL, leaves_of, skip_report, stop_after, train

from p2p_jax.training import loop
from p2p_jax.training.feed import open_stream

OPTIONS = (
    *(*SMALL, "--steps", "4", "--data.input.kind", "labels", "--data.input.palette", "cmp"),
    *("--discriminator.architecture", "segmentation", "--discriminator.spectral-norm", "--discriminator.noise", "0.1"),
    *(
        "--loss.label-mix",
        "10",
        "--loss.penalty-every",
        "2",
        "--augment.input-warp",
        "0.05",
        "--augment.input-noise",
        "0.1",
    ),
)


@pytest.mark.slow
def test_a_run_with_all_pieces_for_label_maps_resumes_bit_for_bit(tmp_path, monkeypatch):
    skip_report(monkeypatch)
    assert train(tmp_path / "whole", *OPTIONS) == 0
    stop_after(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGTERM))
    assert train(tmp_path / "parts", *OPTIONS) == 75
    assert leaves_of(tmp_path / "parts") != leaves_of(tmp_path / "whole")
    monkeypatch.setattr(loop, "open_stream", open_stream)
    assert train(tmp_path / "parts", *OPTIONS) == 0
    assert leaves_of(tmp_path / "parts") == leaves_of(tmp_path / "whole")
