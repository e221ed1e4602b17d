"""Runs the fuzz: `python -m experiments.checks.fuzz`."""

import sys

from experiments.checks.fuzz.command import main

if __name__ == "__main__":
    sys.exit(main())
