"""Places of the recipes, and the exit code that restarts a run."""

from pathlib import Path

from p2p_jax.errors import RESTART as RESTART

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "experiments" / "launch"
SCRIPTS = sorted(path.name for path in LAUNCH.glob("*.sh"))
RECIPES = sorted(path.name for path in LAUNCH.iterdir() if path.is_file())
