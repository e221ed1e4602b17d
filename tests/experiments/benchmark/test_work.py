"""The work that is counted in a jaxpr."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from experiments.benchmark.work import count_flops
from p2p_jax import ops


@pytest.mark.parametrize("op", ["down", "up"])
def test_each_gradient_of_a_convolution_is_as_much_work_as_the_convolution(op):
    x, kernel = jnp.zeros((2, 8, 8, 3)), jnp.zeros((4, 4, 3, 5))
    if op == "down":
        apply = partial(ops.conv2d, stride=2, padding=1)
        flops = 2 * 2 * 4 * 4 * 16 * 3 * 5
    else:
        apply, kernel = partial(ops.conv2d_transpose, stride=2, padding=1), jnp.zeros((3, 4, 4, 5))
        flops = 2 * 2 * 8 * 8 * 16 * 3 * 5

    def loss(x, kernel):
        return jnp.square(apply(x, kernel)).sum()

    assert count_flops(apply, x, kernel) == flops
    assert count_flops(jax.grad(loss), x, kernel) == 2 * flops
    assert count_flops(jax.grad(loss, argnums=1), x, kernel) == 2 * flops
    assert count_flops(jax.grad(loss, argnums=(0, 1)), x, kernel) == 3 * flops


def test_zeros_inserted_by_dilation_are_no_work():
    x, kernel = jnp.zeros((1, 9, 9, 2)), jnp.zeros((3, 3, 2, 4))
    numbers = ("NHWC", "HWIO", "NHWC")
    wide = partial(lax.conv_general_dilated, window_strides=(1, 1), padding=((3, 3), (3, 3)), dimension_numbers=numbers)
    assert count_flops(partial(wide, rhs_dilation=(3, 3)), x, kernel) == 2 * 81 * 9 * 2 * 4
    assert count_flops(partial(wide, lhs_dilation=(4, 4)), x, kernel) == 2 * 81 * 9 * 2 * 4


def test_repeated_operations_count_once_and_unused_ones_not_at_all():
    a = jnp.zeros((3, 4))
    product = 2 * 3 * 3 * 4

    @jax.custom_vjp
    def wrapped(a):
        return a @ a.T

    wrapped.defvjp(lambda a: (wrapped(a), a), lambda a, g: (g @ a,))
    assert count_flops(lambda a: a @ a.T, a) == product
    assert count_flops(lambda a: a @ a.T + jax.jit(lambda b: b @ b.T)(a), a) == product
    assert count_flops(lambda a: (a @ a.T, (a @ a.T).T @ a)[0], a) == product
    assert count_flops(wrapped, a) == product
    assert (
        count_flops(lambda a: lax.scan(lambda c, _: (c + a @ a.T, None), jnp.zeros((3, 3)), length=5)[0], a) == 5 * product
    )
