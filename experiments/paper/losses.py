"""The paper's table 1: which losses are needed.

    python -m experiments.paper.losses

Source: Isola et al. 2017, table 1: FCN scores of Cityscapes, labels to photos.
"""

import sys

from experiments.paper.settings import CGAN, GAN, L1, L1_CGAN, L1_GAN
from experiments.paper.study import METRICS, Finding, Study, main

STUDY = Study(
    name="losses",
    title="Table 1: losses",
    settings=lambda config: [L1_CGAN, L1, GAN, CGAN, L1_GAN],
    findings=[
        Finding(0, 1, "L1 + cGAN is better than L1 alone (0.66 and 0.42 of the pixels are recognised)."),
        Finding(0, 3, "L1 + cGAN is better than cGAN alone (0.66 and 0.57)."),
        Finding(3, 2, "the conditional GAN is better than the unconditional one (0.57 and 0.22)."),
        Finding(0, 4, "with L1, the condition adds little (0.66 and 0.64).", little=True),
    ],
    metrics=METRICS,
)

if __name__ == "__main__":
    sys.exit(main(STUDY))
