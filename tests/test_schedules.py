"""Learning-rate schedules against tables computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import schedules


def test_linear_is_the_pytorch_originals_rule_over_200_epochs():
    unit, rate = 400, 2e-4
    schedule = schedules.linear(rate, hold=100, decay=100, unit=unit)
    epochs = np.arange(1, 201)  # counted from 1, as in the PyTorch original
    factor = np.where(epochs <= 100, 1, 1 - (epochs - 100) / 101)
    assert factor[99] == 1
    assert factor[100] == pytest.approx(100 / 101)
    assert factor[199] == pytest.approx(1 / 101)
    for within in (0, unit - 1):  # the rate changes between epochs only
        found = [float(schedule(step)) for step in (epochs - 1) * unit + within]
        np.testing.assert_allclose(found, rate * factor, rtol=2e-5)


def test_linear_changes_at_every_step_by_default():
    schedule = schedules.linear(1.0, hold=2, decay=3)
    np.testing.assert_allclose([schedule(i) for i in range(5)], [1, 1, 0.75, 0.5, 0.25])


def test_linear_without_hold_stays_between_zero_and_its_rate():
    found = np.array([float(schedules.linear(1.0, hold=0, decay=7)(i)) for i in range(7)])
    np.testing.assert_allclose(found, 1 - np.arange(1, 8) / 8, rtol=1e-6)


def test_constant_never_changes():
    assert [float(schedules.constant(0.3)(i)) for i in (0, 1, 10**6)] == [0.3] * 3


def test_step_decay_multiplies_after_the_given_number_of_units():
    schedule = schedules.step_decay(2.0, every=3, factor=0.5, unit=2)
    np.testing.assert_allclose([schedule(i) for i in (0, 5, 6, 11, 12, 18)], [2, 2, 1, 1, 0.5, 0.25])
    assert float(schedules.step_decay(1.0, every=50)(50)) == pytest.approx(0.1)


def test_cosine_falls_from_the_rate_to_zero_and_stays():
    schedule = schedules.cosine(4.0, length=4, unit=10)
    expected = [4, 4, 2 + np.sqrt(2), 2, 2 - np.sqrt(2), 0, 0]
    np.testing.assert_allclose([schedule(i) for i in (0, 9, 10, 20, 30, 40, 1000)], expected, atol=1e-6)


def test_warm_up_multiplies_another_schedule_by_a_linear_rise_from_zero():
    schedule = schedules.warm_up(schedules.step_decay(8.0, every=3, factor=0.5), 4)
    np.testing.assert_allclose([schedule(i) for i in range(7)], [0, 2, 4, 3, 4, 4, 2])


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.warm_up(schedules.constant(0.1), 5),
        schedules.linear(0.1, hold=2, decay=2, unit=3),
        schedules.step_decay(0.1, every=2, unit=3),
        schedules.cosine(0.1, length=4, unit=3),
    ],
)
def test_a_schedule_can_be_traced(schedule):
    steps = jnp.arange(12, dtype=jnp.int32)
    np.testing.assert_allclose(jax.jit(jax.vmap(schedule))(steps), [float(schedule(int(i))) for i in steps], rtol=1e-6)
