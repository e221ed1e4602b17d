"""Convolution: a small window that slides over a picture, its sizes, its matrix, its transpose, and what it learns.

python -m experiments.fundamentals.convolution
"""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.fundamentals.facades import RUN_ONCE, draw_facades, to_pictures, to_values, train_on_l1
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import generators, layers, ops
from p2p_jax.network import network
from p2p_jax.ops import convolution
from p2p_jax.ops.cpu import im2col

TITLE = "Convolution: one small window, everywhere"
QUESTION = "How can a few weights work on a whole picture, and how are pictures made smaller and larger?"
HOMES = (ops.conv2d, ops.conv2d_transpose, ops.upsample_nearest, ops.reflect_pad, im2col.conv)

KERNELS = {
    "blur": np.full((3, 3), 1 / 9),
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "upright edges": np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "lying edges": np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]),
}
RAMP = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16  # a kernel that grows towards its middle

_jit = partial(jax.jit, compiler_options=RUN_ONCE)


def measure(*, largest: int = 16, size: int = 64, steps: int = 400, widths: Sequence[int] = (16, 32, 64)) -> Numbers:
    """Applies kernels by hand and by the package, counts sizes, draws the matrix, and trains a small U-Net.

    Args:
        largest: picture whose size is checked; even.
        size, steps, widths: of the U-Net and its training.
    """
    return {
        "kernels": _kernels(),
        "moves": _moves(),
        "sizes": _sizes(largest),
        "borders": _borders(),
        "channels": _channels(),
        "matrix": _matrix(),
        "transposed": _transposed(),
        "checkerboard": _checkerboard(),
        "learned": _learned(size, steps, widths),
    }


def _photo() -> np.ndarray:
    """A facade in [-1, 1], (1, 64, 64, 3)."""
    return np.asarray(to_values(draw_facades(1, size=64, first=9)[1]))


def _random(seed: int, *shape: int) -> Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


def _to_grey(values: Any) -> np.ndarray:
    """(..., h, w) in [-1, 1], cut off there, as grey pictures (..., h, w, 1)."""
    return to_pictures(np.asarray(values)[..., None])


def _largest(difference: Any) -> float:
    return float(np.abs(np.asarray(difference)).max())


def _kernels() -> Numbers:
    """Feature maps of a grey photo, summed by hand as well, and answers to one grey (0.6) and to an upright edge."""
    picture = _photo().mean(-1, keepdims=True)
    kernels = jnp.asarray(np.stack(list(KERNELS.values()), axis=-1)[:, :, None], jnp.float32)
    convolve = _jit(ops.conv2d)
    maps = np.asarray(convolve(jnp.asarray(picture), kernels))[0]
    by_hand = np.zeros_like(maps)
    for i, j in np.ndindex(maps.shape[:2]):
        window = picture[0, i : i + 3, j : j + 3, 0]
        by_hand[i, j] = [(window * kernel).sum() for kernel in KERNELS.values()]
    simple = np.stack([np.full((3, 3, 1), 0.6), np.tile([[0.0], [0], [1]], (3, 1, 1))])
    plain, edge = np.asarray(convolve(jnp.asarray(simple, jnp.float32), kernels))[:, 0, 0]
    roughness = np.abs(np.diff(maps, axis=1)).mean((0, 1))
    return {
        "picture": _to_grey(picture[0, ..., 0]),
        "maps": _to_grey(np.moveaxis(maps * (1, 1, 0.5, 0.5), -1, 0)),
        "error": _largest(maps - by_hand),
        "roughness": {"picture": np.abs(np.diff(picture, axis=2)).mean(), **dict(zip(KERNELS, roughness, strict=True))},
        "plain": dict(zip(KERNELS, plain, strict=True)),
        "at_edge": dict(zip(KERNELS, edge, strict=True)),
        "window": np.round(picture[0, 25:35, 14:24, 0] * 4.5 + 4.5).astype(int).tolist(),
    }


def _moves() -> Numbers:
    """Cuts from one picture, a few columns apart, and their feature maps."""
    picture = _photo().mean(-1, keepdims=True)
    cuts = np.concatenate([picture[:, :, move : move + 48] for move in (0, 8, 1, 2)])
    kernel = jnp.asarray(KERNELS["upright edges"], jnp.float32)[..., None, None]
    convolve = _jit(lambda cuts: [ops.conv2d(cuts, kernel, stride=stride)[..., 0] for stride in (1, 2)])
    maps, halved = (np.asarray(made) for made in convolve(jnp.asarray(cuts)))
    return {
        "cuts": _to_grey(cuts[:2, ..., 0]),
        "maps": _to_grey(maps[:2] / 2),
        "error": _largest(maps[0, :, 8:] - maps[1, :, :-8]),
        "halved_by_2": _largest(halved[0, :, 1:] - halved[3, :, :-1]),
        "halved_by_1": min(_largest(halved[0] - halved[2]), _largest(halved[0, :, 1:] - halved[2, :, :-1])),
    }


