"""The config: the paper's values, the length in steps, what may change, JSON there and back, and wrong values."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field, fields, replace

import pytest

from p2p_jax import config as configs
from p2p_jax.config import Config, Data, Discriminator, Generator, Loss, Optimizer, Side, resolve_length
from p2p_jax.config.checks import check_config
from p2p_jax.config.tree import differences, from_dict, get_field, to_dict

PAPER = {
    "image_size": 256,
    "epochs": 200,
    "steps": None,
    "batch_size": 1,
    "accumulate": 1,
    "dtype": "float32",
    "ema_decay": None,
    "generator.architecture": "unet",
    "generator.width": 64,
    "generator.norm": "batch",
    "generator.statistics": "batch",
    "generator.dropout": 0.5,
    "generator.skip": "concat",
    "generator.upsample": "transpose",
    "discriminator.architecture": "patchgan",
    "discriminator.num_layers": 3,
    "discriminator.width": 64,
    "discriminator.norm": "batch",
    "loss.adversarial": "bce",
    "loss.reconstruction": "l1",
    "loss.reconstruction_weight": 100.0,
    "loss.adversarial_weight": 1.0,
    "loss.discriminator_weight": 0.5,
    "loss.label_smoothing": 0.0,
    "loss.gradient_penalty": None,
    "optimizer.learning_rate": 2e-4,
    "optimizer.discriminator_learning_rate": None,
    "optimizer.beta1": 0.5,
    "optimizer.beta2": 0.999,
    "optimizer.epsilon": 1e-8,
    "optimizer.schedule": "linear",
    "optimizer.batch_rule": "none",
    "optimizer.warmup_steps": 0,
    "optimizer.clip": None,
    "data.load_size": None,
    "data.preprocess": "resize_and_crop",
    "data.resize": "bicubic",
    "data.input.kind": "image",
    "data.input.channels": (3,),
    "data.target.channels": (3,),
    "augment.flip": True,
    "augment.vertical_flip": False,
    "augment.quarter_turns": False,
    "augment.rotate": 0.0,
    "augment.zoom": 0.0,
    "augment.shift": 0.0,
    "data.val_fraction": 0.0,
    "data.test_fraction": 0.0,
}

RUNTIME = {
    "sharding", "model_parallel",
    "data.path", "data.tfds_dir", "data.threads", "data.processes", "data.cache", "data.cache_mib", "log_every",
    "sample_every", "checkpoint_every", "keep", "data.on_error",
    "best_metric", "val_pictures", "on_nan", "tensorboard", "native",
}  # fmt: skip

WRONG = {
    "image_size": 8,
    "batch_size": 0,
    "accumulate": 0,
    "epochs": 0,
    "steps": 0,
    "seed": -1,
    "log_every": 0,
    "sample_every": 0,
    "checkpoint_every": 0,
    "keep": 0,
    "val_pictures": 0,
    "generator.width": 0,
    "generator.num_blocks": -1,
    "generator.dropout": 1.0,
    "generator.group_size": 0,
    "discriminator.group_size": -1,
    "discriminator.num_layers": 0,
    "discriminator.width": 0,
    "optimizer.learning_rate": -1e-4,
    "optimizer.warmup_steps": -1,
    "data.count": 7,
    "data.threads": -1,
    "data.val_fraction": 1.0,
    "data.test_fraction": -0.1,
    "data.load_size": 255,
    "data.processes": -1,
    "data.input.channels": (3, 0),
    "data.target.channels": (),
    "data.input.colour_jitter": 1.0,
    "augment.rotate": -1.0,
    "augment.zoom": 1.0,
    "augment.shift": -0.1,
    "loss.label_smoothing": 1.0,
    "ema_decay": 1.0,
}


def change(config, name, value):
    """A config with one field, given by its dotted name, replaced."""
    first, _, rest = name.partition(".")
    return replace(config, **{first: change(getattr(config, first), rest, value) if rest else value})


def all_fields(config, prefix=""):
    for item in fields(config):
        value = getattr(config, item.name)
        if hasattr(value, "__dataclass_fields__"):
            yield from all_fields(value, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, value


@pytest.mark.parametrize("name", PAPER)
def test_the_defaults_are_those_of_the_paper(name):
    assert get_field(Config(), name) == PAPER[name]


def test_epochs_become_steps_by_whole_batches():
    config = resolve_length(Config(epochs=3, batch_size=4), 10)
    assert (config.steps, config.steps_per_epoch) == (6, 2)
    assert configs.steps_per_unit(config) == 2


def test_a_length_in_steps_stays_and_changes_the_rate_at_every_step():
    config = resolve_length(Config(epochs=None, steps=7), 10)
    assert (config.steps, config.steps_per_epoch) == (7, 10)
    assert configs.steps_per_unit(config) == 1


def test_resolving_twice_changes_nothing():
    config = resolve_length(Config(epochs=3), 10)
    assert resolve_length(config, 10) == config


def test_no_length_is_refused():
    with pytest.raises(ValueError, match="epochs or steps"):
        resolve_length(Config(epochs=None), 10)


def test_two_lengths_are_refused():
    with pytest.raises(ValueError, match="one of the two"):
        resolve_length(Config(epochs=3, steps=7), 10)


def test_a_batch_larger_than_the_training_set_is_refused():
    assert resolve_length(Config(batch_size=10), 10).steps == 200
    with pytest.raises(ValueError, match=r"batch size 11 .* 10 training pairs"):
        resolve_length(Config(batch_size=11), 10)


def test_differences_names_each_field_and_whether_it_may_change():
    new = Config(
        keep=5,
        seed=1,
        data=Data(path="x", direction="BtoA"),
        generator=Generator(widths=(1, 2)),
        optimizer=Optimizer(clip=1.0),
    )
    assert differences(Config(), new) == {
        "keep": (2, 5, True),
        "seed": (0, 1, False),
        "data.path": (None, "x", True),
        "data.direction": ("AtoB", "BtoA", False),
        "generator.widths": (None, (1, 2), False),
        "optimizer.clip": (None, 1.0, False),
    }
    assert differences(new, new) == {}


def test_exactly_the_fields_of_how_a_run_is_carried_out_may_change():
    changed = {}
    for name, _ in all_fields(Config()):
        changed |= differences(Config(), change(Config(), name, "something else"))
    assert {name for name, (_, _, runtime) in changed.items() if runtime} == RUNTIME
    assert len(changed) == len(list(all_fields(Config())))


def test_a_config_survives_json():
    config = resolve_length(
        Config(
            epochs=2,
            ema_decay=0.999,
            generator=Generator(widths=(2, 4, 8), remat=True),
            discriminator=Discriminator(norm="instance"),
            loss=Loss(adversarial="wasserstein", gradient_penalty=10.0),
            optimizer=Optimizer(discriminator_learning_rate=4e-4),
            data=Data(path="a/ü", load_size=(300, 400), input=Side(channels=(1, 3), range=(0.0, 4095.0))),
        ),
        10,
    )
    again = from_dict(Config, json.loads(json.dumps(to_dict(config))))
    assert again == config
    assert again.generator.widths == (2, 4, 8)


@dataclass(frozen=True)
class Extra:
    sizes: tuple[int, ...] = (1,)
    factor: float = 1.0


@dataclass(frozen=True)
class OwnConfig(Config):
    extra: Extra = field(default=Extra())
    maybe: Extra | None = None


def test_a_config_of_ones_own_survives_json():
    config = OwnConfig(extra=Extra((3, 4)), maybe=Extra((), 0.5))
    assert from_dict(OwnConfig, json.loads(json.dumps(to_dict(config)))) == config
    config = OwnConfig(seed=3)
    assert from_dict(OwnConfig, json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(("name", "values"), [("old", {"old": 1}), ("data.old", {"data": {"old": 1}})])
def test_a_stored_field_that_is_not_known_is_refused(name, values):
    with pytest.raises(ValueError, match=f"field {name},"):
        from_dict(Config, values)


def test_a_config_stored_before_a_field_was_there_has_its_default():
    values = to_dict(Config(batch_size=4, generator=Generator(statistics="picture")))
    del values["accumulate"]
    for part, name in (
        ("generator", "group_size"),
        ("discriminator", "group_size"),
        ("optimizer", "batch_rule"),
        ("optimizer", "warmup_steps"),
    ):
        del values[part][name]
    config = from_dict(Config, json.loads(json.dumps(values)))
    assert config == Config(batch_size=4, generator=Generator(statistics="picture"))
    assert configs.resolve_group_sizes(config, 2) == config


def groups(config):
    return config.generator.group_size, config.discriminator.group_size


def test_a_group_is_as_large_as_what_a_device_has_at_a_time_unless_it_was_given():
    by_group = Config(
        batch_size=16, generator=Generator(statistics="group"), discriminator=Discriminator(statistics="group")
    )
    assert groups(configs.resolve_group_sizes(by_group, 2)) == (8, 8)
    assert groups(configs.resolve_group_sizes(replace(by_group, accumulate=4), 2)) == (2, 2)
    settled = configs.resolve_group_sizes(change(by_group, "generator.group_size", 4), 2)
    assert groups(settled) == (4, 8)
    assert configs.resolve_group_sizes(settled, 1) == settled, "on other devices it stays"
    assert groups(configs.resolve_group_sizes(change(by_group, "discriminator.statistics", "batch"), 4)) == (4, None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"accumulate": 3}, "--accumulate was given 3: it must divide --batch-size 16."),
        (
            {"generator.statistics": "group", "generator.group_size": 5},
            "--generator.group-size was given 5: it must divide --batch-size 16.",
        ),
        (
            {"accumulate": 4, "discriminator.statistics": "group", "discriminator.group_size": 8},
            "--discriminator.group-size was given 8: it must divide the 4 pairs of each part, --batch-size / --accumulate.",
        ),
        (
            {"generator.group_size": 4},
            "--generator.group-size was given 4, but --generator.statistics is batch: give group, or "
            "--generator.group-size None.",
        ),
    ],
)
def test_parts_and_groups_that_do_not_divide_the_batch_are_refused(fields, said):
    config = Config(batch_size=16)
    for name, value in fields.items():
        config = change(config, name, value)
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        check_config(config)


def test_parts_and_groups_that_divide_the_batch_pass_the_check():
    config = Config(batch_size=16, accumulate=2, generator=Generator(statistics="group", group_size=8))
    check_config(config)


def test_the_defaults_pass_the_check():
    check_config(Config())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_under_the_name_of_its_option(name):
    value = WRONG[name]
    with pytest.raises(ValueError, match=f"^--{name.replace('_', '-')} was given {re.escape(str(value))}"):
        check_config(change(Config(), name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer.learning_rate", float("nan")),
        ("loss.label_smoothing", float("nan")),
        ("optimizer.beta1", 1.0),
        ("optimizer.clip", -1.0),
        ("optimizer.epsilon", -1.0),
        ("generator.widths", (2, 0)),
        ("ema_decay", -0.5),
    ],
)
def test_a_number_that_no_run_can_have_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^--{name.replace('_', '-')} was given"):
        check_config(change(Config(), name, value))


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "code",
    [
        "import p2p_jax.config, p2p_jax.cli, p2p_jax",
        "from p2p_jax.cli import main; assert main(['--help']) == 0",
        "from p2p_jax.cli import main; assert main(['train', '--help']) == 0",
    ],
)
def test_the_config_and_help_do_without_jax(code):
    none_loaded = "assert not [name for name in sys.modules if name.startswith(('jax.', 'jaxlib', 'flax'))]"
    done = run_python(f"import sys\nsys.modules['jax'] = None\n{code}\n{none_loaded}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("depth", "given", "said"),
    [
        ("8", (0, 4095), "8 bits hold 0 to 255"),
        ("16", (-1000, 3000), "16 bits hold 0 to 65535"),
        ("float", (0, float("inf")), "must be finite"),
        ("float", (1, 0), "first the smaller"),
    ],
)
def test_a_range_that_a_depth_cannot_hold_is_refused(depth, given, said):
    with pytest.raises(ValueError, match=rf"--data\.target\.range was given .*{said}"):
        check_config(Config(data=Data(target=Side(depth=depth, range=given))))


def test_a_width_below_that_of_the_crop_is_refused():
    with pytest.raises(ValueError, match="its width must be at least that of the crop, 64"):
        check_config(Config(image_size=64, data=Data(preprocess="scale_width_and_crop", load_size=48)))
    with pytest.raises(ValueError, match=r"--data\.load-size was given 0"):
        check_config(Config(image_size=64, data=Data(load_size=0)))
