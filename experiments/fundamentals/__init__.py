"""A small course: the ideas that pix2pix is made of, as experiments that run in a minute, with this package's functions.

    python -m experiments.fundamentals                      # all lessons, and one page of them
    python -m experiments.fundamentals.relu                 # one lesson

A lesson is a module with `TITLE`, `QUESTION`, `HOMES` (the functions of the package that it is about) and three functions:

    measure() -> numbers        runs the experiment; a dict that is written as JSON (arrays of uint8 are pictures)
    claims(numbers) -> claims   each a sentence with a number and what it has to be; a test holds every one
    tell(numbers) -> blocks     the text, formulas, figures and sliders of the page, drawn from the numbers alone
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
