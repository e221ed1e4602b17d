"""The command line `p2p-jax`: the only code that reads argv."""

from p2p_jax.cli.program import main as main
from p2p_jax.cli.program import run_command as run_command
from p2p_jax.cli.program import run_experiment as run_experiment
