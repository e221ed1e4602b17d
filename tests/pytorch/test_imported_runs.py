"""Imported networks are used like any others: they translate, are evaluated, trained further and fine-tuned."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import crash, folder_of_pairs, leaves_of, skip_report, steps_of, stop_after
from helpers.torch_runs import (
    PATCHGAN,
    QUICK,
    RESNET,
    arrays_of,
    copy_of_imported,
    files,
    imported,
    largest_change,
    refused,
    run,
    write,
)
from PIL import Image

import p2p_jax
from p2p_jax.config import Generator
from p2p_jax.data.pictures import decode, of_file, write_picture
from p2p_jax.errors import INTERNAL_ERROR
from p2p_jax.pytorch import convert
from p2p_jax.weight_files.state_dict import read_state_dict
from p2p_jax.workdir import checkpoint, record


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_report(monkeypatch)


def picture(path: Path, size=(24, 20)) -> Path:
    random = np.random.default_rng(3)
    Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
    return path


@pytest.mark.slow
def test_imported_networks_translate_at_the_pictures_own_scale(tmp_path):
    source = picture(tmp_path / "x.png")
    assert run("translate", imported(), source, "--output", tmp_path / "out") == 0
    made = np.asarray(Image.open(tmp_path / "out" / "x.png"))
    translator = p2p_jax.load(imported())
    np.testing.assert_array_equal(made, translator(np.asarray(Image.open(source))))
    assert run("translate", imported(), source, "--output", tmp_path / "small", "--resized") == 0
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "small" / "x.png")), made)


@pytest.mark.slow
def test_the_modes_are_the_ways_of_testing_of_the_pytorch_original(tmp_path):
    x = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), np.uint8)
    made = {mode: p2p_jax.load(imported(), mode=mode)(x) for mode in ("picture", "running", "reference")}
    assert not np.array_equal(made["picture"], made["running"])
    assert not np.array_equal(made["picture"], made["reference"])
    for mode, statistics in (("picture", "batch"), ("running", "running")):
        found = convert.from_torch(read_state_dict(files()[0]), statistics=statistics)
        for picture_, result in zip(x, made[mode], strict=True):  # one by one, as the PyTorch original tests
            y = found.network.apply(found.params, found.state, picture_[None] / np.float32(127.5) - 1, train=False)[0]
            assert abs(np.asarray(y[0] + 1) * 127.5 - result).max() < 0.51


@pytest.mark.slow
def test_evaluation_needs_data_and_then_works(tmp_path, capsys):
    assert "give --data-path" in refused(capsys, "evaluate", imported())
    assert run("evaluate", imported(), "--data-path", folder_of_pairs(tmp_path / "pairs"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["step"] == 0


@pytest.mark.slow
def test_imported_networks_are_trained_in_place_and_resumed(tmp_path, capsys):
    workdir, pairs = copy_of_imported(tmp_path), folder_of_pairs(tmp_path / "pairs")
    before = checkpoint.restore_items(workdir, ("generator", "discriminator"))[0]
    line = ("train", "pix2pix", "--workdir", workdir, "--data.path", pairs, *QUICK)
    # Before the first checkpoint, all options but those of the networks may still change.
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 0, crash)
        assert run(*line, "--steps", 500) == INTERNAL_ERROR
    assert "RuntimeError: a crash" in capsys.readouterr().err
    assert "imported with generator.width 2, not 3" in refused(capsys, *line, "--generator.width", 3)
    assert run(*line, "--steps", 2, "--checkpoint-every", 1, "--keep", 5) == 0
    assert steps_of(workdir) == [0, 1, 2]
    assert "would remove the imported networks" in refused(capsys, *line, "--steps", 2, "--overwrite")
    after = checkpoint.restore_items(workdir, ("generator", "discriminator"), 1)[0]
    for name in ("generator", "discriminator"):  # one step of Adam changes no weight by more than the rate
        assert 0.005 < largest_change(before[name]["params"], after[name]["params"]) < 0.0101
    capsys.readouterr()
    assert run(*line, "--steps", 3, "--keep", 1) == 0
    assert steps_of(workdir) == [0, 3], "the imported networks are kept"
    assert "Resuming from step 2" in capsys.readouterr().out
    assert "batch_size is 1, not 2" in refused(capsys, *line, "--steps", 3, "--batch-size", 2)
    assert run("export-torch", workdir, "--output", tmp_path / "out") == 0
    old, new = (read_state_dict(path / "latest_net_G.pth") for path in (files()[0].parent, tmp_path / "out"))
    assert int(new["model.2.num_batches_tracked"]) == int(old["model.2.num_batches_tracked"]) + 3
    discriminator = read_state_dict(tmp_path / "out" / "latest_net_D.pth")
    assert int(discriminator["model.3.num_batches_tracked"]) == 11 + 3 * 3


@pytest.mark.slow
def test_fine_tuning_uses_the_architecture_and_size_of_its_source(tmp_path):
    workdir, pairs = tmp_path / "new", folder_of_pairs(tmp_path / "pairs")
    line = ("train", "facades", "--init-from", imported(), "--workdir", workdir, "--data.path", pairs, *QUICK)
    assert run(*line, "--steps", 1) == 0
    config = record.load_experiment(workdir).config
    assert (config.generator, config.discriminator, config.image_size) == (RESNET, PATCHGAN, 16)
    before, after = (checkpoint.restore_params(path)[0] for path in (imported(), workdir))
    assert largest_change(before, after) < 0.0101


@pytest.mark.slow
def test_a_generator_alone_trains_with_a_fresh_discriminator(tmp_path):
    workdir, pairs = tmp_path / "run", folder_of_pairs(tmp_path / "pairs")
    assert run("import-torch", files()[0], "--workdir", workdir, "--image-size", 16) == 0
    assert run("export-torch", workdir, "--output", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["latest_net_G.pth"]
    discriminator = ("--discriminator.width", "2", "--discriminator.num-layers", "1")
    assert run("train", "pix2pix", "--workdir", workdir, "--data.path", pairs, *QUICK, *discriminator, "--steps", 1) == 0
    assert any("discriminator" in name for name in leaves_of(workdir))


@pytest.mark.slow
def test_a_network_of_four_channels_accepts_pictures_of_four_channels(tmp_path, capsys):
    options = Generator("resnet", width=2, num_blocks=0, dropout=0.0)
    (path,) = write(tmp_path, G=arrays_of(options, channels=4))
    workdir, pairs = tmp_path / "run", folder_of_pairs(tmp_path / "pairs", 1)
    assert run("import-torch", path, "--workdir", workdir, "--image-size", 16) == 0
    said = refused(capsys, "translate", workdir, pairs, "--output", tmp_path / "out")
    assert "has 3 channels, where 4 channels are expected: give pictures like those of training" in said
    write_picture(tmp_path / "four" / "1.png", np.zeros((16, 16, 4), np.uint8))
    assert run("translate", workdir, tmp_path / "four", "--output", tmp_path / "out") == 0
    assert decode(of_file(tmp_path / "out" / "1.png")).pixels.shape == (16, 16, 3)
    assert p2p_jax.load(workdir)(np.zeros((16, 16, 4), np.uint8)).shape == (16, 16, 3)
    said = refused(capsys, "train", "pix2pix", "--workdir", workdir, "--data.path", pairs)
    assert "has 3 channels, where 4 channels are expected" in said


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "model.netG.module."])
def test_a_generator_of_cut_is_imported_translates_and_is_exported(tmp_path, prefix):
    options = Generator("resnet", width=2, num_blocks=1, dropout=0.0, norm="affine_instance", antialias="both")
    arrays = arrays_of(options)
    (path,) = write(tmp_path, G={prefix + name: array for name, array in arrays.items()})
    workdir = tmp_path / "run"
    assert run("import-torch", path, "--workdir", workdir, "--image-size", 16) == 0
    assert record.load_experiment(workdir).config.generator == options
    x = np.random.default_rng(3).integers(0, 256, (1, 16, 24, 3), np.uint8)
    found = convert.from_torch(arrays)
    y = found.network.apply(found.params, found.state, x / np.float32(127.5) - 1, train=False)[0]
    assert abs(np.asarray(y + 1) * 127.5 - p2p_jax.load(workdir)(x)).max() < 0.51
    assert run("export-torch", workdir, "--output", tmp_path / "out") == 0
    exported = read_state_dict(tmp_path / "out" / "latest_net_G.pth")
    assert list(exported) == list(arrays)
    assert all(exported[name].tobytes() == array.tobytes() for name, array in arrays.items())


def test_spectral_norm_is_folded_when_a_file_is_imported(tmp_path):
    arrays = arrays_of(Generator("resnet", width=2, num_blocks=0, dropout=0.0, norm="none"))
    weight = arrays["model.1.weight"]
    u, sizes, v = np.linalg.svd(weight.reshape(weight.shape[0], -1), full_matrices=False)
    named = {"weight_orig": weight, "weight_u": u[:, 0].copy(), "weight_v": v[0].copy()}
    changed = {name: array for name, array in arrays.items() if name != "model.1.weight"}
    (path,) = write(tmp_path, G=changed | {f"model.1.{key}": array for key, array in named.items()})
    assert run("import-torch", path, "--workdir", tmp_path / "run", "--image-size", 16) == 0
    params = checkpoint.restore_params(tmp_path / "run")[0]
    np.testing.assert_allclose(params["stem"]["kernel"].transpose(3, 2, 0, 1), weight / sizes[0], rtol=1e-5)
