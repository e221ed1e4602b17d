"""Runs the benchmark: `python -m experiments.benchmark`, the same as `p2p-jax bench`."""

import sys

from experiments.benchmark.command import run
from p2p_jax.cli import run_command

if __name__ == "__main__":
    PROGRAM = "experiments.benchmark"
    sys.exit(run_command(lambda argv: run(argv, PROGRAM), sys.argv[1:], PROGRAM))