def _shape(function: Any, x: tuple[int, ...], kernel: tuple[int, ...], **options: int) -> tuple[int, int]:
    """Height and width of what a convolution would give; nothing is computed."""
    given = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x, kernel))
    return jax.eval_shape(lambda x, kernel: function(x, kernel, **options), *given).shape[1:3]


def _sizes(largest: int) -> Numbers:
    """Every size from 5 to `largest` against the rules, two of them, n and 5 + largest - n, in each picture."""
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


def _borders() -> Numbers:
    """The corner of a white picture, blurred with zeros around it and with its mirror image around it."""
    kernel = jnp.asarray(np.full((5, 5, 1, 1), 1 / 25, np.float32))
    blur = _jit(lambda x: (ops.conv2d(x, kernel, padding=2), ops.conv2d(ops.reflect_pad(x, 2), kernel)))
    zeros, mirror = blur(jnp.asarray(np.ones((1, 8, 8, 1), np.float32)))
    return {"zeros": np.asarray(zeros)[0, 0, 0, 0], "mirror": np.asarray(mirror)[0, 0, 0, 0]}


def _channels() -> Numbers:
    """A kernel of 1 x 1 on a photo, one of 2 x 2 channel by channel, and the weights of pix2pix's first layer."""
    photo = _photo()
    mix = np.array([[1 / 3, 0.5], [1 / 3, 0], [1 / 3, -0.5]]).reshape(1, 1, 3, 2)

    @_jit
    def convolve(photo: Array, mix: Array, kernel: Array) -> tuple[Array, ...]:
        apart = [ops.conv2d(photo[..., c : c + 1], kernel[:, :, c : c + 1]) for c in range(3)]
        return ops.conv2d(photo, mix), ops.conv2d(photo, kernel), apart[0] + apart[1] + apart[2]

    mixed, whole, summed = jax.device_get(convolve(jnp.asarray(photo), jnp.asarray(mix), _random(0, 2, 2, 3, 2)))
    first_layer = (4, 4, 3, 64)
    rows, columns = _shape(ops.conv2d, photo.shape, first_layer, stride=2, padding=1)
    return {
        "photo": to_pictures(photo[0]),
        "mixed": _to_grey(np.moveaxis(mixed[0], -1, 0)),
        "error": _largest(whole - summed),
        "weights": int(np.prod(first_layer)),
        "dense": photo.size * rows * columns * first_layer[-1],
        "out": rows,
    }


def _matrix() -> Numbers:
    """The matrix of a convolution and of its transpose, from pictures that are 1 in one pixel and 0 elsewhere."""
    picture, kernel = (jnp.asarray(np.arange(1, n * n + 1, dtype=np.float32).reshape(n, n)) for n in (5, 3))

    @_jit
    def convolve(picture: Array, kernel: Array, photo: Array, layer: Array) -> tuple[Array, ...]:
        columns = ops.conv2d(jnp.eye(25).reshape(25, 5, 5, 1), kernel[..., None, None])
        spread = ops.conv2d_transpose(jnp.eye(9).reshape(9, 3, 3, 1), kernel[None, ..., None], stride=1, padding=0)
        windows = ops.conv2d(picture, jnp.eye(9).reshape(3, 3, 1, 9))  # nine kernels that pick one pixel each
        window = convolution.geometry_of_conv(photo, layer, stride=2, padding=1)
        ways = [way.conv(window, photo, layer) for way in (convolution.IM2COL, convolution.NATIVE)]
        return columns, spread, windows, ops.conv2d(picture, kernel[..., None, None]), ways[0] - ways[1]

    given = picture[None, ..., None], kernel, jnp.asarray(_photo()), _random(0, 4, 4, 3, 8)
    columns, spread, windows, answer, difference = jax.device_get(convolve(*given))
    matrix, windows = columns.reshape(25, 9).T, windows.reshape(9, 9)
    return {
        "matrix": matrix,
        "windows": windows,
        "error": _largest(matrix @ np.ravel(picture) - answer.ravel()),
        "windows_error": _largest(windows @ np.ravel(kernel) - answer.ravel()),
        "transposed_error": _largest(spread.reshape(9, 25) - matrix),
        "weights": len(set(matrix[matrix != 0].tolist())),
        "zeros": (matrix == 0).mean(),
        "native_error": _largest(difference),
    }


