"""Values that no run can have are refused under the names of their options."""

import re
import subprocess
import sys

import pytest
from helpers.configs import change

from p2p_jax.config import Config, Data, Generator, Loss, Side
from p2p_jax.config.checks import check_config
from p2p_jax.errors import UserError

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


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"accumulate": 3}, "--accumulate was given 3: it must divide --batch-size 16."),
        (
            {"ema_share": 0.1, "ema_decay": 0.9},
            "--ema-share was given 0.1 with --ema-decay 0.9: give one of them, above 0.",
        ),
        ({"ema_share": 0.0}, "--ema-share was given 0.0 with --ema-decay None: give one of them, above 0."),
        (
            {"generator.statistics": "group", "generator.group_size": 5},
            "--generator.group-size was given 5: it must divide --batch-size 16.",
        ),
        (
            {"accumulate": 4, "discriminator.statistics": "group", "discriminator.group_size": 8},
            "--discriminator.group-size was given 8: it must divide the micro-batch of 4 (--batch-size / --accumulate).",
        ),
        (
            {"generator.group_size": 4},
            "--generator.group-size was given 4, but --generator.statistics is batch: give group, or "
            "--generator.group-size None.",
        ),
    ],
)
def test_micro_batches_and_groups_that_do_not_divide_the_batch_are_refused(fields, said):
    config = Config(batch_size=16)
    for name, value in fields.items():
        config = change(config, name, value)
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        check_config(config)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"generator.antialias": "up", "generator.upsample": "resize"},
            "--generator.antialias was given up with --generator.upsample resize: both replace the transposed "
            "convolutions; omit one of them.",
        ),
        (
            {"discriminator.antialias": True, "discriminator.architecture": "pixelgan"},
            "--discriminator.antialias was given, but the pixelgan changes no size: omit it.",
        ),
    ],
)
def test_anti_aliasing_is_refused_where_it_contradicts_another_option(fields, said):
    config = Config(batch_size=16)
    for name, value in fields.items():
        config = change(config, name, value)
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        check_config(config)


def test_micro_batches_and_groups_that_divide_the_batch_pass_the_check():
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


@pytest.mark.parametrize("target", [Side(), Side(kind="labels"), Side(channels=(1,))])
def test_cross_entropy_is_refused_for_targets_without_classes(target):
    with pytest.raises(UserError, match=r"^--loss\.reconstruction was given cross_entropy, but the target is no label map"):
        check_config(Config(loss=Loss(reconstruction="cross_entropy"), data=Data(target=target)))


@pytest.mark.parametrize("target", [Side(kind="labels", classes=2), Side(kind="labels", palette=("#000000", "#ffffff"))])
def test_cross_entropy_is_accepted_for_label_maps(target):
    check_config(Config(loss=Loss(reconstruction="cross_entropy"), data=Data(target=target)))
