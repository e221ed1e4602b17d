"""The pure array functions, against plain numpy loops written from their definitions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import mostly_slow
from formulations import computed_by
from naive import naive_conv2d, naive_conv2d_transpose

from p2p_jax import convolution, ops


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """As on one device, where parts are compiled apart; `test_sharding.py` has several."""
    monkeypatch.setattr(jax, "device_count", lambda: 1)


jit = jax.jit


def normal(*shape: int, seed: int = 0, dtype=np.float64) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


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
    "patches": convolution.PATCHES,
    "turned": convolution.TURNED,
    "winograd 2": convolution.by_winograd(2),
    "winograd 3": convolution.by_winograd(3),
    "shifted": convolution.SHIFTED,
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
            if patches_to is not None and formulation is convolution.PATCHES:
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
    run = computed_by(convolution.by_winograd(2), partial(ops.conv2d, stride=2, padding=1))
    y, vjp = jit(lambda x, kernel: jax.vjp(run, x, kernel))(x, kernel)
    assert jnp.isfinite(y).all()
    assert jnp.isfinite(vjp(jnp.ones_like(y))[1]).all()


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
    window = convolution.window_of_conv(jax.ShapeDtypeStruct(shape, dtype), kernel, stride=stride, padding=1)
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


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: ops.conv2d(jnp.zeros((1, 8, 8, 3)), jnp.zeros((4, 4, 2, 5))), ["conv2d", "(1, 8, 8, 3)", "(4, 4, 2, 5)"]),
        (lambda: ops.conv2d(jnp.zeros((8, 8, 2)), jnp.zeros((4, 4, 2, 5))), ["conv2d", "(8, 8, 2)", "(n, h, w, in)"]),
        (
            lambda: ops.conv2d(jnp.zeros((1, 1, 8, 2)), jnp.zeros((4, 4, 2, 5)), padding=1),
            ["1 x 8", "padding 1", "4 x 4", "larger picture"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 8, 8, 3)), jnp.zeros((2, 4, 4, 5))),
            ["conv2d_transpose", "(1, 8, 8, 3)", "(2, 4, 4, 5)"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 8, 8, 2)), jnp.zeros((2, 3, 3, 5)), output_padding=2),
            ["output_padding 2", "stride 2", "smaller than the stride"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 8, 8, 2)), jnp.zeros((2, 3, 3, 5)), output_padding=-1),
            ["output_padding -1", "at least 0"],
        ),
        (
            lambda: ops.conv2d_transpose(jnp.zeros((1, 1, 4, 2)), jnp.zeros((2, 2, 2, 5)), padding=1),
            ["0 x 6", "1 x 4", "padding 1 is too large"],
        ),
        (lambda: ops.reflect_pad(jnp.zeros((1, 3, 9, 2)), 3), ["3 x 9", "pad 3", "larger than the padding"]),
        (lambda: ops.dropout(jax.random.key(0), jnp.ones(3), 1.0), ["rate 1.0", "below 1"]),
        (lambda: ops.dropout(jax.random.key(0), jnp.ones(3), -0.1), ["rate -0.1", "at least 0"]),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_values_given(call, parts):
    with pytest.raises(ValueError, match=r"given|would give") as error:
        call()
    for part in parts:
        assert part in str(error.value)


def test_smallest_sizes_are_accepted():
    one, kernel = jnp.zeros((1, 1, 1, 1)), jnp.zeros((1, 3, 3, 1))
    assert jax.eval_shape(partial(ops.conv2d, padding=1), one, jnp.zeros((3, 3, 1, 1))).shape == (1, 1, 1, 1)
    assert jax.eval_shape(partial(ops.conv2d_transpose, padding=1), one, kernel).shape == (1, 1, 1, 1)
    assert jax.eval_shape(partial(ops.reflect_pad, pad=3), jnp.zeros((1, 4, 4, 1))).shape == (1, 10, 10, 1)


def test_relu_and_its_gradient():
    x = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(ops.relu(x), [0, 0, 3])
    np.testing.assert_array_equal(jax.grad(lambda x: ops.relu(x).sum())(x), [0, 0, 1])
    np.testing.assert_array_equal(jax.jvp(ops.relu, (x,), (jnp.array([5.0, 6.0, 7.0]),))[1], [0, 0, 7])


def test_leaky_relu_and_its_gradient():
    x = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(ops.leaky_relu(x), [-0.4, 0, 3])
    np.testing.assert_allclose(ops.leaky_relu(x, 0.5), [-1, 0, 3])
    np.testing.assert_allclose(jax.grad(lambda x: ops.leaky_relu(x).sum())(x), [0.2, 0.2, 1])
    np.testing.assert_allclose(jax.jvp(lambda x: ops.leaky_relu(x, 0.5), (x,), (x,))[1], [-1, 0, 3])
    np.testing.assert_array_equal(jax.grad(lambda x: ops.leaky_relu(x, 0).sum())(x), [0, 0, 1])
    np.testing.assert_allclose(jax.grad(lambda x: ops.leaky_relu(x, -0.1).sum())(x), [-0.1, -0.1, 1], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda slope: ops.leaky_relu(x, slope).sum())(0.2), -2)


def test_activations_keep_bfloat16_and_pass_nan_on():
    x = jnp.array([jnp.nan, 1.0], jnp.bfloat16)
    for activation in (ops.relu, ops.leaky_relu, ops.tanh, ops.sigmoid):
        y = activation(x)
        assert y.dtype == jnp.bfloat16, activation
        assert jnp.isnan(y).tolist() == [True, False], activation


def test_tanh_and_sigmoid():
    x = np.array([-100.0, -1.5, 0.0, 0.25, 100.0])
    np.testing.assert_allclose(ops.tanh(jnp.array(x)), np.tanh(x), rtol=1e-6)
    np.testing.assert_allclose(ops.sigmoid(jnp.array(x)), [0, 1 / (1 + np.exp(1.5)), 0.5, 1 / (1 + np.exp(-0.25)), 1], 1e-6)


def test_moments_are_mean_and_biased_variance():
    x = normal(2, 3, 4, 5) * 3 + 7
    for axes in ((0, 1, 2), (1, 2)):
        mean, var = ops.moments(jnp.array(x, jnp.float32), axes)
        np.testing.assert_allclose(mean, x.mean(axes, keepdims=True), rtol=1e-5)
        np.testing.assert_allclose(var, x.var(axes, keepdims=True), rtol=1e-4)


def test_moments_and_normalize_of_bfloat16_are_computed_in_float32():
    x = jnp.asarray(normal(1, 16, 16, 2) + 50, jnp.bfloat16)  # neighbouring bfloat16 values are 0.25 apart here
    wide = np.asarray(x, np.float64)
    mean, var = ops.moments(x, (0, 1, 2))
    assert mean.dtype == var.dtype == jnp.float32
    np.testing.assert_allclose(mean, wide.mean((0, 1, 2), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(var, wide.var((0, 1, 2), keepdims=True), rtol=1e-4)
    y = ops.normalize(x, mean, var)
    assert y.dtype == jnp.bfloat16
    expected = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=2**-8, atol=1e-5)


def test_moments_and_normalize_of_float64_stay_float64():
    x = normal(2, 3, 3, 2)
    with jax.enable_x64(True):
        mean, var = ops.moments(jnp.array(x), (1, 2))
        y = ops.normalize(jnp.array(x), mean, var, jnp.array([2.0, 3.0]), jnp.array([-1.0, 1.0]), eps=1e-3)
        assert mean.dtype == var.dtype == y.dtype == jnp.float64
        expected = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-3)
        np.testing.assert_allclose(y, expected * [2, 3] + [-1, 1], rtol=1e-12, atol=1e-12)


def test_normalize_of_a_constant_picture_is_zero_and_its_gradient_finite():
    x = jnp.full((1, 4, 4, 1), 3.0)
    normalized = lambda x: ops.normalize(x, *ops.moments(x, (1, 2)))
    y, vjp = jit(lambda x: jax.vjp(normalized, x))(x)
    np.testing.assert_array_equal(y, np.zeros(x.shape))
    assert jnp.isfinite(vjp(jnp.arange(16.0).reshape(x.shape))[0]).all()


def standardize_by_parts(x, axes, *affine, eps):
    mean, var = ops.moments(x, axes)
    return ops.normalize(x, mean, var, *affine, eps=eps), mean, var


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_standardize_is_normalize_by_the_moments_with_all_derivatives(axes, affine):
    """The gradients by the mean and the variance, and those of gradients, too."""
    with jax.enable_x64(True):
        x = jnp.asarray(normal(2, 3, 5, 4) * 3 + 7)
        arrays = [x, *(jnp.asarray(normal(4)) for _ in range(2 * affine))]
        weights = jax.tree.map(lambda part: normal(*part.shape), standardize_by_parts(x, axes, eps=0.1))

        def all_of(fn):
            def loss(*arrays):
                parts = fn(arrays[0], axes, *arrays[1:], eps=0.1)
                return sum((part * weight).sum() for part, weight in zip(parts, weights, strict=True))

            every = range(len(arrays))
            of_slope = jax.grad(lambda *a: sum(jnp.square(g).sum() for g in jax.grad(loss, every)(*a)), every)
            return fn(arrays[0], axes, *arrays[1:], eps=0.1), jax.grad(loss, every)(*arrays), of_slope(*arrays)

        expected, given = jit(lambda: (all_of(standardize_by_parts), all_of(ops.standardize)))()
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(given), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10)


def test_standardize_of_bfloat16_is_computed_in_float32():
    x, grad = (jnp.asarray(normal(2, 8, 8, 4) + shift, jnp.bfloat16) for shift in (50, 1))
    affine = jnp.asarray(normal(4), jnp.float32), jnp.asarray(normal(4), jnp.float32)

    def run(x, grad):
        (y, mean, var), vjp = jax.vjp(lambda x, *affine: ops.standardize(x, (0, 1, 2), *affine), x, *affine)
        return y, vjp((grad, jnp.zeros_like(mean), jnp.zeros_like(var)))

    y, (of_x, *of_affine) = jit(run)(x, grad)
    wide_y, (wide_of_x, *wide_of_affine) = jit(run)(x.astype(jnp.float32), grad.astype(jnp.float32))
    assert y.dtype == of_x.dtype == jnp.bfloat16
    for narrow, wide in ((y, wide_y), (of_x, wide_of_x)):
        np.testing.assert_allclose(narrow.astype(jnp.float32), wide, rtol=2**-8, atol=1e-5)
    for narrow, wide in zip(of_affine, wide_of_affine, strict=True):
        np.testing.assert_allclose(narrow, wide, rtol=1e-5)


def test_a_norm_and_an_activation_keep_one_array_each_for_the_way_back():
    """What the norm was given, and what the activation gives, which the next convolution keeps as well."""
    x, kernel = jnp.ones((4, 64, 64, 8)), jnp.ones((3, 3, 8, 8))

    def count_arrays(depth):
        def loss(kernel):
            y = x
            for _ in range(depth):
                y = ops.leaky_relu(ops.standardize(ops.conv2d(y, kernel, padding=1), (0, 1, 2))[0])
            return y.sum()

        return jax.jit(jax.grad(loss)).lower(kernel).compile().memory_analysis().temp_size_in_bytes / x.nbytes

    assert count_arrays(6) - count_arrays(3) == pytest.approx(2 * 3, abs=0.1)


def test_the_gradient_of_a_bias_is_summed_in_float32():
    x, kernel, bias = jnp.ones((1, 65, 63, 1), jnp.bfloat16), jnp.zeros((1, 1, 1, 1)), jnp.zeros(1)
    of_bias = jit(jax.grad(lambda bias: ops.conv2d(x, kernel, bias).astype(jnp.float32).sum()))(bias)
    np.testing.assert_array_equal(of_bias, [65 * 63])  # 4,095; bfloat16 has 4,096


@pytest.mark.parametrize("dtypes", [(jnp.bfloat16, jnp.bfloat16), (jnp.bfloat16, jnp.float32), (jnp.float32,) * 2])
def test_concat_channels_and_its_derivatives(dtypes):
    a, b = (jnp.asarray(normal(2, 3, 4, c), dtype) for c, dtype in zip((2, 3), dtypes, strict=True))
    weight = normal(2, 3, 4, 5).astype(np.float32)

    def run(stack):
        y = stack(a, b)
        return (
            y,
            jax.jvp(stack, (a, b), (b[..., :2].astype(a.dtype), b)),
            jax.grad(lambda a, b: (jnp.sin(stack(a, b).astype(jnp.float32)) * weight).sum(), (0, 1))(a, b),
        )

    expected, given = jit(lambda: [run(fn) for fn in (lambda a, b: jnp.concatenate([a, b], -1), ops.concat_channels)])()
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(given), strict=True):
        assert one.dtype == other.dtype, (one.dtype, other.dtype)
        np.testing.assert_allclose(other.astype(jnp.float32), one.astype(jnp.float32), rtol=1e-6)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_its_share_and_scales_the_rest(rate):
    y = np.asarray(ops.dropout(jax.random.key(3), jnp.full((200, 200), 2.0), rate))
    np.testing.assert_allclose(np.unique(y), [0, 2 / (1 - rate)], rtol=1e-6)
    # 5 standard deviations of the mean of 40,000 draws
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / y.size)


def test_dropout_is_fixed_by_its_key():
    x = jnp.ones(64)
    drop = lambda seed: np.asarray(ops.dropout(jax.random.key(seed), x, 0.5))
    np.testing.assert_array_equal(drop(0), drop(0))
    assert (drop(0) != drop(1)).any()


def test_dropout_of_rate_zero_is_the_identity():
    x = jnp.asarray(normal(8, 8), jnp.float32)
    np.testing.assert_array_equal(ops.dropout(jax.random.key(0), x, 0), x)


def test_reflect_pad_mirrors_without_repeating_the_edge():
    x = normal(2, 5, 4, 3, dtype=np.float32)
    for pad in (1, 3):
        expected = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(ops.reflect_pad(jnp.array(x), pad), expected)


def test_upsample_nearest_repeats_every_pixel():
    x = normal(2, 2, 3, 2, dtype=np.float32)
    y = np.asarray(ops.upsample_nearest(jnp.array(x), 3))
    assert y.shape == (2, 6, 9, 2)
    for i in range(6):
        for j in range(9):
            np.testing.assert_array_equal(y[:, i, j], x[:, i // 3, j // 3])