def _transposed() -> Numbers:
    """Spots spread over a kernel, and the two sums that are equal if each operation is the other's transpose."""
    spots = np.zeros((2, 4, 4, 1), np.float32)
    spots[:, 1, 1] = spots[1, 1, 2] = 1

    @_jit
    def convolve(x: Array, y: Array, kernel: Array, spots: Array, ramp: Array) -> tuple[Array, ...]:
        forth = ops.conv2d(x, kernel, stride=2, padding=1)
        back = ops.conv2d_transpose(y, kernel.transpose(3, 0, 1, 2), stride=2, padding=1)
        spread = ops.conv2d_transpose(spots, ramp[None, ..., None], stride=2, padding=1)
        return (forth * y).sum(), (x * back).sum(), spread

    given = _random(0, 1, 16, 16, 3), _random(1, 1, 8, 8, 5), _random(2, 4, 4, 3, 5), jnp.asarray(spots), jnp.asarray(RAMP)
    forth, back, spread = jax.device_get(convolve(*given))
    pictures = {"spots": _to_grey(2 * spots[..., 0] - 1), "spread": _to_grey(2 * spread[..., 0] - 1)}
    return {"forth": forth, "back": back, **pictures}


def _checkerboard() -> Numbers:
    """What transposed convolutions make of a picture of ones, against repeating pixels and convolving."""

    def spread(side: int, kernels: Array) -> Array:
        """`kernels` is (k, k, 1, out); a kernel of 3 needs one row more to double the picture, as in `resnet`."""
        ones, turned, more = jnp.ones((1, side, side, 1)), kernels.transpose(2, 0, 1, 3), kernels.shape[0] % 2
        return ops.conv2d_transpose(ones, turned, stride=2, padding=1, output_padding=more)[0]

    @_jit
    def run(random: Array, ramp: Array) -> tuple[dict[str, Array], ...]:
        counts = {str(k): spread(4, jnp.ones((k, k, 1, 1)))[..., 0] for k in (3, 4)}
        repeated = ops.upsample_nearest(jnp.ones((1, 6, 6, 1)), 2)
        even = {"ramp": spread(6, ramp[..., None, None]), "repeated": ops.conv2d(repeated, random[:3, :3], padding=1)[0]}
        return counts, {"3": spread(6, random[:3, :3]), "4": spread(6, random), **even}

    counts, made = jax.device_get(run(_random(0, 4, 4, 1, 200), jnp.asarray(RAMP)))
    # Far from the borders one square of 2 x 2 pixels repeats; its four values are equal where there is no checkerboard.
    squares = {name: picture[4:6, 4:6].reshape(4, -1) for name, picture in made.items()}
    size = np.sqrt(np.square(squares["4"]).mean())
    return {
        "counts": counts,
        "inside": {k: (count[1:-1, 1:-1].min(), count[1:-1, 1:-1].max()) for k, count in counts.items()},
        "uneven": {name: square.std(axis=0).mean() / size for name, square in squares.items()},
        "pictures": {name: _to_grey(made[name][..., 0] / _largest(made[name][..., 0])) for name in ("3", "4", "repeated")},
    }


def _learned(size: int, steps: int, widths: Sequence[int]) -> Numbers:
    """A U-Net learns from photos of facades to draw their plans: its first layer before and after, and the losses."""
    plans, photos = (to_values(pictures) for pictures in draw_facades(64, size=size))
    unet = network(generators.unet, widths=widths, norm=layers.batch_norm)
    training = train_on_l1(unet, photos, plans, optax.adam(2e-3), batch=4, steps=steps)
    before, after = (np.asarray(params["down0"]["kernel"]) for params in (training.start, training.params))
    values = np.asarray(training.losses)
    chosen: list[int] = []
    shown = []
    for kind, part in list(_take_apart(after).items())[:3]:
        shares = np.square(part).sum((0, 1, 2)) / np.square(after).sum((0, 1, 2))
        most = [int(index) for index in np.argsort(-shares) if index not in chosen][:2]
        chosen += most
        shown += [(kind, shares[index]) for index in most]
    kernels = np.concatenate([before[..., chosen], after[..., chosen]], axis=-1)
    first_layer = _jit(partial(ops.conv2d, stride=2, padding=1))
    maps = np.asarray(first_layer(jnp.asarray(_photo()), jnp.asarray(kernels)))[0]
    enlarged = np.moveaxis(kernels / np.abs(kernels).max((0, 1, 2)), -1, 0).repeat(8, axis=1).repeat(8, axis=2)
    return {
        "l1": [values[:5].mean(), values[-20:].mean()],
        "steps": steps,
        "shares": [
            {name: np.square(part).sum() / np.square(k).sum() for name, part in _take_apart(k).items()}
            for k in (before, after)
        ],
        "shown": shown,
        "kernels": to_pictures(enlarged),
        "maps": _to_grey(np.moveaxis(maps / np.abs(maps).max((0, 1)), -1, 0)),
    }


