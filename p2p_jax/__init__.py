"""p2p_jax: pix2pix in JAX and Flax, as pure functions."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p2p_jax import config as config
    from p2p_jax import discriminators as discriminators
    from p2p_jax import generators as generators
    from p2p_jax import layers as layers
    from p2p_jax import losses as losses
    from p2p_jax import network as network
    from p2p_jax import ops as ops
    from p2p_jax import optimizers as optimizers
    from p2p_jax import pix2pix as pix2pix
    from p2p_jax import schedules as schedules
    from p2p_jax import state as state
    from p2p_jax import step as step
    from p2p_jax.config import Augment as Augment
    from p2p_jax.config import Config as Config
    from p2p_jax.config import Data as Data
    from p2p_jax.config import Discriminator as Discriminator
    from p2p_jax.config import Generator as Generator
    from p2p_jax.config import Loss as Loss
    from p2p_jax.config import Optimizer as Optimizer
    from p2p_jax.config import Side as Side
    from p2p_jax.config.presets import apply_preset as apply_preset
    from p2p_jax.data.doctor.examine import check_data as check_data
    from p2p_jax.data.doctor.findings import Findings as Findings
    from p2p_jax.data.sets.prepare import prepare_data as prepare_data
    from p2p_jax.discriminators import patchgan as patchgan
    from p2p_jax.discriminators import pixelgan as pixelgan
    from p2p_jax.errors import Stopped as Stopped
    from p2p_jax.errors import UserError as UserError
    from p2p_jax.evaluation.comparison.compare import compare as compare
    from p2p_jax.evaluation.comparison.result import Comparison as Comparison
    from p2p_jax.evaluation.evaluate import Figures as Figures
    from p2p_jax.evaluation.runs import evaluate as evaluate
    from p2p_jax.evaluation.runs import report as report
    from p2p_jax.experiment import Experiment as Experiment
    from p2p_jax.generators import encoder_decoder as encoder_decoder
    from p2p_jax.generators import resnet as resnet
    from p2p_jax.generators import unet as unet
    from p2p_jax.inference.translate import Translator as Translator
    from p2p_jax.inference.translate import load as load
    from p2p_jax.inference.translate_run import translate as translate
    from p2p_jax.losses import Adversarial as Adversarial
    from p2p_jax.network import Network as Network
    from p2p_jax.pix2pix import build as build
    from p2p_jax.pytorch.convert import from_torch as from_torch
    from p2p_jax.pytorch.convert import to_torch as to_torch
    from p2p_jax.pytorch.workdirs import export_torch as export_torch
    from p2p_jax.pytorch.workdirs import import_torch as import_torch
    from p2p_jax.state import NetworkState as NetworkState
    from p2p_jax.state import TrainState as TrainState
    from p2p_jax.step import Pix2Pix as Pix2Pix
    from p2p_jax.step import init_train_state as init_train_state
    from p2p_jax.step import make_train_step as make_train_step
    from p2p_jax.summary import summarize as summarize
    from p2p_jax.training.train import train as train
    from p2p_jax.weight_files.state_dict import read_state_dict as read_state_dict
    from p2p_jax.weight_files.state_dict import write_state_dict as write_state_dict

MODULES = (
    "config", "discriminators", "generators", "layers", "losses", "network", "ops", "optimizers", "pix2pix", "schedules",
    "state", "step",
)  # fmt: skip

# Where each public name lives. A name is imported when it is first used, so that `import p2p_jax` does not wait for JAX.
NAMES = {
    "config": "Augment Config Data Discriminator Generator Loss Optimizer Side",
    "config.presets": "apply_preset",
    "data.doctor.examine": "check_data",
    "data.doctor.findings": "Findings",
    "data.sets.prepare": "prepare_data",
    "discriminators": "patchgan pixelgan",
    "errors": "Stopped UserError",
    "evaluation.comparison.compare": "compare",
    "evaluation.comparison.result": "Comparison",
    "evaluation.evaluate": "Figures",
    "evaluation.runs": "evaluate report",
    "experiment": "Experiment",
    "generators": "encoder_decoder resnet unet",
    "inference.translate": "Translator load",
    "inference.translate_run": "translate",
    "losses": "Adversarial",
    "network": "Network",
    "pix2pix": "build",
    "pytorch.convert": "from_torch to_torch",
    "weight_files.state_dict": "read_state_dict write_state_dict",
    "pytorch.workdirs": "export_torch import_torch",
    "state": "NetworkState TrainState",
    "step": "Pix2Pix init_train_state make_train_step",
    "summary": "summarize",
    "training.train": "train",
}
_HOMES = {name: module for module, names in NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f"p2p_jax.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module p2p_jax has no attribute {name}")
    return getattr(importlib.import_module(f"p2p_jax.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*MODULES, *_HOMES])
