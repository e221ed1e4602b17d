"""The tools as commands: their options, what they print, that they overwrite only on request, and their mistakes."""

from pathlib import Path

import pytest
from helpers.drawing import draw, files_in, fill

from p2p_jax.cli.data import COMMANDS, HELP, data
from p2p_jax.data.tools.blank import blank_pictures
from p2p_jax.data.tools.combine import combine_folders
from p2p_jax.data.tools.edges import draw_edges
from p2p_jax.data.tools.grayscale import make_grayscale
from p2p_jax.data.tools.labels import convert_labels
from p2p_jax.data.tools.resize import resize_pictures
from p2p_jax.data.tools.runner import Writing
from p2p_jax.data.tools.split import split_pairs


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", {"1.png": draw(1), "sub/2.png": draw(2), "sub/10.png": draw(10)})


def run(name: str, *argv: object) -> None:
    assert data([name, *(str(word) for word in argv)]) == 0


RUNS = {
    "combine": [], "split": [], "resize": ["--size", 16, 16], "edges": [], "blank": [], "grayscale": [],
    "labels": ["--palette", "cmp", "--to-ids"],
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_every_tool_keeps_sub_folders_and_overwrites_only_on_request(tmp_path, photos, name, capsys):
    argv = [photos, photos] if name == "combine" else [photos, *RUNS[name]]
    before = {path: (photos / path).read_bytes() for path in files_in(photos)}
    run(name, *argv, "-o", tmp_path / "out", "--dry-run")
    assert not (tmp_path / "out").exists()
    printed = capsys.readouterr().out
    run(name, *argv, "-o", tmp_path / "out")
    written = files_in(tmp_path / "out")
    assert len({path for path in written if path.endswith("sub/10.png")}) == len(written) / 3
    assert f"{len(written)} files would be written" in printed
    assert str(tmp_path / "out" / written[0]) in printed
    kept = tmp_path / "out" / written[1]
    for path in written:
        if path != written[1]:
            (tmp_path / "out" / path).unlink()
    kept.write_text("mine")
    with pytest.raises(ValueError, match=rf"{written[1]} exists already, and 1 of {len(written)} files do.*--overwrite"):
        run(name, *argv, "-o", tmp_path / "out")
    assert files_in(tmp_path / "out") == [written[1]]
    assert kept.read_text() == "mine"
    run(name, *argv, "-o", tmp_path / "out", "--overwrite")
    assert files_in(tmp_path / "out") == written
    assert kept.read_bytes() != b"mine"
    assert {path: (photos / path).read_bytes() for path in files_in(photos)} == before
    assert name in HELP


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("edges photos -o out --low 70", r"--low 70.0 and --high 30.0"),
        ("edges photos -o out --sigma -1", "--sigma was given -1"),
        ("edges photos -o out --thickness 0", "--thickness was given 0"),
        ("edges photos -o out --workers 0", "--workers was given 0"),
        ("edges photos -o out --thicknes 2", "did you mean --thickness"),
        ("edges photos -o out --overwite", "did you mean --overwrite"),
        ("blank photos -o out --fraction 1", "--fraction was given 1"),
        ("blank photos -o out --fraction 0", "--fraction was given 0"),
        ("blank photos -o out --fill 256", "--fill was given 256"),
        ("resize photos -o out --size 0 5", "--size was given 0 5"),
        ("resize photos -o out --size 8 8 --fill -1", "--fill was given -1"),
        ("split photos -o out --val-fraction 1", "--val-fraction was given 1"),
        ("edges missing -o out", "the folder missing does not exist"),
        ("edges photos/1.png -o out", r"the folder photos/1\.png is a file"),
        ("edges empty -o out", "the folder empty holds no pictures"),
        ("combine photos missing -o out", "the folder missing does not exist"),
        ("combine empty empty -o out", "no picture in empty has the name of one in empty"),
        ("labels photos -o out --palette cpm", "no palette file cpm"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(tmp_path, photos, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        run(*argv.split())
    assert not (tmp_path / "out").exists()


# A command with other options than the defaults, and the call of its function that does the same.
CALLS = {
    "combine": ("--resize-b --method nearest --format tiff", lambda photos, output: combine_folders(
        photos, photos.parent / "large", output, resize_b=True, method="nearest", writing=Writing(format="tiff"),
    )),
    "split": ("--val-fraction 0.3 --test-fraction 0.4 --seed 3", lambda photos, output: split_pairs(
        photos, output, val_fraction=0.3, test_fraction=0.4, seed=3,
    )),
    "resize": ("--size 9 30 --method area --pad --fill 7", lambda photos, output: resize_pictures(
        photos, output, (9, 30), method="area", pad=True, fill=7,
    )),
    "edges": ("--low 3 --high 4 --sigma 0.5 --shortest 2 --thickness 2 --invert --pairs", lambda photos, output: draw_edges(
        photos, output, low=3, high=4, sigma=0.5, shortest=2, thickness=2, invert=True, pairs=True,
    )),
    "blank": ("--shape strokes --fraction 0.4 --fill 3 --seed 5", lambda photos, output: blank_pictures(
        photos, output, shape="strokes", fraction=0.4, fill=3, seed=5,
    )),
    "grayscale": ("--pairs", lambda photos, output: make_grayscale(photos, output, pairs=True)),
    "labels": ("--palette #000000 #ffffff --to-ids --tolerance 300 --as-palette-png", lambda photos, output: convert_labels(
        photos, output, ["#000000", "#ffffff"], to_ids=True, tolerance=300, as_palette_png=True,
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_every_option_reaches_its_function(tmp_path, photos, name, capsys):
    fill(tmp_path / "large", {path: draw(i, (20, 30)) for i, path in enumerate(files_in(photos))})
    options, call = CALLS[name]
    folders = [photos, tmp_path / "large"] if name == "combine" else [photos]
    run(name, *folders, "-o", tmp_path / "command", *options.split())
    result = call(photos, tmp_path / "function")
    assert files_in(tmp_path / "command") == files_in(tmp_path / "function")
    for path in files_in(tmp_path / "command"):
        assert (tmp_path / "command" / path).read_bytes() == (tmp_path / "function" / path).read_bytes()
    printed = capsys.readouterr().out
    assert f"{len(result.files)} files written to {tmp_path / 'command'}." in printed
    assert all(note.replace("function", "command") in printed for note in result.notes)


def test_skipped_pictures_are_counted_and_named(tmp_path, photos, capsys):
    (photos / "3.png").write_bytes(b"no picture")
    run("grayscale", photos, "-o", tmp_path / "out", "--on-error", "skip")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"6 files written to {tmp_path / 'out'}.", "1 skipped:"]
    assert "3.png is not a picture" in lines[2]


def test_unknown_commands_are_answered_with_a_similar_one(capsys):
    with pytest.raises(ValueError, match=r"there is no command data edge \(did you mean edges"):
        data(["edge"])
    assert data([]) == 2
    assert data(["--help"]) == 0
    assert capsys.readouterr().out == HELP * 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_description(name, capsys):
    with pytest.raises(SystemExit):
        data([name, "--help"])
    lines = capsys.readouterr().out.split("\n\n", 2)[2].splitlines()
    options = [i for i, line in enumerate(lines) if line.startswith("  ") and line[2] != " "]
    assert len(options) >= 6
    assert all(lines[i + 1].startswith("      ") for i in options)
    assert not [lines[i] for i in options if lines[i + 1].strip().startswith("(")]
