"""Checkpoint files of the PyTorch original into a workdir, used like any other, and back."""

import json
import shutil
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers.runs import ROOT, crash, finished_run, folder_of_pairs, leaves_of, steps_of, stop_after
from helpers.weights import random_weights
from PIL import Image

import p2p_jax
from p2p_jax import experiment
from p2p_jax.cli import main
from p2p_jax.cli.argv import typed_value
from p2p_jax.config import Config, Data, Discriminator, Generator
from p2p_jax.config.presets import apply_preset
from p2p_jax.data.pictures import decode, of_file, write_picture
from p2p_jax.errors import INTERNAL_ERROR
from p2p_jax.pytorch import convert
from p2p_jax.pytorch.state_dict import read_state_dict, write_state_dict
from p2p_jax.state import NetworkState, TrainState
from p2p_jax.training import trainer
from p2p_jax.workdir import checkpoint, init_from, record

RESNET = Generator("resnet", width=2, num_blocks=1)
PATCHGAN = Discriminator("patchgan", num_layers=1, width=2)
QUICK = ("--data.load-size", "18", "--optimizer.learning-rate", "0.01", "--optimizer.schedule", "constant")


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves the time to draw curves."""
    monkeypatch.setattr(trainer, "_write_report", lambda *_: None)


def arrays_of(options, seed=0, channels=None, counts=11):
    in_channels = channels or (3 if isinstance(options, Generator) else 6)
    params, state = random_weights(options, in_channels, seed=seed)
    # Small weights and positive variances, so that the pictures are neither flat nor saturated.
    params = {name: {key: 0.3 * value for key, value in part.items()} for name, part in params.items()}
    state = {kind: {n: {"mean": s["mean"], "var": abs(s["var"])} for n, s in part.items()} for kind, part in state.items()}
    return convert.to_torch(options, params, state, counts=counts)


def write(folder: Path, **files) -> list[Path]:
    for name, arrays in files.items():
        write_state_dict(folder / f"{name}.pth", arrays)
    return [folder / f"{name}.pth" for name in files]


def run(command: str, *arguments) -> int:
    return main([command, *map(str, arguments)])


@cache
def files() -> tuple[Path, Path]:
    """latest_net_G and latest_net_D of a tiny resnet and a tiny PatchGAN."""
    g, d = write(ROOT / "pth", latest_net_G=arrays_of(RESNET), latest_net_D=arrays_of(PATCHGAN, 1))
    return g, d


@cache
def imported() -> Path:
    """A workdir with both. Copy it before you change it."""
    workdir = ROOT / "imported"
    assert run("import-torch", *files(), "--workdir", workdir, "--image-size", 16, "--direction", "BtoA") == 0
    return workdir


def copied(tmp_path: Path) -> Path:
    return shutil.copytree(imported(), tmp_path / "run")


def refused(capsys, *line) -> str:
    """The one line that a refused command prints."""
    assert run(*line) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def equal(a: Path, b: Path) -> bool:
    first, second = read_state_dict(a), read_state_dict(b)
    return list(first) == list(second) and all(first[n].tobytes() == second[n].tobytes() for n in first)


def test_a_round_trip_gives_the_same_files_bit_for_bit(tmp_path, capsys):
    assert run("export-torch", imported(), "--output", tmp_path / "out") == 0
    assert equal(tmp_path / "out" / "latest_net_G.pth", files()[0])
    assert equal(tmp_path / "out" / "latest_net_D.pth", files()[1])
    assert str(tmp_path / "out" / "latest_net_D.pth") in capsys.readouterr().out


def test_what_was_found_is_said_and_stored(tmp_path, capsys):
    assert run("import-torch", *files()[::-1], "--workdir", tmp_path / "run", "--image-size", 16, "--dropout", 0.2) == 0
    said = capsys.readouterr().out
    assert "resnet of 1 blocks, width 2, batch norm, 3 to 3 channels" in said
    assert "patchgan of 1 layers, width 2, batch norm, 6 to 1 channels" in said
    config = record.load_experiment(tmp_path / "run").config
    assert config.generator == Generator("resnet", width=2, num_blocks=1, dropout=0.2)
    assert config.discriminator == PATCHGAN
    assert (config.image_size, config.data.direction, config.data.input.channels) == (16, "AtoB", (3,))


@pytest.mark.parametrize(("depth", "size"), [(2, 256), (7, 128), (8, 256), (9, 512)])
def test_the_size_of_a_unet_follows_its_depth(tmp_path, depth, size):
    (path,) = write(tmp_path, G=arrays_of(Generator("unet", width=1, widths=(1,) * depth, dropout=0.0)))
    assert run("import-torch", path, "--workdir", tmp_path / "run") == 0
    assert record.load_experiment(tmp_path / "run").config.image_size == size


def picture(path: Path, size=(24, 20)) -> Path:
    random = np.random.default_rng(3)
    Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
    return path


def test_imported_networks_translate_at_the_pictures_own_scale(tmp_path):
    source = picture(tmp_path / "x.png")
    assert run("translate", imported(), source, "--output", tmp_path / "out") == 0
    made = np.asarray(Image.open(tmp_path / "out" / "x.png"))
    translator = p2p_jax.load(imported())
    np.testing.assert_array_equal(made, translator(np.asarray(Image.open(source))))
    assert run("translate", imported(), source, "--output", tmp_path / "small", "--resized") == 0
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "small" / "x.png")), made)


def test_the_three_modes_are_the_three_ways_of_the_original(tmp_path):
    x = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), np.uint8)
    made = {mode: p2p_jax.load(imported(), mode=mode)(x) for mode in ("picture", "running", "reference")}
    assert not np.array_equal(made["picture"], made["running"])
    assert not np.array_equal(made["picture"], made["reference"])
    for mode, statistics in (("picture", "batch"), ("running", "running")):
        found = convert.from_torch(read_state_dict(files()[0]), statistics=statistics)
        for picture_, result in zip(x, made[mode], strict=True):  # one by one, as the original tests
            y = found.network.apply(found.params, found.state, picture_[None] / np.float32(127.5) - 1, train=False)[0]
            assert abs(np.asarray(y[0] + 1) * 127.5 - result).max() < 0.51


def test_evaluation_needs_data_and_then_works(tmp_path, capsys):
    assert "give --data-path" in refused(capsys, "evaluate", imported())
    assert run("evaluate", imported(), "--data-path", folder_of_pairs(tmp_path / "pairs"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["step"] == 0


def moved(before, after):
    """The largest change of any weight between two trees of params."""
    return max(abs(after[layer][name] - value).max() for layer, part in before.items() for name, value in part.items())


@pytest.mark.slow
def test_training_goes_on_from_imported_networks_in_place_and_again(tmp_path, capsys):
    workdir, pairs = copied(tmp_path), folder_of_pairs(tmp_path / "pairs")
    before = checkpoint.restore_items(workdir, ("generator", "discriminator"))[0]
    line = ("train", "pix2pix", "--workdir", workdir, "--data.path", pairs, *QUICK)
    # Nothing is trained before there is a checkpoint: all but the networks may still change.
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
        assert 0.005 < moved(before[name]["params"], after[name]["params"]) < 0.0101
    capsys.readouterr()
    assert run(*line, "--steps", 3, "--keep", 1) == 0
    assert steps_of(workdir) == [0, 3], "the imported networks are kept"
    assert "Going on from step 2" in capsys.readouterr().out
    assert "batch_size is 1, not 2" in refused(capsys, *line, "--steps", 3, "--batch-size", 2)
    assert run("export-torch", workdir, "--output", tmp_path / "out") == 0
    old, new = (read_state_dict(path / "latest_net_G.pth") for path in (files()[0].parent, tmp_path / "out"))
    assert int(new["model.2.num_batches_tracked"]) == int(old["model.2.num_batches_tracked"]) + 3
    judge = read_state_dict(tmp_path / "out" / "latest_net_D.pth")
    assert int(judge["model.3.num_batches_tracked"]) == 11 + 3 * 3


@pytest.mark.slow
def test_fine_tuning_takes_architecture_and_size_from_the_run_it_starts_from(tmp_path):
    workdir, pairs = tmp_path / "new", folder_of_pairs(tmp_path / "pairs")
    line = ("train", "facades", "--init-from", imported(), "--workdir", workdir, "--data.path", pairs, *QUICK)
    assert run(*line, "--steps", 1) == 0
    config = record.load_experiment(workdir).config
    assert (config.generator, config.discriminator, config.image_size) == (RESNET, PATCHGAN, 16)
    before, after = (checkpoint.restore_params(path)[0] for path in (imported(), workdir))
    assert moved(before, after) < 0.0101


def test_a_generator_alone_trains_with_a_fresh_discriminator(tmp_path):
    workdir, pairs = tmp_path / "run", folder_of_pairs(tmp_path / "pairs")
    assert run("import-torch", files()[0], "--workdir", workdir, "--image-size", 16) == 0
    assert run("export-torch", workdir, "--output", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["latest_net_G.pth"]
    judge = ("--discriminator.width", "2", "--discriminator.num-layers", "1")
    assert run("train", "pix2pix", "--workdir", workdir, "--data.path", pairs, *QUICK, *judge, "--steps", 1) == 0
    assert any("discriminator" in name for name in leaves_of(workdir))


def test_networks_of_another_shape_are_refused_in_words():
    other = NetworkState({"stem": {"kernel": np.ones(3)}}, {}, None)
    fresh = TrainState(np.int32(0), np.int32(0), jax.random.key(0), other, other)
    with pytest.raises(ValueError, match=r"the generator in .* has other layers than this run's"):
        init_from.start_from(imported(), fresh)


def test_the_moving_average_is_what_is_exported(tmp_path):
    run_ = shutil.copytree(finished_run(), tmp_path / "run")
    record = json.loads((run_ / "experiment.json").read_text())
    record["config"]["generator"]["dropout_levels"] = "reference"  # which the original has, and no output depends on
    (run_ / "experiment.json").write_text(json.dumps(record))
    assert run("export-torch", run_, "--output", tmp_path / "plain") == 0
    items, step = checkpoint.restore_items(run_, ("generator", "discriminator"))
    generator = convert.from_torch(read_state_dict(tmp_path / "plain" / "latest_net_G.pth"))
    assert np.array_equal(generator.params["down0"]["kernel"], items["generator"]["params"]["down0"]["kernel"])
    assert set(generator.counts.values()) == {step}
    items["ema"] = jax.tree.map(lambda value: value / 2, items["generator"]["params"])
    shutil.rmtree(run_ / "checkpoints")
    checkpoint.save_networks(run_, items)
    assert run("export-torch", run_, "--output", tmp_path / "averaged") == 0
    averaged = convert.from_torch(read_state_dict(tmp_path / "averaged" / "latest_net_G.pth"))
    assert np.array_equal(averaged.params["down0"]["kernel"], items["ema"]["down0"]["kernel"])


OWN = """
import jax.numpy as jnp
from p2p_jax import pix2pix
from p2p_jax.config import Config, Data
from p2p_jax.network import Network
CONFIG = Config(data=Data(source="procedural"))
def build(config):
    model = pix2pix.build(config)
    def apply(*arguments, **options):
        y, state = model.generator.apply(*arguments, **options)
        return {change}, state
    return model._replace(generator=Network(model.generator.init, apply))
