"""The config has the values of the paper, and it needs no JAX."""

import subprocess
import sys

import pytest

from p2p_jax.config import Config
from p2p_jax.config.tree import get_field

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


@pytest.mark.parametrize("name", PAPER)
def test_the_defaults_are_those_of_the_paper(name):
    assert get_field(Config(), name) == PAPER[name]


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
