"""Convolutions, against plain numpy loops written from their definitions, and all their formulations against each other."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import mostly_slow, normal
from helpers.formulations import computed_by
from helpers.naive import naive_conv2d, naive_conv2d_transpose

from p2p_jax import ops
from p2p_jax.ops import convolution

pytestmark = pytest.mark.usefixtures("one_device")
jit = jax.jit


# height, width, kernel height, kernel width, channels in, channels out, stride, padding
CONVOLUTIONS = [
    (8, 8, 4, 4, 3, 2, 2, 1),  # the U-Net's
    (9, 7, 4, 4, 2, 3, 2, 1),  # odd sizes: the last row is under no position
    (6, 5, 4, 4, 2, 1, 1, 1),  # the discriminator's last ones
    (7, 8, 3, 3, 2, 3, 2, 1),  # the resnet's
    (8, 9, 7, 7, 1, 2, 1, 0),  # its stem
    (4, 3, 1, 1, 3, 4, 1, 0),
    (9, 8, 2, 3, 2, 2, 3, 0),  # a stride above the kernel: pixels that no position sees
    (4, 4, 3, 2, 1, 2, 1, 3),  # positions that see padding alone
]
# height, width, kernel height, kernel width, channels in, channels out, stride, padding, output padding
TRANSPOSED = [
    (4, 3, 4, 4, 3, 2, 2, 1, 0),  # the U-Net's
    (1, 1, 4, 4, 2, 3, 2, 1, 0),  # its innermost one
    (3, 4, 3, 3, 2, 3, 2, 1, 1),  # the resnet's
    (5, 4, 3, 3, 2, 2, 1, 1, 0),
    (3, 2, 5, 4, 1, 2, 3, 2, 2),
    (3, 3, 2, 2, 2, 1, 3, 0, 1),  # a stride above the kernel: rows of zeros between
    (4, 4, 3, 3, 1, 2, 2, 3, 1),  # padding above kernel - 1: whole inputs are cut off
    (2, 3, 1, 1, 2, 2, 1, 0, 0),
]


@pytest.mark.parametrize("setting", CONVOLUTIONS)
def test_conv2d_equals_its_definition(setting):
    h, w, kh, kw, channels, features, stride, padding = setting
    x, kernel, bias = normal(2, h, w, channels), normal(kh, kw, channels, features), normal(features)
    expected = naive_conv2d(x, kernel, bias, stride=stride, padding=padding)
    size = ((h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1)
    arrays = [jnp.asarray(a, jnp.float32) for a in (x, kernel, bias)]
    y = jit(partial(ops.conv2d, stride=stride, padding=padding))(*arrays)
    assert y.shape == expected.shape == (2, *size, features)
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("setting", TRANSPOSED)
def test_conv2d_transpose_equals_its_definition(setting):
    h, w, kh, kw, channels, features, stride, padding, extra = setting
    x, kernel, bias = normal(2, h, w, channels), normal(channels, kh, kw, features), normal(features)
    expected = naive_conv2d_transpose(x, kernel, bias, stride=stride, padding=padding, output_padding=extra)
    size = ((h - 1) * stride - 2 * padding + kh + extra, (w - 1) * stride - 2 * padding + kw + extra)
    arrays = [jnp.asarray(a, jnp.float32) for a in (x, kernel, bias)]
    y = jit(partial(ops.conv2d_transpose, stride=stride, padding=padding, output_padding=extra))(*arrays)
    assert y.shape == expected.shape == (2, *size, features)
    np.testing.assert_allclose(y, expected, atol=1e-5)


FORMULATIONS = {
    "patches": convolution.IM2COL,
    "turned": convolution.OUTPUT_IM2COL,
    "winograd 2": convolution.by_winograd(2),
    "winograd 3": convolution.by_winograd(3),
    "shifted": convolution.POLYPHASE,
}
SQUARE = [  # those that Winograd's suits: h, w, kh, kw, channels, features, stride, padding[, output padding]
    (9, 8, 4, 4, 3, 2, 2, 1),
    (7, 10, 4, 4, 2, 5, 1, 1),
    (8, 7, 3, 3, 3, 4, 1, 1),
    (7, 7, 2, 2, 3, 2, 1, 0),
    (9, 12, 8, 8, 2, 3, 4, 2),
    (11, 8, 4, 4, 2, 3, 2, 0),
    (5, 4, 4, 4, 3, 2, 2, 1, 0),
    (3, 5, 4, 4, 2, 1, 2, 0, 1),
    (4, 3, 3, 3, 2, 3, 1, 1, 0),
    (2, 3, 6, 6, 2, 2, 2, 2, 1),
    (9, 6, 4, 4, 2, 3, 1, 0),
    (6, 7, 4, 4, 3, 2, 1, 2, 0),
]


def convolution_of(setting):
    """The op as a function of x and kernel, their shapes, and all formulations that suit it, the native one first."""
    h, w, kh, kw, channels, features, stride, padding, *extra = setting
    options = {"stride": stride, "padding": padding}
    if extra:
        convolve = partial(ops.conv2d_transpose, output_padding=extra[0], **options)
        shapes = (2, h, w, channels), (channels, kh, kw, features)
    else:
        convolve, shapes = partial(ops.conv2d, **options), ((2, h, w, channels), (kh, kw, channels, features))
    suits = {
        "patches": True,
        "turned": kh == kw and stride == 1 and padding < kh,
        "shifted": kh == kw == 4 and stride == 1,
        "winograd": kh == kw and kh % stride == 0 and 2 <= kh // stride <= 4,
    }
    chosen = [formulation for name, formulation in FORMULATIONS.items() if suits[name.split()[0]]]
    return convolve, shapes, [convolution.NATIVE, *chosen]


def assert_all_agree(fn, formulations, arrays, tolerance, *, patches_to=None):
    """Each formulation gives what the first one gives, relative to the largest value, patches to an absolute bound too."""
    fns = [computed_by(formulation, fn) for formulation in formulations]
    expected, *results = jit(lambda *a: [f(*a) for f in fns])(*arrays)
    for a, *others in zip(*(jax.tree.leaves(result) for result in (expected, *results)), strict=True):
        for formulation, b in zip(formulations[1:], others, strict=True):
            assert b.dtype == arrays[0].dtype
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * float(jnp.abs(a).max()))
            if patches_to is not None and formulation is convolution.IM2COL:
                np.testing.assert_allclose(b, a, rtol=patches_to, atol=patches_to)


def value_and_slopes(convolve, x, kernel, cotangent):
    """The value, and the gradients by x and kernel of its product with the cotangent."""
    y, vjp = jax.vjp(convolve, x, kernel)
    return y, *vjp(cotangent)


def derivatives(convolve, x, kernel, cotangent):
    """The value, the gradient, and the gradient of the gradient's squared length, as the gradient penalty needs it."""

    def gradient(x, kernel):
        # a square, so that the second derivative by x is not zero
        return jax.grad(lambda x, kernel: (jnp.square(convolve(x, kernel)) * cotangent).sum(), (0, 1))(x, kernel)

    def squared_length(x, kernel):
        return sum(jnp.square(g).sum() for g in gradient(x, kernel))

    return convolve(x, kernel), gradient(x, kernel), jax.grad(squared_length, (0, 1))(x, kernel)


