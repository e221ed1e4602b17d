"""All of it together: what L1 alone, the GAN alone and both make of the same label maps.

python -m experiments.fundamentals.pix2pix
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.fundamentals.facades import RUN_ONCE, compare, draw_facades, run_steps, to_pictures, to_values
from experiments.fundamentals.lesson import Block, Claim, Figure, Formula, Numbers, Pictures, Source, Table
from experiments.fundamentals.page import show_number as show
from experiments.fundamentals.plots import draw_lines, new_plot
from p2p_jax import layers, losses, ops, pix2pix
from p2p_jax.config import Config, Discriminator, Generator, Optimizer
from p2p_jax.discriminators import patchgan
from p2p_jax.network import count_parameters, network
from p2p_jax.state import Model, TrainState
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step

TITLE = "pix2pix: two networks, one game"
QUESTION = "L1 knows where things are and draws them blurred. What would make the pictures look real as well?"
HOMES = (make_train_step, pix2pix.build, losses.l1, patchgan)

CONFIG = Config(
    image_size=64,
    generator=Generator(width=16, statistics="picture"),
    discriminator=Discriminator(width=16, num_layers=2),
    optimizer=Optimizer(learning_rate=1e-3, schedule="constant"),
)
"""The paper's composition, small, and with larger steps because there are few of them."""

# Factor of L1 and of the GAN's loss in the generator's loss; the third is the paper's.
VARIANTS = {"L1 alone": (100.0, 0.0), "GAN alone": (0.0, 1.0), "L1 and GAN": (100.0, 1.0)}
TESTED = 24  # pictures that are not trained on
METRICS = ("generator_l1", "discriminator_real_accuracy", "discriminator_fake_accuracy")


def measure(*, size: int = 64, width: int = 16, steps: int = 800, pairs: int = 300) -> Numbers:
    """Trains the three variants from the same weights on the same pairs, and measures the discriminator's patch."""
    config = replace(
        CONFIG,
        image_size=size,
        generator=replace(CONFIG.generator, width=width),
        discriminator=replace(CONFIG.discriminator, width=width),
    )
    model = pix2pix.build(config)
    labels, photos = (to_values(pictures) for pictures in draw_facades(pairs + TESTED, size=size))
    seen, test = {"input": labels[:pairs], "target": photos[:pairs]}, (labels[pairs:], photos[pairs:])
    first = {name: values[:1] for name, values in seen.items()}
    start = jax.jit(lambda key: init_train_state(key, model, first), compiler_options=RUN_ONCE)(jax.random.key(0))
    step = jax.jit(partial(_step, model, seen))
    results: Numbers = {"size": size, "steps": steps, "patch": _patch(), "tested": TESTED}
    for name, trained in (("generator", start.generator), ("discriminator", start.discriminator)):
        results[f"{name}_parameters"] = count_parameters(trained.params)
    results["labels"], results["photos"] = to_pictures(test[0][:6]), to_pictures(test[1][:6])
    make = jax.jit(lambda generator, x: model.generator.apply(generator.params, generator.state, x, train=False)[0])
    judge = _make_judge(model)
    for name, factors in VARIANTS.items():
        curves = jnp.zeros((len(METRICS), steps))
        state, curves, _ = run_steps(step, (start, curves, jnp.asarray(factors)), count=pairs, batch=1, steps=steps)
        made = make(state.generator, test[0])
        results[name] = {**compare(made, test[1]), "pictures": to_pictures(made[:6])}
        results[name]["curves"] = dict(zip(METRICS, curves, strict=True))
        shown = {"made": made, "photos": test[1]}
        results[name]["realness"] = {kind: judge(state.discriminator, test[0], shown[kind]) for kind in shown}
    return results


def _step(model: Pix2Pix, seen: dict[str, Array], carry: tuple[TrainState, Array, Array], indices: Array) -> Any:
    """One step; the factors of the generator's two losses are in `carry`, so that all variants are compiled once."""
    state, curves, (of_l1, of_gan) = carry
    adversarial = losses.weigh_generator(losses.bce, of_gan)  # pyright: ignore[reportArgumentType]
    variant = model._replace(reconstruction_weight=of_l1, adversarial=adversarial)
    after, metrics = make_train_step(variant)(state, {name: pictures[indices] for name, pictures in seen.items()})
    curves = curves.at[:, state.step].set(jnp.stack([metrics[name] for name in METRICS]))
    return after, curves, carry[2]


