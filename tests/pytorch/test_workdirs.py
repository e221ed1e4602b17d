"""Checkpoint files of the PyTorch original: imported into a workdir, exported from one, and what is refused."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.runs import ROOT, change_record, finished_run, leaves_of, steps_of
from helpers.torch_runs import PATCHGAN, RESNET, arrays_of, copy_of_imported, files, imported, refused, run, write

import p2p_jax
from p2p_jax import experiment
from p2p_jax.config import Generator
from p2p_jax.pytorch import convert
from p2p_jax.weight_files.state_dict import read_state_dict, write_state_dict
from p2p_jax.workdir import checkpoint, lock, record


def equal(a: Path, b: Path) -> bool:
    first, second = read_state_dict(a), read_state_dict(b)
    return list(first) == list(second) and all(first[n].tobytes() == second[n].tobytes() for n in first)


def test_a_round_trip_gives_the_same_files_bit_for_bit(tmp_path, capsys):
    assert run("export-torch", imported(), "--output", tmp_path / "out") == 0
    assert equal(tmp_path / "out" / "latest_net_G.pth", files()[0])
    assert equal(tmp_path / "out" / "latest_net_D.pth", files()[1])
    assert str(tmp_path / "out" / "latest_net_D.pth") in capsys.readouterr().out


def test_the_recognised_networks_are_described_and_stored(tmp_path, capsys):
    assert run("import-torch", *files()[::-1], "--workdir", tmp_path / "run", "--image-size", 16, "--dropout", 0.2) == 0
    said = capsys.readouterr().out
    assert "resnet of 1 blocks, width 2, batch norm, 3 to 3 channels" in said
    assert "patchgan of 1 layers, width 2, batch norm, 6 to 1 channels" in said
    config = record.load_experiment(tmp_path / "run").config
    assert config.generator == Generator("resnet", width=2, num_blocks=1, dropout=0.2)
    assert config.discriminator == PATCHGAN
    assert (config.image_size, config.data.direction, config.data.input.channels) == (16, "AtoB", (3,))


def test_the_files_of_an_import_are_stored_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(files()[0].parent)
    assert run("import-torch", files()[0].name, "--workdir", tmp_path / "run", "--image-size", 16) == 0
    stored = json.loads((tmp_path / "run" / "imported.json").read_text())["files"]
    assert stored == [str(files()[0].absolute())]


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "size"), tiers([(2, 256), (7, 128), (8, 256), (9, 512)], 2, several=True))
def test_the_size_of_a_unet_follows_its_depth(tmp_path, depth, size):
    (path,) = write(tmp_path, G=arrays_of(Generator("unet", width=1, widths=(1,) * depth, dropout=0.0)))
    assert run("import-torch", path, "--workdir", tmp_path / "run") == 0
    assert record.load_experiment(tmp_path / "run").config.image_size == size


@pytest.mark.slow
def test_the_moving_average_is_exported(tmp_path):
    run_ = shutil.copytree(finished_run(), tmp_path / "run")
    record = json.loads((run_ / "experiment.json").read_text())
    record["config"]["generator"]["dropout_levels"] = "reference"  # as in the PyTorch original; no output depends on it
    change_record(run_, config=record["config"])
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spectral_norm": True}, "the PyTorch original has no spectral norm"),
        ({"projected": True}, "the PyTorch original has no discriminator of trained features"),
        ({"scales": 2}, "the PyTorch original has no discriminator at several scales"),
    ],
)
def test_a_discriminator_that_pytorch_has_not_is_left_out_with_a_warning(tmp_path, options, said):
    workdir = copy_of_imported(tmp_path)
    record = json.loads((workdir / "experiment.json").read_text())
    record["config"]["discriminator"] |= options
    change_record(workdir, config=record["config"])
    with pytest.warns(UserWarning, match=f"the discriminator is not exported: {said}"):
        paths = p2p_jax.export_torch(workdir, tmp_path / "out")
    assert [path.name for path in paths] == ["latest_net_G.pth"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["latest_net_G.pth"]


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


@pytest.mark.slow
@pytest.mark.parametrize("change", ["y", "-y"])
def test_an_experiments_own_network_is_exported_only_if_its_outputs_agree(tmp_path, capsys, change):
    (tmp_path / "own.py").write_text(OWN.replace("{change}", change))
    workdir = copy_of_imported(tmp_path)
    own = experiment.find(str(tmp_path / "own.py"))
    record.save_record(workdir, own._replace(config=record.load_experiment(imported()).config), None)
    if change == "y":
        assert run("export-torch", workdir, "--output", tmp_path / "out") == 0
    else:
        assert "does not compute the same" in refused(capsys, "export-torch", workdir, "--output", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_files_and_options_that_do_not_fit_are_refused(tmp_path, capsys):
    g, d = files()
    other = write(tmp_path, D=arrays_of(PATCHGAN, channels=4))[0]
    line = ("import-torch", "--workdir", tmp_path / "run")
    assert "second generator" in refused(capsys, *line, g, g)
    assert "is a discriminator" in refused(capsys, *line, d)
    assert "input has 4 channels" in refused(capsys, *line, g, other)
    assert "needs at least 16" in refused(capsys, *line, g, "--image-size", 15)
    assert "--dropout was given 1.5" in refused(capsys, *line, g, "--dropout", 1.5)
    assert "already holds a run" in refused(capsys, "import-torch", "--workdir", imported(), g)
    assert not (tmp_path / "run").exists()


def test_unreadable_files_leave_the_workdir_unchanged(tmp_path, capsys):
    workdir = copy_of_imported(tmp_path)
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


@pytest.mark.slow
def test_an_import_may_replace_a_run(tmp_path):
    workdir = shutil.copytree(finished_run(), tmp_path / "run")
    assert run("import-torch", files()[0], "--workdir", workdir, "--image-size", 16, "--overwrite") == 0
    assert steps_of(workdir) == [0]
    assert not (workdir / "metrics.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moved", [[], ["checkpoints"], ["checkpoints", "imported.json"]])
def test_a_killed_import_leaves_no_run_and_can_be_repeated(tmp_path, capsys, moved):
    workdir = copy_of_imported(tmp_path)
    (workdir / ".importing").mkdir()
    for path in list(workdir.iterdir()):
        if path.name not in (".importing", "lock", *moved):
            path.rename(workdir / ".importing" / path.name)
    assert "not the workdir of a run" in refused(capsys, "translate", workdir, ROOT, "--output", tmp_path / "out")
    assert run("import-torch", *files(), "--workdir", workdir, "--image-size", 16, "--direction", "BtoA") == 0
    assert sorted(path.name for path in workdir.iterdir()) == ["checkpoints", "experiment.json", "imported.json", "lock"]
    assert leaves_of(workdir) == leaves_of(imported())


def test_a_failed_import_leaves_the_old_run(tmp_path, monkeypatch):
    workdir = shutil.copytree(finished_run(), tmp_path / "run")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_networks", fail)
    assert run("import-torch", files()[0], "--workdir", workdir, "--image-size", 16, "--overwrite") == 2
    assert leaves_of(workdir) == leaves_of(finished_run())


CHECKOUT = ("train.py", "checkpoints/facades/latest_net_G.pth", "options/base_options.py", "README.md")


@pytest.mark.parametrize(
    "names",
    [CHECKOUT, ("thesis.tex",), (".git/config",), ("checkpoints/latest_net_G.pth",), ("imported.json",), ("lock",)],
    ids=lambda names: names[0],
)
@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_nothing_is_imported_into_a_folder_that_holds_other_things(tmp_path, capsys, names, options):
    for name in names:
        (tmp_path / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "theirs" / name).write_text(name)
    before = sorted((tmp_path / "theirs").rglob("*"))
    for _ in range(2):
        line = ("import-torch", *files(), "--workdir", tmp_path / "theirs", "--image-size", 16, *options)
        assert f"holds other things, such as {min(name.partition('/')[0] for name in names)}" in refused(capsys, *line)
        assert sorted((tmp_path / "theirs").rglob("*")) == before
        assert all((tmp_path / "theirs" / name).read_text() == name for name in names)


@pytest.mark.parametrize("name", ["file", "link", "experiment.json"])
def test_a_workdir_that_is_no_folder_of_a_run_is_refused(tmp_path, capsys, name):
    workdir = tmp_path / "run"
    if name == "file":
        workdir.write_text("mine")
    elif name == "link":
        workdir.symlink_to(copy_of_imported(tmp_path / "elsewhere"))
    else:
        workdir.mkdir()
        (workdir / "experiment.json").write_text('{"name": "thesis"}')
    before = sorted(tmp_path.rglob("*"))
    words = {"file": "is a file", "link": "is a link to", "experiment.json": "is not the record of a run"}[name]
    assert words in refused(capsys, "import-torch", *files(), "--workdir", workdir, "--overwrite")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_an_import_that_was_killed_in_somebody_elses_folder_removes_nothing_there(tmp_path, capsys, options):
    """The folder .importing is complete, but the folder checkpoints was there before."""
    workdir = copy_of_imported(tmp_path)
    (workdir / ".importing").mkdir()
    for name in ("checkpoints", "imported.json", "experiment.json"):
        (workdir / name).rename(workdir / ".importing" / name)
    (workdir / "checkpoints" / "facades").mkdir(parents=True)
    line = ("import-torch", *files(), "--workdir", workdir, "--image-size", 16, *options)
    assert "holds other things, such as checkpoints" in refused(capsys, *line)
    assert (workdir / "checkpoints" / "facades").is_dir()


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_nothing_is_imported_through_a_link(tmp_path, capsys, options):
    workdir = copy_of_imported(tmp_path) if options else tmp_path / "run"
    workdir.mkdir(exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").write_text("mine")
    (workdir / ".importing").symlink_to(tmp_path / "elsewhere")
    line = ("import-torch", *files(), "--workdir", workdir, "--image-size", 16, *options)
    assert ".importing is a link" in refused(capsys, *line)
    assert (tmp_path / "elsewhere" / "mine").read_text() == "mine"


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_an_import_into_a_workdir_in_use_is_refused(tmp_path, capsys, options):
    workdir = copy_of_imported(tmp_path) if options else tmp_path / "run"
    with lock.hold(workdir):
        line = ("import-torch", *files(), "--workdir", workdir, "--image-size", 16, *options)
        assert "is in use by process" in refused(capsys, *line)
        assert not options or leaves_of(workdir) == leaves_of(imported())


def test_a_failed_import_leaves_no_folder(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_networks", fail)
    assert run("import-torch", files()[0], "--workdir", tmp_path / "new" / "run", "--image-size", 16) == 2
    assert list(tmp_path.iterdir()) == []


def test_an_export_replaces_files_only_with_overwrite(tmp_path, capsys):
    (tmp_path / "latest_net_D.pth").write_text("theirs")
    assert "latest_net_D.pth exists already" in refused(capsys, "export-torch", imported(), "--output", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["latest_net_D.pth"]
    assert run("export-torch", imported(), "--output", tmp_path, "--overwrite") == 0
    assert equal(tmp_path / "latest_net_D.pth", files()[1])


@pytest.mark.filterwarnings("default")
def test_values_that_are_not_finite_are_imported_with_a_warning(tmp_path, capsys):
    arrays = arrays_of(RESNET)
    arrays["model.1.weight"][0, 0, 0, 0] = np.nan
    (path,) = write(tmp_path, G=arrays)
    assert run("import-torch", path, "--workdir", tmp_path / "run") == 0
    assert "holds values that are not finite" in capsys.readouterr().err


def test_a_damaged_file_of_an_import_is_named(tmp_path, capsys):
    workdir = copy_of_imported(tmp_path)
    (workdir / "imported.json").write_text("{")
    assert "imported.json is damaged" in refused(capsys, "export-torch", workdir, "--output", tmp_path / "out")