@pytest.mark.parametrize(
    "setting",
    mostly_slow(SQUARE + CONVOLUTIONS[:2] + CONVOLUTIONS[6:7] + TRANSPOSED[:1] + TRANSPOSED[2:3] + TRANSPOSED[5:6], keep=5),
)
def test_all_formulations_agree_in_float64_to_the_second_derivative(setting):
    convolve, shapes, formulations = convolution_of(setting)
    with jax.enable_x64(True):
        x, kernel = (jnp.asarray(normal(*shape)) for shape in shapes)
        cotangent = jnp.asarray(normal(*jax.eval_shape(convolve, x, kernel).shape, seed=1))
        assert_all_agree(partial(derivatives, convolve), formulations, (x, kernel, cotangent), 1e-10)


@pytest.mark.parametrize("setting", mostly_slow(SQUARE + CONVOLUTIONS[3:8:4] + TRANSPOSED[4:7:2], keep=3))
def test_all_formulations_agree_in_float32_in_value_and_gradient(setting):
    convolve, shapes, formulations = convolution_of(setting)
    x, kernel = (jnp.asarray(normal(*shape), jnp.float32) for shape in shapes)
    cotangent = jnp.asarray(normal(*jax.eval_shape(convolve, x, kernel).shape, seed=1), jnp.float32)

    arrays = x, kernel, cotangent
    assert_all_agree(partial(value_and_slopes, convolve), formulations, arrays, 1e-5, patches_to=1e-5)


@pytest.mark.parametrize(
    "setting",
    mostly_slow([(16, 16, 4, 4, 32, 16, 2, 1), (17, 16, 4, 4, 16, 32, 1, 1), (8, 8, 4, 4, 32, 16, 2, 1, 0)], keep=2),
)
def test_formulations_in_bfloat16_round_like_bfloat16(setting):
    """Root mean squares of the errors against products in float32, of bfloat16's own: at most 3 times as large."""
    convolve, shapes, formulations = convolution_of(setting)
    x, kernel = (jnp.asarray(normal(*shape), jnp.bfloat16) for shape in shapes)
    cotangent = jnp.asarray(normal(*jax.eval_shape(convolve, x, kernel).shape, seed=1), jnp.bfloat16)

    run = partial(value_and_slopes, convolve)
    exact = jit(run)(*(array.astype(jnp.float32) for array in (x, kernel, cotangent)))

    def errors(outputs):
        wide = [(np.asarray(a, np.float32) - b) / np.std(b) for a, b in zip(outputs, exact, strict=True)]
        return np.array([np.sqrt(np.square(error).mean()) for error in wide])

    own = errors([array.astype(jnp.bfloat16) for array in exact])
    for formulation in formulations:
        outputs = jit(computed_by(formulation, run))(x, kernel.astype(jnp.float32), cotangent)
        assert [array.dtype for array in outputs] == [jnp.bfloat16, jnp.bfloat16, jnp.float32]
        assert (errors(outputs) < 3 * own).all(), (formulation, errors(outputs) / own)


