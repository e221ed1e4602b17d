"""p2p_jax: pix2pix in JAX and Flax, as pure functions."""

import importlib
from typing import Any

# Where each public name lives. They are imported when first used, so that `p2p-jax --help` need not wait for JAX.
_HOMES = {
    "Adversarial": "losses",
    "Config": "config",
    "Network": "network",
    "Pix2Pix": "step",
    "TrainState": "state",
    "Translator": "inference.translate",
    "apply_preset": "config.presets",
    "build": "pix2pix",
    "from_torch": "pytorch.convert",
    "init_train_state": "step",
    "load": "inference.translate",
    "make_train_step": "step",
    "read_state_dict": "pytorch.state_dict",
    "to_torch": "pytorch.convert",
    "write_state_dict": "pytorch.state_dict",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module p2p_jax has no attribute {name}")
    return getattr(importlib.import_module(f"p2p_jax.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
