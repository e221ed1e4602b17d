"""The table of the presets against the original implementations' sources, and presets on the command line."""

import dataclasses
import json
from dataclasses import replace
from functools import partial
from itertools import permutations

import jax
import numpy as np
import pytest
from helpers.presets import KEY, SMALL, changed, values_for
from helpers.runs import DRAWN, NO_REPORT, leaves_of, steps_of, train

from p2p_jax import pix2pix
from p2p_jax.cli import main
from p2p_jax.config import Config
from p2p_jax.config.presets import PRESETS, apply_preset
from p2p_jax.config.tree import get_field
from p2p_jax.step import init_train_state, make_train_step
from p2p_jax.training import trainer

jit = jax.jit

# From the sources of the original implementations. Torch's BCECriterion adds 1e-12, too; the Adam of Torch, TensorFlow and
# Keras adds epsilon before the bias correction.
ORIGINALS = ("lua", "pytorch", "affinelayer", "tensorflow")
EXPECTED = {
    "loss.discriminator_weight": (1.0, 0.5, 1.0, 1.0),
    "optimizer.update": ("stale", "sequential", "stale", "simultaneous"),
    "loss.log_epsilon": (1e-12, 0.0, 1e-12, 0.0),
    "generator.bias": ("none", "reference", "all", "last"),
    "discriminator.bias": ("none", "reference", "all", "last"),
    "generator.bottleneck_norm": (False, False, True, True),
    "generator.dropout_levels": ("innermost", "reference", "innermost", "innermost"),
    "generator.leaky_slope": (0.2, 0.2, 0.2, 0.3),
    "discriminator.leaky_slope": (0.2, 0.2, 0.2, 0.3),
    "generator.post_activation": (False, False, False, True),
    "generator.skip": ("concat_decoder_first", "concat", "concat_decoder_first", "concat_decoder_first"),
    "generator.norm_epsilon": (1e-5, 1e-5, 1e-5, 1e-3),
    "discriminator.norm_epsilon": (1e-5, 1e-5, 1e-5, 1e-3),
    "generator.norm_momentum": (0.9, 0.9, 0.9, 0.99),
    "discriminator.norm_momentum": (0.9, 0.9, 0.9, 0.99),
    "generator.norm_stddev": (0.02, 0.02, 0.02, 0.0),
    "discriminator.norm_stddev": (0.02, 0.02, 0.02, 0.0),
    "optimizer.epsilon": (1e-8, 1e-8, 1e-8, 1e-7),
    "optimizer.epsilon_place": ("before_correction", "after_correction", "before_correction", "before_correction"),
    "optimizer.schedule": ("constant", "linear", "constant", "constant"),
    "data.resize": ("bilinear", "bicubic", "area", "nearest"),
}


def flat(config, prefix=""):
    """{dotted name: value}."""
    found = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        found |= flat(value, f"{prefix}{item.name}.") if dataclasses.is_dataclass(value) else {prefix + item.name: value}
    return found


def expected_of(preset):
    return {name: row[ORIGINALS.index(preset)] for name, row in EXPECTED.items()}


def test_there_is_a_preset_for_every_original():
    assert set(PRESETS) == set(ORIGINALS)


@pytest.mark.parametrize("preset", ORIGINALS)
def test_a_preset_sets_what_its_original_does_and_nothing_else(preset):
    assert flat(apply_preset(Config(), preset)) == flat(Config()) | expected_of(preset)
    typed = replace(
        changed(Config(), generator__width=7, optimizer__learning_rate=0.1, data__path="x", generator__norm="instance"),
        batch_size=3,
    )
    assert flat(apply_preset(typed, preset)) == flat(typed) | expected_of(preset)


def test_the_default_is_the_pytorch_original():
    assert apply_preset(Config(), "pytorch") == Config()


@pytest.mark.parametrize(("first", "then"), list(permutations(ORIGINALS, 2)))
def test_a_preset_resets_what_another_one_has_set(first, then):
    config = replace(Config(), batch_size=2)
    assert apply_preset(apply_preset(config, first), then) == apply_preset(config, then)
    assert apply_preset(config, first) != apply_preset(config, then)


def test_every_field_of_the_table_exists_and_is_one_that_all_presets_set_or_reset():
    for name in EXPECTED:
        assert type(get_field(Config(), name)) in (bool, float, str)
    assert set(PRESETS["pytorch"]) == set(EXPECTED)
    for table in PRESETS.values():
        assert set(table) <= set(EXPECTED)


def test_no_preset_leaves_the_config_alone_and_an_unknown_one_is_refused():
    config = changed(Config(), generator__skip="gated")
    assert apply_preset(config, None) is config
    with pytest.raises(ValueError, match=r"^there is no preset torch: it must be one of [a-z, ]+\.$") as caught:
        apply_preset(config, "torch")
    assert all(name in str(caught.value) for name in ORIGINALS)


