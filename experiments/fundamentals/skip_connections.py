"""Skip connections: what they do for gradients and for detail.

python -m experiments.fundamentals.skip_connections
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import Scope
from jax import Array

from experiments.fundamentals.facades import compare, draw_facades, jit_once, to_pictures, to_values, train_on_l1
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import layers, losses
from p2p_jax.generators import encoder_decoder, unet
from p2p_jax.network import count_parameters, network

TITLE = "Skip connections: the tower and the bridges"
QUESTION = "A network reduces a picture to a few numbers and draws it again from them. How does any detail survive?"
HOMES = (unet, encoder_decoder, layers.concat, layers.no_skip)

NORM = partial(layers.batch_norm, statistics="picture")
NAMES = {"U-Net": unet, "encoder-decoder": encoder_decoder}
ADAM = optax.adam(1e-3, b1=0.5)
TESTED = 24  # pictures that are not trained on
BRIDGES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


def cut_bridges(kept: Array) -> layers.Merge:
    """A merge that multiplies the skip of level i by kept[i], which is 0 or 1, before it concatenates."""

    def merge(scope: Scope, skip: Array, x: Array) -> Array:
        return layers.concat(scope, kept[int(str(scope.name).removeprefix("merge"))] * skip, x)

    return merge


def measure(*, size: int = 64, width: int = 16, steps: int = 600, pairs: int = 300) -> Numbers:
    """Measures the gradient of each layer, trains both networks on the same pairs, and cuts skip connections."""
    depth = size.bit_length() - 1
    widths = [width * min(2**i, 8) for i in range(depth)]
    wider = [round(1.15 * w) for w in widths]
    labels, photos = (to_values(pictures) for pictures in draw_facades(pairs + TESTED, size=size))
    test = labels[pairs:], photos[pairs:]
    results: Numbers = {"size": size, "widths": widths, "steps": steps, "tested": TESTED}
    without_norm = {net.__name__: measure_gradients(net, widths, labels[:2], photos[:2]) for net in NAMES.values()}
    results["gradients"] = {"without a norm": without_norm, "with a norm": {}}
    makers = {"unet": network(unet, widths=widths, norm=NORM)}
    makers["encoder_decoder"] = network(encoder_decoder, widths=wider, norm=NORM)
    results["labels"], results["photos"] = to_pictures(test[0][:6]), to_pictures(test[1][:6])
    for name, net in makers.items():
        training = train_on_l1(net, labels[:pairs], photos[:pairs], ADAM, batch=1, steps=steps, watch=measure_sizes)
        trained = training.params, training.state
        results["gradients"]["with a norm"][name] = training.watched
        made = jax.jit(partial(net.apply, train=False))(*trained, test[0])[0]
        results[name] = {
            "parameters": count_parameters(training.params),
            "curve": training.losses,
            **compare(made, test[1]),
        }
        results[name]["pictures"] = to_pictures(made[:6])
        if name == "unet":
            results["cut"] = cut_each(trained, widths, test)
            whole, innermost = (results["cut"][i]["picture"].astype(int) for i in (0, -2))
            results["innermost_change"] = int(np.abs(whole - innermost).max())
    return results


def measure_gradients(generator: Callable[..., Array], widths: Sequence[int], labels: Array, photos: Array) -> Array:
    """The gradients of L1 in the encoder of a network without norms, before training, as `measure_sizes` returns them."""
    net = network(generator, widths=widths, norm=layers.no_norm)

    @jit_once
    def find(key: Array) -> Array:
        params, state = net.init(key, labels)
        return measure_sizes(
            jax.grad(lambda params: losses.l1(net.apply(params, state, labels, train=True)[0], photos))(params)
        )

    return find(jax.random.key(0))


def measure_sizes(gradient: Any) -> Array:
    """Root mean square of the gradient in the kernel of each level of the encoder, outermost first."""
    kernels = [gradient[name]["kernel"] for name in sorted(gradient) if re.fullmatch(r"down\d", name)]
    return jnp.stack([jnp.sqrt(jnp.square(kernel).mean()) for kernel in kernels])


def cut_each(trained: tuple[Any, Any], widths: Sequence[int], test: tuple[Array, Array]) -> list[Numbers]:
    """Cuts one bridge at a time, then all of them, in the trained U-Net, without further training."""

    @jax.jit
    def make(kept: Array) -> Array:
        net = network(unet, widths=widths, merge=cut_bridges(kept), norm=NORM)
        return net.apply(*trained, test[0], train=False)[0]

    whole = jnp.ones(len(widths) - 1)
    one_by_one = {BRIDGES[i]: whole.at[i].set(0) for i in range(len(whole))}
    cuts = {"none": whole, **one_by_one, "all": 0 * whole}
    results: list[Numbers] = []
    for name, kept in cuts.items():
        fake = make(kept)
        results.append({"bridge": name, **compare(fake, test[1]), "picture": to_pictures(fake[0])})
    return results


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    return [*_gradient_claims(numbers), *_detail_claims(numbers["unet"], numbers["encoder_decoder"]), *_cut_claims(numbers)]


def _gradient_claims(numbers: Numbers) -> list[Claim]:
    without, with_norm = (float(sizes["encoder_decoder"][0] / sizes["unet"][0]) for sizes in numbers["gradients"].values())
    bottleneck = numbers["widths"][-1] / (3 * numbers["size"] ** 2)
    return [
        Claim("The bottleneck holds less than a twentieth of the picture's numbers.", bottleneck, "<", 0.05),
        Claim("Without a norm and bridges, under 1/10,000 of the first layer's gradient is left.", without, "<", 1e-4),
        Claim("With a norm, more than a tenth of it is left without bridges.", with_norm, ">", 0.1),
    ]


def _detail_claims(u: Numbers, tower: Numbers) -> list[Claim]:
    return [
        Claim("The tower without bridges has more weights.", tower["parameters"], ">", u["parameters"]),
        Claim("Its L1 on new pictures is larger by a tenth or more.", tower["l1"] / u["l1"], ">", 1.1),
        Claim("The U-Net's SSIM is higher by more than 0.2.", u["ssim"] - tower["ssim"], ">", 0.2),
        Claim("Its pictures are sharper by half or more.", u["sharpness"] / tower["sharpness"], ">", 1.5),
    ]


def _cut_claims(numbers: Numbers) -> list[Claim]:
    whole, *single, everything = numbers["cut"]
    worst, innermost = max(single, key=lambda result: float(result["l1"])), single[-1]
    unchanged, change = innermost["l1"] / whole["l1"], numbers["innermost_change"]
    return [
        Claim("Cutting all bridges halves the U-Net's SSIM or worse.", everything["ssim"] / whole["ssim"], "<", 0.5),
        Claim("Cutting the worst single one raises L1 by a twentieth or more.", worst["l1"] / whole["l1"], ">", 1.05),
        Claim("Cutting the innermost one changes L1 by less than a twentieth.", unchanged, "=", 1, 0.05),
        Claim("It does change the picture: largest difference, of 255.", change, ">", 0),
    ]


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
