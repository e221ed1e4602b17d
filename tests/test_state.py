"""The train state: a single value that is not finite is found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax.state import NetworkState, TrainState, all_finite


def make_network() -> NetworkState:
    params = {"down_0": {"kernel": jnp.ones((4, 4, 2, 2)), "bias": jnp.zeros(4)}}
    return NetworkState(params, {"statistics": {"mean": jnp.zeros(4, jnp.bfloat16)}}, {"count": jnp.int32(1)})


@pytest.mark.parametrize("network", ["generator", "discriminator"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_value_that_is_not_finite_is_found(network, bad):
    state = TrainState(jnp.int32(5), jnp.int32(7), jax.random.key(0), make_network(), make_network())
    assert all_finite(state)
    params = getattr(state, network).params["down_0"]
    changed = {"down_0": {**params, "bias": params["bias"].at[3].set(bad)}}
    assert not all_finite(state.replace(**{network: getattr(state, network).replace(params=changed)}))
