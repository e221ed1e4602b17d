"""Runs the counts and the plan: `python -m experiments.scaling`."""

import sys

from experiments.scaling.command import main

if __name__ == "__main__":
    sys.exit(main())
