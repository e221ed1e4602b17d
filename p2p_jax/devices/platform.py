"""The kind of device that JAX computes on."""

import jax

from p2p_jax.errors import UserError

EXTRAS = {"gpu": "cuda", "tpu": "tpu"}
"""For each kind of accelerator, the extra of this package that installs what JAX needs."""


def choose(device: str) -> None:
    """Selects the kind of device that JAX computes on; call it before JAX computes anything.

    Args:
        device: "cpu", "gpu", "tpu", or "auto" for JAX's own choice.

    Raises:
        UserError: there is no such device.
    """
    if device == "auto":
        return
    jax.config.update("jax_platforms", "cuda,rocm" if device == "gpu" else device)
    try:
        jax.devices()
    except RuntimeError:
        jax.config.update("jax_platforms", None)
        extra = f"install p2p-jax[{EXTRAS[device]}] if the machine has one, or " if device in EXTRAS else ""
        raise UserError(f"--device {device} was given, but JAX finds none: {extra}omit --device.") from None
