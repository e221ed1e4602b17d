"""Convolution: a kernel that slides over a picture, its sizes, its matrix, its transpose, and the kernels it learns.

python -m experiments.fundamentals.convolution
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.fundamentals.facades import draw_photo, jit_once, to_grey, to_pictures
from experiments.fundamentals.first_layer import measure_learned
from experiments.fundamentals.lesson import Claim, Numbers
from experiments.fundamentals.upsampling import draw_normal, largest, measure_checkerboard, measure_transposed
from p2p_jax import ops
from p2p_jax.ops import convolution
from p2p_jax.ops.cpu import im2col

TITLE = "Convolution: one small window, everywhere"
QUESTION = "How can a few weights work on a whole picture, and how are pictures made smaller and larger?"
HOMES = (ops.conv2d, ops.conv2d_transpose, ops.upsample_nearest, ops.reflect_pad, im2col.conv)

KERNELS = {
    "blur": np.full((3, 3), 1 / 9),
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "vertical edges": np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "horizontal edges": np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]),
}


def measure(*, largest: int = 16, size: int = 64, steps: int = 400, widths: Sequence[int] = (16, 32, 64)) -> Numbers:
    """Convolves by hand and by the package, checks sizes, computes the matrix, and trains a small U-Net.

    Args:
        largest: side of the largest picture that is checked, in pixels; even.
        size, steps, widths: of the U-Net and its training.
    """
    return {
        "kernels": measure_kernels(),
        "moves": measure_moves(),
        "sizes": measure_sizes(largest),
        "borders": measure_borders(),
        "channels": measure_channels(),
        "matrix": measure_matrix(),
        "transposed": measure_transposed(),
        "checkerboard": measure_checkerboard(),
        "learned": measure_learned(size, steps, widths),
    }


def measure_kernels() -> Numbers:
    """Feature maps of a grey photo, also computed by hand, and of a uniform grey (0.6) and a vertical edge."""
    picture = draw_photo().mean(-1, keepdims=True)
    kernels = jnp.asarray(np.stack(list(KERNELS.values()), axis=-1)[:, :, None], jnp.float32)
    convolve = jit_once(ops.conv2d)
    maps = np.asarray(convolve(jnp.asarray(picture), kernels))[0]
    by_hand = np.zeros_like(maps)
    for i, j in np.ndindex(maps.shape[:2]):
        window = picture[0, i : i + 3, j : j + 3, 0]
        by_hand[i, j] = [(window * kernel).sum() for kernel in KERNELS.values()]
    simple = np.stack([np.full((3, 3, 1), 0.6), np.tile([[0.0], [0], [1]], (3, 1, 1))])
    plain, edge = np.asarray(convolve(jnp.asarray(simple, jnp.float32), kernels))[:, 0, 0]
    roughness = np.abs(np.diff(maps, axis=1)).mean((0, 1))
    return {
        "picture": to_grey(picture[0, ..., 0]),
        "maps": to_grey(np.moveaxis(maps * (1, 1, 0.5, 0.5), -1, 0)),
        "error": largest(maps - by_hand),
        "roughness": {"picture": np.abs(np.diff(picture, axis=2)).mean(), **dict(zip(KERNELS, roughness, strict=True))},
        "plain": dict(zip(KERNELS, plain, strict=True)),
        "at_edge": dict(zip(KERNELS, edge, strict=True)),
        "window": np.round(picture[0, 25:35, 14:24, 0] * 4.5 + 4.5).astype(int).tolist(),
    }


def measure_moves() -> Numbers:
    """Crops of one picture, a few columns apart, and their feature maps."""
    picture = draw_photo().mean(-1, keepdims=True)
    cuts = np.concatenate([picture[:, :, move : move + 48] for move in (0, 8, 1, 2)])
    kernel = jnp.asarray(KERNELS["vertical edges"], jnp.float32)[..., None, None]
    convolve = jit_once(lambda cuts: [ops.conv2d(cuts, kernel, stride=stride)[..., 0] for stride in (1, 2)])
    maps, halved = (np.asarray(made) for made in convolve(jnp.asarray(cuts)))
    return {
        "cuts": to_grey(cuts[:2, ..., 0]),
        "maps": to_grey(maps[:2] / 2),
        "error": largest(maps[0, :, 8:] - maps[1, :, :-8]),
        "halved_by_2": largest(halved[0, :, 1:] - halved[3, :, :-1]),
        "halved_by_1": min(largest(halved[0] - halved[2]), largest(halved[0, :, 1:] - halved[2, :, :-1])),
    }


def _shape(function: Any, x: tuple[int, ...], kernel: tuple[int, ...], **options: int) -> tuple[int, int]:
    """Height and width of a convolution's output, without computing it."""
    given = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x, kernel))
    return jax.eval_shape(lambda x, kernel: function(x, kernel, **options), *given).shape[1:3]


