"""Runs the torture: `python -m experiments.checks.torture`."""

import sys

from experiments.checks.torture.command import main

if __name__ == "__main__":
    sys.exit(main())
