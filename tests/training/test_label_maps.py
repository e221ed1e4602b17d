"""A run from label maps with a segmentation discriminator, LabelMix, warps and noise resumes bit for bit."""

import shutil

import pytest
from helpers.runs import SMALL, leaves_of, skip_report, steps_of, train

OPTIONS = (
    *(*SMALL, "--steps", "2", "--checkpoint-every", "1", "--data.input.kind", "labels", "--data.input.palette", "cmp"),
    *("--discriminator.architecture", "segmentation", "--discriminator.noise", "0.1"),
    *("--loss.label-mix", "10"),
    *("--augment.input-warp", "0.05", "--augment.input-noise", "0.1"),
)


@pytest.mark.slow
def test_a_run_with_all_pieces_for_label_maps_resumes_bit_for_bit(tmp_path, monkeypatch):
    skip_report(monkeypatch)
    assert train(tmp_path / "whole", *OPTIONS) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    shutil.rmtree(tmp_path / "resumed" / "checkpoints" / "2")
    assert steps_of(tmp_path / "resumed") == [1]
    assert train(tmp_path / "resumed", *OPTIONS) == 0
    assert leaves_of(tmp_path / "resumed") == leaves_of(tmp_path / "whole")