def _make_judge(model: Pix2Pix) -> Callable[[Model, Array, Array], Array]:
    """How probable a discriminator finds it that pictures are real, in the mean over all patches."""

    @partial(jax.jit, compiler_options=RUN_ONCE)
    def judge(discriminator: Model, labels: Array, pictures: Array) -> Array:
        stacked = jnp.concatenate([labels, pictures], axis=-1)
        logits, _ = model.discriminator.apply(discriminator.params, discriminator.state, stacked, train=False)
        return ops.sigmoid(logits).mean()

    return judge


def _patch() -> int:
    """The side, in pixels, of what one logit of the paper's discriminator depends on: where its gradient is not zero."""
    judge = network(patchgan, widths=(1, 1, 1, 1), norm=layers.no_norm)  # the paper's geometry, one feature each
    picture = jnp.ones((1, 256, 256, 1))

    @partial(jax.jit, compiler_options=RUN_ONCE)
    def slope(key: Array) -> Array:
        params, state = judge.init(key, picture)
        params = jax.tree.map(jnp.ones_like, params)  # so that nothing cancels
        return jax.grad(lambda x: judge.apply(params, state, x, train=False)[0][0, 15, 15, 0])(picture)

    return int((np.asarray(slope(jax.random.key(0))) != 0).any(axis=(0, 1, 3)).sum())


def claims(numbers: Numbers) -> list[Claim]:
    """What the text says, with its numbers."""
    l1, gan, both = (numbers[name] for name in VARIANTS)
    return [
        Claim("A logit of the paper's discriminator depends on a patch of 70 x 70 pixels.", numbers["patch"], "=", 70),
        Claim("L1 alone is blurred: it has less than 0.9 of the photos' sharpness.", l1["sharpness"], "<", 0.9),
        Claim("The GAN alone is rougher than the photos by a fifth or more.", gan["sharpness"], ">", 1.2),
        Claim("Both together are nearer to the photos' sharpness than L1 alone.", _off(both), "<", _off(l1)),
        Claim("They are nearer than the GAN alone, too.", _off(both), "<", _off(gan)),
        Claim(
            "The GAN alone is farther from the right photo than L1 alone, by a quarter or more.",
            gan["l1"] / l1["l1"],
            ">",
            1.25,
        ),
        Claim("Both together are hardly farther from it than L1 alone.", both["l1"] / l1["l1"], "<", 1.15),
        Claim("Its discriminator believes less than a quarter of what L1 alone makes.", l1["realness"]["made"], "<", 0.25),
        Claim(
            "It believes in pictures of both together at least twice as much.",
            both["realness"]["made"] / l1["realness"]["made"],
            ">",
            2,
        ),
    ]


