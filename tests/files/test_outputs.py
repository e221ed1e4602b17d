"""The rule for all commands that write: nothing is replaced unasked, and no result lies among the inputs."""

import os
from pathlib import Path

import pytest

from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path, check_outputs


@pytest.fixture
def pics(tmp_path, monkeypatch) -> Path:
    """The folder pics, with a.jpg and sub/b.jpg, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics" / "sub").mkdir(parents=True)
    (tmp_path / "pics" / "a.jpg").write_text("a")
    (tmp_path / "pics" / "sub" / "b.jpg").write_text("b")
    return Path("pics")


def results_in(output: Path, pics: Path) -> dict[Path, tuple[Path, ...]]:
    return {output / "a.png": (pics / "a.jpg",), output / "sub" / "b.png": (pics / "sub" / "b.jpg",)}


@pytest.mark.parametrize(
    "place", ["pics", "pics/out", "pics/out/deeper", "./pics/../pics/new", "link", "link/out", "{here}/pics"]
)
@pytest.mark.parametrize("existing", ["refuse", "skip", "replace"])
def test_no_result_lies_among_the_inputs(pics, tmp_path, place, existing):
    Path("link").symlink_to("pics")
    output = Path(place.format(here=tmp_path))
    with pytest.raises(UserError, match="lies in the input pics, where results would be taken for inputs"):
        check_outputs(output, results_in(output, pics), inputs=[Path("elsewhere"), pics], existing=existing)
    with pytest.raises(UserError, match="lies in the input link"):
        check_outputs(output, results_in(output, pics), inputs=[Path("link")], existing=existing)


def test_an_output_that_a_link_in_the_input_leads_to_is_refused(pics):
    Path("out").mkdir()
    (pics / "results").symlink_to(Path("out").absolute())
    found = {Path("out/c.png"): (pics / "results" / "c.jpg",), Path("out/a.png"): (pics / "a.jpg",)}
    with pytest.raises(UserError, match="lies among the inputs by way of the link pics/results"):
        check_outputs(Path("out"), found, inputs=[pics])


@pytest.mark.parametrize("output", ["out", ".", "picsy", "pics2/out"])
def test_other_outputs_are_accepted(pics, output):
    assert check_outputs(Path(output), results_in(Path(output), pics), inputs=[pics]) == set()


@pytest.mark.parametrize("inputs", ["pics/a.jpg", "pics/sub"])
def test_results_may_lie_beside_a_picture_and_around_a_folder(pics, inputs):
    assert check_outputs(pics, {pics / "new.png": (Path("pics/sub/b.jpg"),)}, inputs=[Path(inputs)]) == set()


@pytest.mark.parametrize("how", ["file", "link", "broken link"])
def test_what_exists_is_replaced_or_skipped_only_on_request(pics, how):
    Path("out").mkdir()
    there = Path("out/a.png")
    if how == "file":
        there.write_text("mine")
    else:
        there.symlink_to("missing" if how == "broken link" else Path(__file__))
    results = results_in(Path("out"), pics)
    for skippable, words in ((False, "give another -o, or"), (True, "give another -o, --skip-existing to keep it, or")):
        with pytest.raises(UserError, match=rf"out/a\.png exists already, and 1 of 2 files do: {words} --overwrite"):
            check_outputs(Path("out"), results, inputs=[pics], skippable=skippable, option="-o")
    for existing in ("skip", "replace"):
        assert check_outputs(Path("out"), results, inputs=[pics], existing=existing) == {there}


@pytest.mark.parametrize("how", ["name", "link", "hard link"])
@pytest.mark.parametrize("existing", ["refuse", "skip", "replace"])
def test_a_file_that_is_read_is_never_replaced(pics, how, existing):
    there = pics / "a.jpg"
    if how != "name":
        Path("out").mkdir()
        there = Path("out/c.jpg")
        (os.link if how == "hard link" else os.symlink)(Path("pics/a.jpg").absolute(), there)
    with pytest.raises(UserError, match="is one of the files read, and would be replaced"):
        check_outputs(there.parent, {there: (pics / "sub" / "b.jpg",), Path("x.png"): (pics / "a.jpg",)}, existing=existing)


@pytest.mark.parametrize("existing", ["refuse", "skip", "replace"])
def test_folders_and_files_of_the_same_name_are_told_at_once(pics, existing):
    Path("out/a.png").mkdir(parents=True)
    with pytest.raises(UserError, match=r"out/a\.png is a folder, where a file"):
        check_outputs(Path("out"), results_in(Path("out"), pics), existing=existing)
    Path("file").write_text("")
    Path("broken").symlink_to("missing")
    for output, words in (
        ("file", "file is a file"),
        ("file/new", "file is a file"),
        ("broken", "broken is a broken link"),
    ):
        with pytest.raises(UserError, match=f"{words}, where results need a folder"):
            check_outputs(Path(output), results_in(Path(output), pics), existing=existing)


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_path_is_refused(empty):
    with pytest.raises(UserError, match="--output was given an empty path"):
        as_path(empty, "--output")
    assert as_path(".", "--output") == Path()
