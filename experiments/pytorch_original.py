"""The project's one PyTorch file, for experiments that compare with it."""

import importlib.util
from pathlib import Path
from types import ModuleType

PATH = Path(__file__).parents[1] / "tests" / "reference" / "torch_pix2pix.py"


def what_is_missing() -> str | None:
    """Why nothing can be compared with PyTorch here, or None where it can."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed: pip install torch."
    return None if PATH.is_file() else f"{PATH} is missing: run this from a checkout of the project."


def load() -> ModuleType:
    """tests/reference/torch_pix2pix.py, where nothing is missing."""
    spec = importlib.util.spec_from_file_location("torch_pix2pix", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