@pytest.mark.exhaustive
def test_every_preset_trains_and_each_in_its_own_way():
    tiny = changed(replace(SMALL, dtype="float32"), generator__widths=(2, 3), discriminator__widths=(2, 3))
    random = np.random.default_rng(1)
    batch = {name: random.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for name in ("input", "target")}
    losses = {}
    for preset in ORIGINALS:
        model = pix2pix.build(apply_preset(tiny, preset))
        shapes = jax.eval_shape(partial(init_train_state, model=model, batch=batch), KEY).replace(key=None)
        state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes).replace(key=KEY)
        for name in ("generator", "discriminator"):
            network = getattr(state, name)
            params = jax.tree.map(np.float32, values_for(network.params))
            state = state.replace(**{name: network.replace(params=params)})
        after, metrics = jit(make_train_step(model))(state, batch)
        for before, leaf in zip(jax.tree.leaves(shapes), jax.tree.leaves(after.replace(key=None)), strict=True):
            assert (before.shape, before.dtype) == (leaf.shape, leaf.dtype)
            assert np.isfinite(leaf).all()
        losses[preset] = [float(metrics[f"{name}_loss"]) for name in ("generator", "discriminator")]
    assert np.isfinite(list(losses.values())).all()
    for one, other in permutations(ORIGINALS, 2):
        assert (abs(np.subtract(losses[one], losses[other])) > 1e-3).all(), (one, other)


@pytest.fixture
def quick(monkeypatch):
    """Skips the report, and compiles programs quickly."""
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    monkeypatch.setattr(jax, "jit", jit)


def stored(workdir):
    return json.loads((workdir / "experiment.json").read_text())["config"]


@pytest.mark.slow
def test_a_run_stores_its_preset_and_options_and_resumes_by_the_same_command(tmp_path, quick, capsys):
    typed = {"loss.discriminator_weight": 0.25, "optimizer.schedule": "constant"}
    unet = ("--generator.architecture", "unet", "--generator.widths", "2", "2")
    line = [*DRAWN, *unet, "--preset", "lua", "--loss.discriminator-weight", "0.25"]
    assert train(tmp_path, *line, "--steps", "1") == 0
    config = stored(tmp_path)
    for name, value in (expected_of("lua") | typed).items():
        part, field = name.split(".")
        assert config[part][field] == value, name
    # The run used the preset: no convolution has a bias.
    params = {name for name in leaves_of(tmp_path, 1) if name.startswith(("['generator']['params']", "['discriminator']"))}
    assert any("['kernel']" in name for name in params)
    assert not [name for name in params if "['bias']" in name and "_norm" not in name]

    assert train(tmp_path, *line, "--steps", "1") == 0
    assert "The run has done its 1 steps" in capsys.readouterr().out
    assert train(tmp_path, *line, "--steps", "2") == 0
    assert steps_of(tmp_path)[-1] == 2
    assert stored(tmp_path) == config | {"steps": 2}

    for other in (["--preset", "pytorch"], ["--preset=lua"]):  # another original, and another weight than the stored one
        assert train(tmp_path, *other, "--steps", "2") == 2
        assert "loss.discriminator_weight is 0.25, not" in capsys.readouterr().err
    assert stored(tmp_path) == config | {"steps": 2}


@pytest.mark.parametrize("options", [["--preset", "nonsense"], ["--preset=nonsense"]])
@pytest.mark.parametrize("command", ["train", "summary"])
def test_an_unknown_preset_ends_with_2_and_one_line(capsys, tmp_path, monkeypatch, command, options):
    monkeypatch.chdir(tmp_path)
    assert main([command, "quickstart", *options]) == 2
    message = capsys.readouterr().err
    assert message.startswith(
        "p2p-jax: --preset was given nonsense: it must be one of pytorch, lua, tensorflow, affinelayer"
    )
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_summary_shows_the_layers_of_a_preset(capsys):
    small = ["--image-size", "16", "--generator.width", "4", "--discriminator.width", "4", "--discriminator.num-layers=1"]
    shown = {}
    for options in ([], ["--preset", "affinelayer"], ["--preset", "affinelayer", "--generator.no-bottleneck-norm"]):
        assert main(["summary", "pix2pix", *small, *options]) == 0
        shown[len(options)] = [line.split()[1] for line in capsys.readouterr().out.splitlines() if "norm" in line]
    assert "down2_norm" in shown[0]
    assert set(shown[2]) - set(shown[0]) == {"down3_norm"}  # at the bottleneck, which is 1 x 1
    assert shown[3] == shown[0]
