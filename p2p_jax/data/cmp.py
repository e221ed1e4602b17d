"""The twelve classes of CMP facades, and their colours in label maps.

Source:
    R. Tylecek and R. Sara, Spatial Pattern Templates for Recognition of Objects with Regular Structure, GCPR 2013. The
    colours are those of the label maps that pix2pix is trained on: twelve even steps of the jet colour map.
"""

import numpy as np

CLASSES = (
    "background",
    "facade",
    "window",
    "door",
    "cornice",
    "sill",
    "balcony",
    "blind",
    "deco",
    "molding",
    "pillar",
    "shop",
)
COLOURS = np.array(
    [
        (0, 0, 222),
        (0, 48, 255),
        (0, 128, 255),
        (0, 208, 255),
        (32, 255, 224),
        (112, 255, 144),
        (192, 255, 63),
        (255, 240, 0),
        (255, 160, 0),
        (255, 80, 0),
        (255, 0, 0),
        (174, 0, 0),
    ],
    np.uint8,
)
COLOURS.setflags(write=False)
BACKGROUND, FACADE, WINDOW, DOOR, CORNICE, SILL, BALCONY, BLIND, DECO, MOLDING, PILLAR, SHOP = range(12)
