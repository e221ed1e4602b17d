"""The paper's table 2: does the generator need skip connections?

    python -m experiments.paper.architectures

Source: Isola et al. 2017, table 2: FCN scores of Cityscapes, labels to photos.
"""

import sys

from experiments.paper.settings import ENCODER_L1, ENCODER_L1_CGAN, L1, L1_CGAN
from experiments.paper.study import METRICS, Finding, Study, main

U_NET_L1_CGAN, U_NET_L1 = L1_CGAN._replace(title="U-Net, L1 + cGAN"), L1._replace(title="U-Net, L1")

STUDY = Study(
    name="architectures",
    title="Table 2: U-Net and encoder-decoder",
    settings=lambda config: [U_NET_L1_CGAN, U_NET_L1, ENCODER_L1_CGAN, ENCODER_L1],
    findings=[
        Finding(0, 2, "with L1 + cGAN the U-Net beats the encoder-decoder (0.55 and 0.29 of the pixels are right)."),
        Finding(1, 3, "with L1 the U-Net beats the encoder-decoder (0.48 and 0.35)."),
    ],
    metrics=METRICS,
)

if __name__ == "__main__":
    sys.exit(main(STUDY))
