"""All formulations of a convolution against each other: values, derivatives and rounding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import normal, tiers
from helpers.formulations import CONVOLUTIONS, FORMULATIONS, SQUARE, TRANSPOSED, computed_by, convolution_of

from p2p_jax import ops
from p2p_jax.ops import convolution

pytestmark = pytest.mark.usefixtures("one_device")
jit = jax.jit


def assert_all_agree(fn, formulations, arrays, tolerance, *, im2col_tolerance=None):
    """Compares each formulation with the first, relative to the largest value; im2col by an absolute bound too."""
    fns = [computed_by(formulation, fn) for formulation in formulations]
    expected, *results = jit(lambda *a: [f(*a) for f in fns])(*arrays)
    for a, *others in zip(*(jax.tree.leaves(result) for result in (expected, *results)), strict=True):
        for formulation, b in zip(formulations[1:], others, strict=True):
            assert b.dtype == arrays[0].dtype
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * float(jnp.abs(a).max()))
            if im2col_tolerance is not None and formulation is convolution.IM2COL:
                np.testing.assert_allclose(b, a, rtol=im2col_tolerance, atol=im2col_tolerance)


def value_and_gradients(convolve, x, kernel, cotangent):
    """Returns the value, and the gradients of x and kernel for a cotangent."""
    y, vjp = jax.vjp(convolve, x, kernel)
    return y, *vjp(cotangent)


def derivatives(convolve, x, kernel, cotangent):
    """Returns value, gradient, and the gradient of the gradient's squared norm, which a gradient penalty needs."""

    def gradient(x, kernel):
        # squared, so that the second derivative of x is not zero
        return jax.grad(lambda x, kernel: (jnp.square(convolve(x, kernel)) * cotangent).sum(), (0, 1))(x, kernel)

    def squared_norm(x, kernel):
        return sum(jnp.square(g).sum() for g in gradient(x, kernel))

    return convolve(x, kernel), gradient(x, kernel), jax.grad(squared_norm, (0, 1))(x, kernel)


@pytest.mark.parametrize(
    "setting",
    tiers(
        SQUARE[:10] + CONVOLUTIONS[:2] + CONVOLUTIONS[6:7] + TRANSPOSED[:1] + TRANSPOSED[2:3] + TRANSPOSED[5:6], 0, slow=1
    ),
)
def test_all_formulations_agree_in_float64_to_the_second_derivative(setting):
    """Only the first setting tries both sizes of Winograd's tiles, because the larger ones take long to compile."""
    convolve, shapes, formulations = convolution_of(setting)
    if setting != SQUARE[0]:
        formulations = [each for each in formulations if each != FORMULATIONS["winograd 3"]]
    with jax.enable_x64(True):
        x, kernel = (jnp.asarray(normal(*shape)) for shape in shapes)
        cotangent = jnp.asarray(normal(*jax.eval_shape(convolve, x, kernel).shape, seed=1))
        assert_all_agree(partial(derivatives, convolve), formulations, (x, kernel, cotangent), 1e-10)


@pytest.mark.parametrize("setting", tiers(SQUARE + CONVOLUTIONS[3:8:4] + TRANSPOSED[4:7:2], slow=2))
def test_all_formulations_agree_in_float32_in_value_and_gradient(setting):
    convolve, shapes, formulations = convolution_of(setting)
    x, kernel = (jnp.asarray(normal(*shape), jnp.float32) for shape in shapes)
    cotangent = jnp.asarray(normal(*jax.eval_shape(convolve, x, kernel).shape, seed=1), jnp.float32)

    arrays = x, kernel, cotangent
    assert_all_agree(partial(value_and_gradients, convolve), formulations, arrays, 1e-5, im2col_tolerance=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "setting",
    tiers([(8, 8, 4, 4, 32, 16, 2, 1, 0), (17, 16, 4, 4, 16, 32, 1, 1), (16, 16, 4, 4, 32, 16, 2, 1)]),
)
def test_formulations_in_bfloat16_round_about_as_much_as_bfloat16(setting):
    """The RMS error against float32 is at most 3 times that of rounding the exact result to bfloat16."""
    convolve, shapes, formulations = convolution_of(setting)
    x, kernel = (jnp.asarray(normal(*shape), jnp.bfloat16) for shape in shapes)
    cotangent = jnp.asarray(normal(*jax.eval_shape(convolve, x, kernel).shape, seed=1), jnp.bfloat16)

    run = partial(value_and_gradients, convolve)
    exact = jit(run)(*(array.astype(jnp.float32) for array in (x, kernel, cotangent)))

    def errors(outputs):
        wide = [(np.asarray(a, np.float32) - b) / np.std(b) for a, b in zip(outputs, exact, strict=True)]
        return np.array([np.sqrt(np.square(error).mean()) for error in wide])

    own = errors([array.astype(jnp.bfloat16) for array in exact])
    for formulation in formulations:
        outputs = jit(computed_by(formulation, run))(x, kernel.astype(jnp.float32), cotangent)
        assert [array.dtype for array in outputs] == [jnp.bfloat16, jnp.bfloat16, jnp.float32]
        assert (errors(outputs) < 3 * own).all(), (formulation, errors(outputs) / own)


def test_winograd_tiles_of_float16_pictures_do_not_overflow():
    x = jnp.asarray(np.sign(normal(1, 8, 8, 2)) * 2e4, jnp.float16)
    kernel = jnp.full((4, 4, 2, 1), 1e-4, jnp.float32)
    run = partial(value_and_gradients, partial(ops.conv2d, stride=2, padding=1))
    y, _, of_kernel = jit(computed_by(convolution.by_winograd(2), run))(x, kernel, jnp.ones((1, 4, 4, 1), jnp.float16))
    assert jnp.isfinite(y).all()
    assert jnp.isfinite(of_kernel).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("formulation", "setting"),
    [
        ("im2col", CONVOLUTIONS[1]),
        ("im2col", TRANSPOSED[2]),
        ("output im2col", SQUARE[1]),
        ("output im2col", SQUARE[8]),
        ("winograd 2", SQUARE[0]),
        ("winograd 2", SQUARE[6]),
        ("polyphase", SQUARE[1]),
    ],
)
def test_convolutions_under_vmap_equal_one_call_per_batch(setting, formulation):
    convolve, shapes, _ = convolution_of(setting)
    x, kernel = (jnp.asarray(normal(3, *shape), jnp.float32) for shape in shapes)

    def run(x, kernel):
        return convolve(x, kernel), jax.grad(lambda *a: jnp.square(convolve(*a)).sum(), (0, 1))(x, kernel)

    by_this = partial(computed_by, FORMULATIONS[formulation])
    mapped = jit(by_this(jax.vmap(run)))(x, kernel)
    one = jit(by_this(run))
    for i in range(3):
        for a, b in zip(jax.tree.leaves(one(x[i], kernel[i])), jax.tree.leaves(mapped), strict=True):
            np.testing.assert_allclose(b[i], a, rtol=1e-5, atol=1e-5)
