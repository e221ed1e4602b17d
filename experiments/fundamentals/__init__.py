"""A small course: the ideas that pix2pix is made of, as experiments that run in a minute, with this package's functions.

    python -m experiments.fundamentals                      # all lessons, and one page of them
    python -m experiments.fundamentals.relu                 # one lesson

A lesson is a module with `TITLE`, `QUESTION`, `HOMES` (the functions of the package that it is about) and two functions:

    measure() -> numbers        runs the experiment; a dict that is written as JSON (arrays of uint8 are pictures)
    claims(numbers) -> claims   each a sentence with a number and what it has to be; a test holds every one

and one beside it in `text`, which the page is made of:

    tell(numbers) -> blocks     text, formulas, figures and sliders, drawn from the numbers alone

`course.py` runs them and writes what they found, `page.py` makes HTML of it, and `web` holds the scripts of the sliders.
"""

LESSONS = (
    "losses",
    "gradients",
    "backpropagation",
    "relu",
    "leaky_relu",
    "convolution",
    "skip_connections",
    "pix2pix",
)
"""In the order in which they are read."""