def test_tiles_of_float16_do_not_exceed_its_range():
    x = jnp.asarray(np.sign(normal(1, 8, 8, 2)) * 2e4, jnp.float16)
    kernel = jnp.full((4, 4, 2, 1), 1e-4, jnp.float32)
    run = partial(value_and_slopes, partial(ops.conv2d, stride=2, padding=1))
    y, _, of_kernel = jit(computed_by(convolution.by_winograd(2), run))(x, kernel, jnp.ones((1, 4, 4, 1), jnp.float16))
    assert jnp.isfinite(y).all()
    assert jnp.isfinite(of_kernel).all()


@pytest.mark.parametrize(
    ("shape", "features", "stride", "dtype", "name"),
    [
        ((1, 128, 128, 64), 128, 2, jnp.float32, "winograd 3"),
        ((1, 64, 64, 128), 256, 2, jnp.float32, "winograd 2"),
        ((1, 32, 32, 256), 512, 1, jnp.float32, "winograd 3"),
        ((1, 32, 32, 256), 512, 1, jnp.bfloat16, "shifted"),
        ((1, 31, 31, 512), 1, 1, jnp.bfloat16, "turned"),
        ((8, 64, 64, 128), 256, 2, jnp.float32, "winograd 3"),
        ((1, 4, 4, 512), 512, 2, jnp.float32, "patches"),
        ((1, 64, 64, 3), 16, 2, jnp.float32, "patches"),
        ((1, 31, 31, 512), 1, 1, jnp.float32, "turned"),
    ],
)
def test_the_formulation_follows_the_shape(shape, features, stride, dtype, name):
    kernel = jax.ShapeDtypeStruct((4, 4, shape[-1], features), jnp.float32)
    window = convolution.geometry_of_conv(jax.ShapeDtypeStruct(shape, dtype), kernel, stride=stride, padding=1)
    chosen = convolution.choose(window, shape[0], shape[-1], features, dtype)
    assert chosen == FORMULATIONS[name]


@pytest.mark.parametrize(
    ("formulation", "setting"),
    [
        ("patches", CONVOLUTIONS[1]),
        ("patches", TRANSPOSED[2]),
        ("turned", SQUARE[1]),
        ("turned", SQUARE[8]),
        ("winograd 2", SQUARE[0]),
        ("winograd 2", SQUARE[6]),
        ("shifted", SQUARE[1]),
    ],
)
def test_convolutions_under_vmap_equal_one_call_for_each(setting, formulation):
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


def test_transposed_convolution_is_the_transpose_of_the_convolution():
    with jax.enable_x64(True):
        x, y, kernel = (jnp.asarray(normal(*shape)) for shape in ((1, 9, 9, 2), (1, 5, 5, 3), (3, 3, 2, 3)))
        forth = ops.conv2d(x, kernel, stride=2, padding=1)
        back = ops.conv2d_transpose(y, kernel.transpose(3, 0, 1, 2), stride=2, padding=1)
        assert float((forth * y).sum()) == pytest.approx(float((x * back).sum()), rel=1e-12)


def test_convolutions_in_bfloat16_keep_the_dtype_and_add_up_in_float32():
    x = jnp.asarray(normal(1, 8, 8, 32), jnp.bfloat16)
    kernel = jnp.asarray(normal(4, 4, 32, 4), jnp.float32)
    rounded = np.asarray(kernel.astype(jnp.bfloat16), np.float64)
    y = jit(partial(ops.conv2d, stride=2, padding=1))(x, kernel)
    assert y.dtype == jnp.bfloat16
    expected = naive_conv2d(np.asarray(x, np.float64), rounded, stride=2, padding=1)
    np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=2**-8, atol=1e-4)
    assert jax.eval_shape(ops.conv2d_transpose, x, jnp.zeros((32, 4, 4, 2))).dtype == jnp.bfloat16


def test_the_gradient_of_a_bias_is_summed_in_float32():
    x, kernel, bias = jnp.ones((1, 65, 63, 1), jnp.bfloat16), jnp.zeros((1, 1, 1, 1)), jnp.zeros(1)
    of_bias = jit(jax.grad(lambda bias: ops.conv2d(x, kernel, bias).astype(jnp.float32).sum()))(bias)
    np.testing.assert_array_equal(of_bias, [65 * 63])  # 4,095; bfloat16 has 4,096
