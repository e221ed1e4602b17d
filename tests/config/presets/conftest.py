"""Shared by the tests of the presets."""

import pytest

from p2p_jax.ops import convolution


@pytest.fixture(scope="module", autouse=True)
def native_convolutions():
    """The convolutions of a GPU, which compile faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)
        yield
