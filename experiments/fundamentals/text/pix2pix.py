"""The text of the lesson `pix2pix`, told from its numbers alone."""

import numpy as np

from experiments.fundamentals.lesson import Block, Figure, Formula, Numbers, Pictures, Source, Table
from experiments.fundamentals.page import show_number as show
from experiments.fundamentals.pix2pix import VARIANTS
from experiments.plotting import draw_lines, new_plot
from p2p_jax.step import discriminator_gradients, generator_gradients, make_train_step


def tell(numbers: Numbers) -> list[Block]:
    """The lesson."""
    l1, gan, both = (numbers[name] for name in VARIANTS)
    return [
        """
        The U-Net of lesson 7 was trained with L1, and its pictures are in the right places, but soft. L1 takes the
        median of what may be there (lesson 1). Where the label map leaves open which brick is light and which is
        dark, that is about the same middle tone at every pixel, and the texture is gone. A person sees at once that
        such a picture is not a photo. So let a second network be that person.

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
        with the fake and with the real photo; teach the generator through the discriminator that has just learned.
        This is the whole of it, the order first, then what each of the two learns:
        """,
        Source(make_train_step),
        Source(discriminator_gradients),
        Source(generator_gradients),
        f"""
        One more idea: the discriminator does not judge the picture as a whole. It is a row of convolutions that ends
        in a grid of logits, and each of them depends on one patch of the picture only. L1 already takes care of what
        is where; the discriminator has to look after texture, and that is local. It is called a **PatchGAN**. Where
        the gradient of one logit is not zero shows its patch: {numbers["patch"]} x {numbers["patch"]} pixels in the
        paper's network, for pictures of 256. The one below has a layer less, and so smaller patches.

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
        (Its figures are not quite those of lesson 7, where there were fewer steps and no dropout, which sets some
        values to zero at random in training.) **The GAN alone** makes up rough surfaces, {show(gan["sharpness"])}
        times as sharp as the photos, and they need not be those of this building: its L1 is {show(gan["l1"])} instead
        of {show(l1["l1"])}. **Both together** pay a little L1, {show(both["l1"])}, and have {show(both["sharpness"])}
        of the photos' sharpness. That figure is only the size of the differences between neighbours: it cannot tell
        bricks from a pattern. So look at the sky as well.
        """,
        Table(
            f"Means over {numbers['tested']} label maps that were not trained on",
            ("", "L1", "SSIM", "sharpness", "probability of real: fakes", "of photos"),
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
        The last two columns are what each one's own discriminator says: the probability of being real that it gives
        to the fakes and to the photos, in the mean over all patches. The discriminator of L1 alone was trained as
        well, only nobody listened to it. L1 and SSIM do not see what a person sees here: by both, the blur is better
        than the invention. This is the paper's figure 4 and table 1 in small (Isola et al. 2017, section 4.2), and
        the reason why its authors asked people, and a network that reads label maps off photos, to judge.
        """,
        _curves(
            numbers,
            "generator_l1",
            "L1 of the generator, mean of 50 steps",
            "How far from the photo",
            "The two with L1 in their loss get nearest.",
        ),
        _curves(
            numbers,
            "discriminator_fake_accuracy",
            "share of fakes found out",
            "Who is winning",
            "One half would be guessing. L1 alone, which does not play, is found out most.",
        ),
        """
        In the first plot a falling curve says that training works. In the second, two opponents get better at the
        same time, and the score of the game tells little about how well either plays. So look at the pictures.

        `p2p-jax train quickstart` is the next larger thing, wider and longer, in some minutes. With
        `p2p-jax train pix2pix --data.path FOLDER` the paper's network learns from your own pairs.
        """,
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
