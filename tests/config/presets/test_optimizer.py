"""The settings of the optimizer and of the learning rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.presets import SMALL, changed

from p2p_jax import pix2pix


@pytest.mark.parametrize(
    ("fields", "epsilon"),
    [
        ({}, 1e-8),
        ({"optimizer__epsilon": 1e-7}, 1e-7),
        # Added before the division by sqrt(1 - 0.999), epsilon acts at the first step as if it were divided by that root.
        ({"optimizer__epsilon_place": "before_correction"}, 1e-8 / np.sqrt(1 - 0.999)),
        ({"optimizer__epsilon_place": "before_correction", "optimizer__epsilon": 1e-7}, 1e-7 / np.sqrt(1 - 0.999)),
    ],
)
def test_epsilon_and_its_place_matter_where_gradients_are_small(fields, epsilon):
    gradients = np.array([1e-9, -3e-8, 1e-7, 1e-6, 1.0])
    with jax.enable_x64(True):
        model = pix2pix.build(changed(SMALL, **fields))
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            found, _ = optimizer.update(gradients, optimizer.init(jnp.zeros(5)))
            np.testing.assert_allclose(found, -2e-4 * gradients / (abs(gradients) + epsilon), rtol=1e-7)


def test_schedule_is_constant_or_falls_in_the_second_half():
    rates = {}
    for schedule in ("default", "constant"):
        fields = {} if schedule == "default" else {"optimizer__schedule": schedule}
        model = pix2pix.build(changed(SMALL, **fields))
        assert set(model.learning_rates) == {"learning_rate", "discriminator_learning_rate"}
        for rate in model.learning_rates.values():
            rates.setdefault(schedule, []).append([float(rate(step)) for step in range(10)])
    falling = [2e-4] * 5 + [2e-4 * share / 6 for share in (5, 4, 3, 2, 1)]
    np.testing.assert_allclose(rates["default"], [falling] * 2, rtol=1e-5)
    np.testing.assert_allclose(rates["constant"], [[2e-4] * 10] * 2, rtol=1e-6)
