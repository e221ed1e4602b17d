"""The paper's table 3: how much of the picture should the discriminator see at once?

    python -m experiments.paper.patches

Source: Isola et al. 2017, table 3: FCN scores of Cityscapes, labels to photos.
"""

import sys

from experiments.paper.settings import PATCHES_16, PIXELS, own_patches, whole_pictures
from experiments.paper.study import METRICS, Finding, Study, main

STUDY = Study(
    name="patches",
    title="Table 3: patch sizes of the discriminator",
    settings=lambda config: [own_patches(config), PIXELS, PATCHES_16, whole_pictures(config)],
    findings=[
        Finding(0, 1, "patches of 70 pixels are better than single pixels (0.66 and 0.39 of the pixels are recognised)."),
        Finding(0, 2, "patches of 70 pixels are about as good as those of 16 (0.66 and 0.65).", little=True),
        Finding(0, 3, "patches of 70 pixels are better than the whole picture (0.66 and 0.42)."),
    ],
    metrics=METRICS,
)

if __name__ == "__main__":
    sys.exit(main(STUDY))
