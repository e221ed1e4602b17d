"""A course on the ideas behind pix2pix. Each lesson is an experiment with this package's functions.

    python -m experiments.fundamentals                      # all lessons, on one page
    python -m experiments.fundamentals.relu                 # one lesson

A lesson is a module with `TITLE`, `QUESTION`, `HOMES` (the functions of the package that it is about) and two functions:

    measure() -> numbers        runs the experiment; returns a dict that is written as JSON (arrays of uint8 are pictures)
    claims(numbers) -> claims   sentences, each with a number and its bound; a test checks them

Its text is Markdown, in `text/NAME.md`. The text names values and parts, which come from the module `text/NAME.py`:

    tell(numbers) -> told       values for the text; figures, pictures, tables and widgets for its blocks

`prose.py` fills in the Markdown, `page.py` converts it to HTML, `course.py` runs lessons and writes their files, and `web`
holds the scripts of the widgets.
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
"""The lessons in reading order."""
