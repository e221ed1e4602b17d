"""Small inputs for the tests of the benchmark."""

import io
import json

from rich.console import Console

from experiments.benchmark import worker
from experiments.benchmark.options import ORIGINAL, Case, Contestant

TINY = Case(24, 1, 4)
LIMITS = {"jax": {"device": "cpu", "platform": "cpu", "float32": 1e9, "bfloat16": 4e9, "copy": 1e9}}


def printed(function, *args):
    """What a function prints on the console that it gets as its first argument."""
    console = Console(file=io.StringIO(), width=120, soft_wrap=True, markup=False, highlight=False)
    function(console, *args)
    return console.file.getvalue()  # pyright: ignore


def made_up_case():
    """Results of a case: p2p_jax in float32, the PyTorch original, and a row that failed."""
    common = {"platform": "cpu", "device": "cpu", "compile_seconds": 1.0, "first_peak": 2**30, "peak": 2**29}
    rows = [
        {**Contestant("p2p_jax float32", "jax")._asdict(), **common, "step": [0.4, 0.5, 9.0], "forward": [0.1]},
        {**Contestant(ORIGINAL, "torch")._asdict(), **common, "step": [1.0, 1.0, 1.0], "forward": [0.2]},
        {**Contestant("p2p_jax bfloat16", "jax", "bfloat16")._asdict(), "failed": "OutOfMemory: too large", "step": []},
    ]
    return {**TINY._replace(batch_size=2)._asdict(), "work": {"step": 250_000_000, "forward": 10_000_000}, "rows": rows}


def answers_of(*requests):
    """The answers of a worker that runs in this process."""
    written = io.StringIO()
    worker.serve(io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), written)
    return [json.loads(line) for line in written.getvalue().splitlines()]