def _take_apart(kernels: np.ndarray) -> dict[str, np.ndarray]:
    """Parts of kernels (kh, kw, in, out) that add up to them: what is the same everywhere, stripes, and the rest."""
    mean = kernels.mean((0, 1), keepdims=True)
    rows, columns = kernels.mean(1, keepdims=True) - mean, kernels.mean(0, keepdims=True) - mean
    parts = {"colour": mean, "rows": rows, "columns": columns, "rest": kernels - mean - rows - columns}
    return {name: np.broadcast_to(part, kernels.shape) for name, part in parts.items()}


def claims(numbers: Numbers) -> list[Claim]:
    """What the text says, with its numbers."""
    kernels, moves, sizes, corner = (numbers[name] for name in ("kernels", "moves", "sizes", "borders"))
    channels, matrix, transposed = numbers["channels"], numbers["matrix"], numbers["transposed"]
    inside, uneven = numbers["checkerboard"]["inside"], numbers["checkerboard"]["uneven"]
    rough, plain, edge = kernels["roughness"], kernels["plain"], kernels["at_edge"]
    before, after = numbers["learned"]["shares"]
    return [
        Claim("Sums written out by hand give the same feature maps: largest difference.", kernels["error"], "=", 0, 1e-5),
        Claim("The blur lowers the mean difference of neighbours.", rough["blur"], "<", rough["picture"]),
        Claim("The sharpening raises the mean difference of neighbours.", rough["sharpen"], ">", rough["picture"]),
        Claim("The blur leaves a picture of one grey (0.6) as it is.", plain["blur"], "=", 0.6, 1e-5),
        Claim("The sharpening leaves a picture of one grey (0.6) as it is.", plain["sharpen"], "=", 0.6, 1e-5),
        Claim("To one grey the edge kernel answers 0.", plain["upright edges"], "=", 0, 1e-6),
        Claim("To an upright edge of height 1 its answer is 3.", edge["upright edges"], "=", 3, 1e-5),
        Claim("There the kernel for lying edges answers 0.", edge["lying edges"], "=", 0, 1e-6),
        Claim("Moving the picture moves the feature map: largest difference.", moves["error"], "=", 0, 1e-5),
        Claim("With a stride of 2 a move by 2 moves it by 1: largest difference.", moves["halved_by_2"], "=", 0, 1e-5),
        Claim("A move by 1 changes it instead: largest difference.", moves["halved_by_1"], ">", 0.1),
        Claim("Sizes that break the rule of convolution.", sizes["wrong"], "=", 0),
        Claim("Sizes that break the rule of transposed convolution.", sizes["wrong_transposed"], "=", 0),
        Claim("A white picture, blurred with zeros around it, has a corner below 0.5.", corner["zeros"], "<", 0.5),
        Claim("With its mirror image around it, the corner stays white.", corner["mirror"], "=", 1, 1e-5),
        Claim("Channels convolved one by one add up to the whole: largest difference.", channels["error"], "=", 0, 1e-4),
        Claim("A dense layer needs over 100,000 times the weights.", channels["dense"] / channels["weights"], ">", 1e5),
        Claim("Matrix times picture is the convolution: largest difference.", matrix["error"], "=", 0, 1e-3),
        Claim("The matrix holds only nine different weights.", matrix["weights"], "=", 9),
        Claim("Windows times kernel is the convolution, too: largest difference.", matrix["windows_error"], "=", 0, 1e-3),
        Claim("This package's two ways agree: largest difference.", matrix["native_error"], "=", 0, 1e-4),
        Claim(
            "A transposed convolution has the same matrix, turned: largest difference.", matrix["transposed_error"], "=", 0
        ),
        Claim("Both give the same inner product, also with a stride.", transposed["forth"], "=", transposed["back"], 1e-3),
        Claim("With a kernel of 3, some pixels get only 1 contribution.", inside["3"][0], "=", 1),
        Claim("With a kernel of 3, other pixels get 4.", inside["3"][1], "=", 4),
        Claim("With a kernel of 4, the fewest contributions inside are 4.", inside["4"][0], "=", 4),
        Claim("With a kernel of 4, the most contributions inside are 4.", inside["4"][1], "=", 4),
        Claim("Random kernels of 4 still make a checkerboard.", uneven["4"], ">", 0.3),
        Claim("A kernel of 4 can have weights that make none.", uneven["ramp"], "=", 0, 1e-6),
        Claim("Repeating pixels and convolving never does.", uneven["repeated"], "=", 0, 1e-5),
        Claim("Before training, chance gives the rest 9 of 16 parts.", before["rest"], "=", 9 / 16, 0.06),
        Claim("After training the rest has less than a quarter of what it had.", after["rest"] / before["rest"], "<", 0.25),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