def _off(variant: Numbers) -> float:
    return abs(float(variant["sharpness"]) - 1)


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    l1, gan, both = (numbers[name] for name in VARIANTS)
    return [
        """
        The U-Net of lesson 7 was trained with L1, and its pictures are in the right places, but soft. Lesson 1 says
        why: where the label map leaves open which brick is light and which is dark, L1 takes the middle. A person
        sees at once that such a picture is not a photo. So let a second network be that person.

        - The **generator** is the U-Net. It is given a label map and makes a picture, the **fake**.
        - The **discriminator** is given a label map together with a picture, and answers with a logit: is the picture
          the real photo, or is it a fake? It is trained with log loss, as in lesson 1.

        The generator is trained to make pictures that the discriminator takes for real. Its gradient comes
        **through** the discriminator: backpropagation goes on from the logit to the pixels, and from them into the
        generator. The two get better against each other. This is a **generative adversarial network**, a **GAN**; and
        because both of its networks are shown the label map as well, it is a **conditional** one. Without it the
        generator might draw a splendid facade, the same each time.
        """,
        Formula(
            r"\mathrm{loss\ of\ G} = -\log D(x, G(x)) + \lambda \cdot \mathrm{L1}(G(x), y)",
            "the log loss of the fake being called real, plus lambda times the L1 between the fake and the photo y",
        ),
        """
        *G(x)* is the generator's picture for the label map *x*, *D* the probability that the discriminator gives it.
        The paper's λ is 100. One training step does three things, in this order: make a fake; teach the discriminator
        with the fake and with the real photo, halving its loss so that it learns more slowly; teach the generator
        through the discriminator that has just learned. This is the whole of it:
        """,
        Source(make_train_step),
        f"""
        One more idea: the discriminator does not judge the picture as a whole. It is a row of convolutions that ends
        in a grid of logits, and each of them depends on one patch of the picture only. L1 already takes care of what
        is where; the discriminator has to look after texture, and that is local. It is called a **PatchGAN**. Where
        the gradient of one logit is not zero shows its patch: {numbers["patch"]} x {numbers["patch"]} pixels in the
        paper's network.

        ### Three generators

        Three times the same two networks ({numbers["generator_parameters"]:,} and
        {numbers["discriminator_parameters"]:,} weights) begin with the same weights and are shown the same pairs in
        the same order, {numbers["steps"]} of them. Only the generator's loss differs: L1 without the GAN, the GAN
        without L1, and both. Then they are given label maps that they have not seen.
        """,
        Pictures(
            "three",
            "The blur, the invention, and the balance.",
            "Six rows of label map, L1 alone, GAN alone, both, and photo. L1 alone is soft and has everything in place. "
            "GAN alone is full of contrast, with speckles in sky and walls. Both together have crisp windows in place.",
            {
                "label map": numbers["labels"],
                **{name: numbers[name]["pictures"] for name in VARIANTS},
                "photo": numbers["photos"],
            },
        ),
        f"""
        **L1 alone** is in the right place and blurred: it has {show(l1["sharpness"])} of the sharpness of the photos.
        **The GAN alone** makes up rough surfaces that a discriminator may take for bricks, {show(gan["sharpness"])}
        times as sharp as the photos, and does not care which brick is where: its L1 is {show(gan["l1"])} instead of
        {show(l1["l1"])}. **Both together** pay a little L1, {show(both["l1"])}, and have {show(both["sharpness"])} of
        the photos' sharpness.
        """,
        Table(
            f"Means over {numbers['tested']} label maps that were not trained on",
            ("", "L1", "SSIM", "sharpness", "called real: fakes", "called real: photos"),
            [
                (
                    name,
                    *(numbers[name][figure] for figure in ("l1", "ssim", "sharpness")),
                    *(f"{float(numbers[name]['realness'][kind]):.0%}" for kind in ("made", "photos")),
                )
                for name in VARIANTS
            ],
        ),
        """
        The last two columns are the probability of being real that each one's own discriminator gives to the fakes
        and to the photos, in the mean over all patches. The discriminator of L1 alone was trained as well, only
        nobody listened to it: it tells the two apart without trouble. L1 and SSIM do not see what a person sees here;
        they prefer the blur. This is the paper's figure 4 and table 1 in small (Isola et al. 2017, section 4.2), and
        the reason why its authors asked people, and a network that reads label maps off photos, to judge.
        """,
        _curves(
            numbers,
            "generator_l1",
            "L1 of the generator, mean of 50 steps",
            "How far from the photo",
            "The GAN alone gets nearer to the photos too, for a discriminator that sees the label map asks for it.",
        ),
        _curves(
            numbers,
            "discriminator_fake_accuracy",
            "share of fakes found out",
            "Who is winning",
            "One half is guessing. L1 alone, which does not play, is found out nearly always.",
        ),
        """
        A falling curve says that training works only for the first plot. In the second, two opponents get better at
        the same time, and the score of the game tells little about how well either plays. So look at the pictures.

        This was {size} pixels and a minute. `p2p-jax train quickstart` is the same with four times the weights and
        some minutes; `p2p-jax train pix2pix --data.path FOLDER` is the paper's network, on your own pairs.
        """.replace("{size}", str(numbers["size"])),
    ]


def _curves(numbers: Numbers, metric: str, label: str, title: str, caption: str) -> Figure:
    figure, axes = new_plot("step", label, title=title)
    lines = {}
    for name in VARIANTS:
        means = np.asarray(numbers[name]["curves"][metric]).reshape(-1, 50).mean(axis=1)
        lines[name] = (50 * (np.arange(len(means)) + 1), means)
    draw_lines(axes, lines)
    axes.set_ylim(bottom=0)
    ends = ", ".join(f"{name} from {show(y[0])} to {show(y[-1])}" for name, (_, y) in lines.items())
    return Figure(metric, caption, f"{label} over the steps: {ends}.", figure)


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
