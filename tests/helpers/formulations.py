"""Convolutions computed in a way that is chosen by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from p2p_jax.ops import convolution


def computed_by(formulation: convolution.Formulation, fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, all of whose convolutions are computed by one formulation; derivatives have to be taken within it."""

    def run(*arrays: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(convolution, "choose", lambda *_: formulation)
            return fn(*arrays)

    return run
