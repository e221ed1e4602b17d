"""The paper's figure 7: whose colours are distributed as those of the targets?

    python -m experiments.paper.colours

Source: Isola et al. 2017, figure 7: intersections of the histograms of L, a and b with those of the targets, Cityscapes.
"""

import sys

from experiments.paper.settings import CGAN, L1, L1_CGAN, PIXELS
from experiments.paper.study import Finding, Study, main

STUDY = Study(
    name="colours",
    title="Figure 7: distributions of the colours",
    settings=lambda config: [L1_CGAN, L1, CGAN, PIXELS._replace(title="L1 + PixelGAN")],
    findings=[
        Finding(
            0,
            1,
            "the colours of L1 + cGAN are closer to those of the targets than those of L1 (0.84 and 0.69 of a).",
        ),
        Finding(2, 1, "the colours of cGAN are closer than those of L1 (0.74 and 0.69)."),
        Finding(3, 1, "the PixelGAN gives no better colours in a (0.68 and 0.69), but in b (0.78 and 0.70)."),
    ],
    metrics=("colour_distance",),
)

if __name__ == "__main__":
    sys.exit(main(STUDY))
