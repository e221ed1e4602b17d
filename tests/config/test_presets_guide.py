"""The guide to the presets: its table holds the values of the code, and its example runs."""

import re
from pathlib import Path

from p2p_jax.config import Config
from p2p_jax.config.presets import PRESETS, apply_preset

GUIDE = (Path(__file__).parents[2] / "p2p_jax" / "config" / "PRESETS.md").read_text()


def test_the_table_has_the_values_of_every_preset():
    lines = [line.strip("|").split("|") for line in GUIDE.splitlines() if line.startswith("| ")]
    rows = [[cell.strip(" `") for cell in line] for line in lines]
    start = next(index for index, row in enumerate(rows) if row[0] == "field")
    assert rows[start][2:] == ["pytorch", "lua", "tensorflow", "affinelayer"] == list(PRESETS)
    table = {row[0]: row[2:] for row in rows[start + 1 :] if "." in row[0]}
    assert set(table) == set(PRESETS["pytorch"])
    for name, cells in table.items():
        assert cells == [str((PRESETS["pytorch"] | preset)[name]) for preset in PRESETS.values()], name


def test_the_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names = {}
    exec(example, names)
    assert names["config"] == apply_preset(Config(image_size=256), "lua")