"""


@pytest.mark.parametrize("change", ["y", "-y"])
def test_an_own_composition_is_exported_only_if_it_computes_what_the_original_does(tmp_path, capsys, change):
    (tmp_path / "own.py").write_text(OWN.replace("{change}", change))
    workdir = copied(tmp_path)
    own = experiment.find(str(tmp_path / "own.py"))
    record.save_record(workdir, own._replace(config=record.load_experiment(imported()).config), None)
    if change == "y":
        assert run("export-torch", workdir, "--output", tmp_path / "out") == 0
    else:
        assert "computes something else" in refused(capsys, "export-torch", workdir, "--output", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_what_does_not_belong_together_is_refused(tmp_path, capsys):
    g, d = files()
    other = write(tmp_path, D=arrays_of(PATCHGAN, channels=4))[0]
    line = ("import-torch", "--workdir", tmp_path / "run")
    assert "second generator" in refused(capsys, *line, g, g)
    assert "is a discriminator" in refused(capsys, *line, d)
    assert "takes 4 channels" in refused(capsys, *line, g, other)
    assert "needs at least 16" in refused(capsys, *line, g, "--image-size", 15)
    assert "--dropout was given 1.5" in refused(capsys, *line, g, "--dropout", 1.5)
    assert "already holds a run" in refused(capsys, "import-torch", "--workdir", imported(), g)
    assert not (tmp_path / "run").exists()


def test_files_that_cannot_be_read_leave_what_is_there(tmp_path, capsys):
    workdir = copied(tmp_path)
    (tmp_path / "foreign.pth").write_text("not a checkpoint")
    write_state_dict(tmp_path / "other.pth", {"weight": np.ones(3, np.float32)})
    for name, words in (
        ("foreign.pth", "foreign.pth"),
        ("other.pth", "no network of the PyTorch original"),
        ("no.pth", "no.pth"),
    ):
        line = ("import-torch", "--workdir", workdir, "--overwrite", tmp_path / name)
        assert words in refused(capsys, *line)
    assert leaves_of(workdir) == leaves_of(imported())


def test_an_import_may_replace_a_run(tmp_path):
    workdir = shutil.copytree(finished_run(), tmp_path / "run")
    assert run("import-torch", files()[0], "--workdir", workdir, "--image-size", 16, "--overwrite") == 0
    assert steps_of(workdir) == [0]
    assert not (workdir / "metrics.jsonl").exists()


@pytest.mark.parametrize("moved", [[], ["checkpoints"], ["checkpoints", "imported.json"]])
def test_a_killed_import_is_done_again_and_until_then_there_is_no_run(tmp_path, capsys, moved):
    workdir = copied(tmp_path)
    (workdir / ".importing").mkdir()
    for path in list(workdir.iterdir()):
        if path.name not in (".importing", *moved):
            path.rename(workdir / ".importing" / path.name)
    assert "not the workdir of a run" in refused(capsys, "translate", workdir, ROOT, "--output", tmp_path / "out")
    assert run("import-torch", *files(), "--workdir", workdir, "--image-size", 16, "--direction", "BtoA") == 0
    assert sorted(path.name for path in workdir.iterdir()) == ["checkpoints", "experiment.json", "imported.json"]
    assert leaves_of(workdir) == leaves_of(imported())


def test_an_import_that_fails_leaves_the_run_that_it_was_to_replace(tmp_path, monkeypatch):
    workdir = shutil.copytree(finished_run(), tmp_path / "run")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_networks", fail)
    assert run("import-torch", files()[0], "--workdir", workdir, "--image-size", 16, "--overwrite") == 2
    assert leaves_of(workdir) == leaves_of(finished_run())


def test_an_export_replaces_nothing_unless_told_to(tmp_path, capsys):
    (tmp_path / "latest_net_D.pth").write_text("theirs")
    assert "latest_net_D.pth exists already" in refused(capsys, "export-torch", imported(), "--output", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["latest_net_D.pth"]
    assert run("export-torch", imported(), "--output", tmp_path, "--overwrite") == 0
    assert equal(tmp_path / "latest_net_D.pth", files()[1])


def test_a_network_of_four_channels_takes_pictures_of_four(tmp_path, capsys):
    options = Generator("resnet", width=2, num_blocks=0, dropout=0.0)
    (path,) = write(tmp_path, G=arrays_of(options, channels=4))
    workdir, pairs = tmp_path / "run", folder_of_pairs(tmp_path / "pairs", 1)
    assert run("import-torch", path, "--workdir", workdir, "--image-size", 16) == 0
    said = refused(capsys, "translate", workdir, pairs, "--output", tmp_path / "out")
    assert "has 3 channels, where 4 channels are expected: make it like those of training" in said
    write_picture(tmp_path / "four" / "1.png", np.zeros((16, 16, 4), np.uint8))
    assert run("translate", workdir, tmp_path / "four", "--output", tmp_path / "out") == 0
    assert decode(of_file(tmp_path / "out" / "1.png")).pixels.shape == (16, 16, 3)
    assert p2p_jax.load(workdir)(np.zeros((16, 16, 4), np.uint8)).shape == (16, 16, 3)
    said = refused(capsys, "train", "pix2pix", "--workdir", workdir, "--data.path", pairs)
    assert "has 3 channels, where 4 channels are expected" in said


@pytest.mark.filterwarnings("default")
def test_values_that_are_not_finite_are_imported_with_a_warning(tmp_path, capsys):
    arrays = arrays_of(RESNET)
    arrays["model.1.weight"][0, 0, 0, 0] = np.nan
    (path,) = write(tmp_path, G=arrays)
    assert run("import-torch", path, "--workdir", tmp_path / "run") == 0
    assert "holds values that are not finite" in capsys.readouterr().err


def test_damage_to_what_an_import_left_is_named(tmp_path, capsys):
    workdir = copied(tmp_path)
    (workdir / "imported.json").write_text("{")
    assert "imported.json is damaged" in refused(capsys, "export-torch", workdir, "--output", tmp_path / "out")


def test_networks_stay_those_of_the_run_they_are_from_whatever_the_preset():
    config = init_from.networks_of(
        apply_preset(Config(image_size=64, data=Data(load_size=64)), "tensorflow"), imported(), trust=False
    )
    assert config.generator == RESNET
    assert config.optimizer.update == "simultaneous"
    assert (config.image_size, config.data.load_size) == (16, None)


@pytest.mark.parametrize("line", [["--init-from", "x"], ["--init_from=x"], ["--init-from", "y", "--init_from", "x"]])
def test_options_that_decide_the_defaults_are_found_however_they_are_typed(line):
    assert typed_value(["train", "facades", *line], "--init-from") == "x"