def measure_sizes(largest: int) -> Numbers:
    """Compares output sizes with the formulas for sides from 5 to `largest`; each picture tests two, height and width."""
    wrong, wrong_transposed, checked = 0, 0, 0
    for n, k, stride, padding in product(range(5, largest // 2 + 3), range(1, 6), range(1, 4), range(3)):
        sides, options = (n, 5 + largest - n), {"stride": stride, "padding": padding}
        found = _shape(ops.conv2d, (1, *sides, 1), (k, k, 1, 1), **options)
        back = _shape(ops.conv2d_transpose, (1, *sides, 1), (1, k, k, 1), **options)
        for side, small, large in zip(sides, found, back, strict=True):
            wrong += small != (side + 2 * padding - k) // stride + 1
            wrong_transposed += large != (side - 1) * stride - 2 * padding + k
            checked += 1
    table = [
        (k, stride, padding, _shape(ops.conv2d, (1, 64, 64, 1), (k, k, 1, 1), stride=stride, padding=padding)[0])
        for k, stride, padding in ((3, 1, 0), (3, 1, 1), (7, 1, 3), (4, 2, 1), (4, 1, 1))
    ]
    doubled = _shape(ops.conv2d_transpose, (1, 32, 32, 1), (1, 4, 4, 1), stride=2, padding=1)[0]
    return {"wrong": wrong, "wrong_transposed": wrong_transposed, "checked": checked, "table": table, "doubled": doubled}


def measure_borders() -> Numbers:
    """The corner of a white picture after a blur, padded with zeros and with its mirror image."""
    kernel = jnp.asarray(np.full((5, 5, 1, 1), 1 / 25, np.float32))
    blur = jit_once(lambda x: (ops.conv2d(x, kernel, padding=2), ops.conv2d(ops.reflect_pad(x, 2), kernel)))
    zeros, mirror = blur(jnp.asarray(np.ones((1, 8, 8, 1), np.float32)))
    return {"zeros": np.asarray(zeros)[0, 0, 0, 0], "mirror": np.asarray(mirror)[0, 0, 0, 0]}


def measure_channels() -> Numbers:
    """A kernel of 1 x 1 on a photo, one of 2 x 2 channel by channel, and the weights of pix2pix's first layer."""
    photo = draw_photo()
    mix = np.array([[1 / 3, 0.5], [1 / 3, 0], [1 / 3, -0.5]]).reshape(1, 1, 3, 2)

    @jit_once
    def convolve(photo: Array, mix: Array, kernel: Array) -> tuple[Array, ...]:
        by_channel = [ops.conv2d(photo[..., c : c + 1], kernel[:, :, c : c + 1]) for c in range(3)]
        return ops.conv2d(photo, mix), ops.conv2d(photo, kernel), by_channel[0] + by_channel[1] + by_channel[2]

    mixed, at_once, summed = jax.device_get(convolve(jnp.asarray(photo), jnp.asarray(mix), draw_normal(0, 2, 2, 3, 2)))
    first_layer = (4, 4, 3, 64)
    rows, columns = _shape(ops.conv2d, photo.shape, first_layer, stride=2, padding=1)
    return {
        "photo": to_pictures(photo[0]),
        "mixed": to_grey(np.moveaxis(mixed[0], -1, 0)),
        "error": largest(at_once - summed),
        "weights": int(np.prod(first_layer)),
        "dense": photo.size * rows * columns * first_layer[-1],
        "out": rows,
    }


def measure_matrix() -> Numbers:
    """The matrix of a convolution and of its transpose, from pictures that are 1 in one pixel and 0 elsewhere."""
    picture, kernel = (jnp.asarray(np.arange(1, n * n + 1, dtype=np.float32).reshape(n, n)) for n in (5, 3))

    @jit_once
    def convolve(picture: Array, kernel: Array, photo: Array, layer: Array) -> tuple[Array, ...]:
        columns = ops.conv2d(jnp.eye(25).reshape(25, 5, 5, 1), kernel[..., None, None])
        spread = ops.conv2d_transpose(jnp.eye(9).reshape(9, 3, 3, 1), kernel[None, ..., None], stride=1, padding=0)
        windows = ops.conv2d(picture, jnp.eye(9).reshape(3, 3, 1, 9))  # nine kernels that pick one pixel each
        window = convolution.geometry_of_conv(photo, layer, stride=2, padding=1)
        ways = [way.conv(window, photo, layer) for way in (convolution.IM2COL, convolution.NATIVE)]
        return columns, spread, windows, ops.conv2d(picture, kernel[..., None, None]), ways[0] - ways[1]

    given = picture[None, ..., None], kernel, jnp.asarray(draw_photo()), draw_normal(0, 4, 4, 3, 8)
    columns, spread, windows, answer, difference = jax.device_get(convolve(*given))
    matrix, windows = columns.reshape(25, 9).T, windows.reshape(9, 9)
    return {
        "matrix": matrix,
        "windows": windows,
        "error": largest(matrix @ np.ravel(picture) - answer.ravel()),
        "windows_error": largest(windows @ np.ravel(kernel) - answer.ravel()),
        "transposed_error": largest(spread.reshape(9, 25) - matrix),
        "weights": len(set(matrix[matrix != 0].tolist())),
        "zeros": (matrix == 0).mean(),
        "native_error": largest(difference),
    }


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    return [
        *_kernel_claims(numbers["kernels"]),
        *_size_claims(numbers),
        *_matrix_claims(numbers),
        *_checkerboard_claims(numbers["checkerboard"]),
        *_learning_claims(*numbers["learned"]["fractions"]),
    ]


def _kernel_claims(kernels: Numbers) -> list[Claim]:
    rough, plain, edge = kernels["roughness"], kernels["plain"], kernels["at_edge"]
    return [
        Claim("Sums computed by hand give the same feature maps: largest difference.", kernels["error"], "=", 0, 1e-5),
        Claim("The blur lowers the mean difference of neighbours.", rough["blur"], "<", rough["picture"]),
        Claim("Sharpening raises the mean difference of neighbours.", rough["sharpen"], ">", rough["picture"]),
        Claim("The blur leaves a uniform grey (0.6) unchanged.", plain["blur"], "=", 0.6, 1e-5),
        Claim("Sharpening leaves a uniform grey (0.6) unchanged.", plain["sharpen"], "=", 0.6, 1e-5),
        Claim("For a uniform grey the edge kernel's answer is 0.", plain["vertical edges"], "=", 0, 1e-6),
        Claim("For a vertical edge of height 1 its answer is 3.", edge["vertical edges"], "=", 3, 1e-5),
        Claim("There the kernel for horizontal edges answers 0.", edge["horizontal edges"], "=", 0, 1e-6),
    ]


def _size_claims(numbers: Numbers) -> list[Claim]:
    moves, sizes, corner = numbers["moves"], numbers["sizes"], numbers["borders"]
    return [
        Claim("Moving the picture moves the feature map: largest difference.", moves["error"], "=", 0, 1e-5),
        Claim("With stride 2, moving it by 2 moves the map by 1: largest difference.", moves["halved_by_2"], "=", 0, 1e-5),
        Claim("Moving it by 1 gives another map: largest difference.", moves["halved_by_1"], ">", 0.1),
        Claim("All sizes follow the rule of convolution: exceptions.", sizes["wrong"], "=", 0),
        Claim("All sizes follow the rule of transposed convolution: exceptions.", sizes["wrong_transposed"], "=", 0),
        Claim("A white picture, blurred with zeros around it, has a corner below 0.5.", corner["zeros"], "<", 0.5),
        Claim("With its mirror image around it, the corner stays white.", corner["mirror"], "=", 1, 1e-5),
    ]


def _matrix_claims(numbers: Numbers) -> list[Claim]:
    channels, matrix, transposed = numbers["channels"], numbers["matrix"], numbers["transposed"]
    saved, exchanged = channels["dense"] / channels["weights"], matrix["transposed_error"]
    split = channels["error"]
    return [
        Claim("The maps of single channels add up to that of all: largest difference.", split, "=", 0, 1e-4),
        Claim("A dense layer needs over 100,000 times the weights.", saved, ">", 1e5),
        Claim("Matrix times picture is the convolution: largest difference.", matrix["error"], "=", 0, 1e-3),
        Claim("The matrix holds only nine different weights.", matrix["weights"], "=", 9),
        Claim("Windows times kernel is the convolution, too: largest difference.", matrix["windows_error"], "=", 0, 1e-3),
        Claim("This package's two ways agree: largest difference.", matrix["native_error"], "=", 0, 1e-4),
        Claim("A transposed convolution has the transposed matrix: largest difference.", exchanged, "=", 0),
        Claim(
            "A convolution and its transpose give equal inner products, also with a stride.",
            transposed["forth"],
            "=",
            transposed["back"],
            1e-3,
        ),
    ]


def _checkerboard_claims(board: Numbers) -> list[Claim]:
    (fewest, most), (fewest_4, most_4), uneven = board["inside"]["3"], board["inside"]["4"], board["uneven"]
    return [
        Claim("With a kernel of 3, some pixels get only 1 contribution.", fewest, "=", 1),
        Claim("With a kernel of 3, other pixels get 4.", most, "=", 4),
        Claim("With a kernel of 4, the fewest contributions inside are 4.", fewest_4, "=", 4),
        Claim("With a kernel of 4, the most contributions inside are 4.", most_4, "=", 4),
        Claim("Random kernels of 4 still make a checkerboard.", uneven["4"], ">", 0.3),
        Claim("A kernel of 4 can have weights that make none.", uneven["ramp"], "=", 0, 1e-6),
        Claim("Repeating pixels and convolving makes none.", uneven["repeated"], "=", 0, 1e-5),
    ]


def _learning_claims(before: Numbers, after: Numbers) -> list[Claim]:
    return [
        Claim("Before training, the rest has about 9/16 of the total.", before["rest"], "=", 9 / 16, 0.06),
        Claim("After training it has less than a quarter of that.", after["rest"] / before["rest"], "<", 0.25),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
