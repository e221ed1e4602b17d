"""Lists of pairs: CSV, TSV and JSON lines, and the mistakes in them."""

import unicodedata

import pytest
from helpers.folders import files_of, picture

from p2p_jax.data.layout import find_pairs


def test_missing_files_of_a_list_can_be_collected(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("A,B\na.png,a.png\nno.png,a.png\na.png,none.png\n")
    unmatched: list[str] = []
    assert len(find_pairs(tmp_path / "list.csv", unmatched=unmatched)["train"]) == 1
    assert ["line 3" in unmatched[0], "line 4" in unmatched[1], "none.png, which does not exist" in unmatched[1]] == [
        True
    ] * 3


LISTS = {
    "list.csv": "A,B\nx/1.png,y/one.png\nx/2.png,y/two.png\n",
    "list.tsv": "input\ttarget\nx/1.png\ty/one.png\nx/2.png\ty/two.png\n",
    "list.jsonl": '{"A": "x/1.png", "B": "y/one.png"}\n\n{"input": "x/2.png", "target": "y/two.png"}\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_the_pairs_have_the_order_of_the_list(tmp_path, name):
    x, y = ([picture(tmp_path / file) for file in files] for files in (("x/1.png", "x/2.png"), ("y/one.png", "y/two.png")))
    (tmp_path / name).write_text(LISTS[name])
    assert files_of(tmp_path / name) == {"train": [{"A": a, "B": b} for a, b in zip(x, y, strict=True)]}


def test_lists_may_name_splits_masks_and_several_inputs(tmp_path):
    for name in "abcm":
        picture(tmp_path / f"{name}.png")
    rows = ["A1,A2,B,mask,split", "a.png,b.png,c.png,m.png,train", "b.png,a.png,c.png,m.png,valid"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    found = find_pairs(tmp_path / "list.csv")
    assert {split: [set(files) for _, files in pairs] for split, pairs in found.items()} == {
        "train": [{"A1", "A2", "B", "mask"}],
        "val": [{"A1", "A2", "B", "mask"}],
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.csv", "A,B\na.png,nothing.png\n", "line 2 .*nothing.png, which does not exist"),
        ("l.csv", "A,C\na.png,a.png\n", "line 2 .*names no pair"),
        ("l.csv", "A,B,split\na.png,a.png,later\n", "split later"),
        ("l.csv", "A,B\n", "lists no pairs"),
        ("l.csv", "A,B,mask\na.png,a.png,a.png\na.png,a.png,\n", "same pictures"),
        ("l.jsonl", "{A: 1}\n", "line 1 .*not a JSON object"),
        ("l.jsonl", "[" * 100_000, "line 1 .*not a JSON object"),
        ("l.jsonl", "1" * 5000, "line 1 .*not a JSON object"),
        ("l.jsonl", '{"A": ["a.png"], "B": {}}', "line 1 .*does not exist"),
        ("l.csv", b"A,B\n\xff\xfe,b\n", "not text in UTF-8"),
    ],
)
def test_mistakes_in_a_list_are_named_by_line(tmp_path, name, text, said):
    picture(tmp_path / "a.png")
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=said):
        find_pairs(tmp_path / name)


def test_an_unclosed_quote_is_one_sentence(tmp_path):
    (tmp_path / "l.csv").write_text('A,B\n"' + "x" * 200_000)
    with pytest.raises(ValueError, match=r"line 2 .*cannot be read"):
        find_pairs(tmp_path / "l.csv")


SPELLINGS = {
    "semicolons.csv": "A;B\nx.png;y.png\n",
    "any case.csv": "Input,TARGET\nx.png,y.png\n",
    "spaces.csv": " A , B \n x.png , y.png \n",
    "quoted.csv": '"A"; "B"\n"x.png"; "y.png"\n',
    "tabs.csv": "input\ttarget\nx.png\ty.png\n",
    "commas.tsv": "a,b\nx.png,y.png\n",
    "a comma in a name.csv": "A;B;split\nx,1.png;y.png;Train\n",
    "more columns.csv": "id;A;B;author\n1;x.png;y.png;me\n",
    "keys.jsonl": '{" a ": "x.png", "Target": "y.png", "Split": "TRAIN"}\n',
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_columns_are_read_with_any_delimiter_case_and_spaces(tmp_path, name):
    x = picture(tmp_path / ("x,1.png" if "comma in" in name else "x.png"))
    y = picture(tmp_path / "y.png")
    (tmp_path / name).write_text(SPELLINGS[name])
    assert files_of(tmp_path / name) == {"train": [{"A": x, "B": y}]}


@pytest.mark.parametrize("header", ["photo,label", "source;result", "a.png,b.png", "left\tright"])
def test_a_header_that_names_no_pair_is_quoted(tmp_path, header):
    picture(tmp_path / "a.png")
    delimiter = next(each for each in ",;\t" if each in header)
    (tmp_path / "l.csv").write_text(f"{header}\na.png{delimiter}a.png\n")
    with pytest.raises(ValueError, match=r"line 2 .*names no pair: the columns of the list are") as caught:
        find_pairs(tmp_path / "l.csv")
    assert ", ".join(map(repr, header.split(delimiter))) in str(caught.value)


def test_an_empty_field_is_no_wrong_header(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "l.csv").write_text("A;B\na.png;\n")
    with pytest.raises(ValueError, match=r"line 2 .*names no pair: fill in A and B"):
        find_pairs(tmp_path / "l.csv")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_files_are_found_whatever_the_unicode_form_of_their_names(tmp_path, form):
    other = "NFD" if form == "NFC" else "NFC"
    spell = lambda name, form: unicodedata.normalize(form, name)
    made = [picture(tmp_path / spell("Gebäude", form) / spell(f"Öl é {letter}.png", form)) for letter in "AB"]
    row = ",".join(spell(f"Gebäude/Öl é {letter}.png", other) for letter in "AB")
    (tmp_path / "l.csv").write_text(f"A,B\n{row}\n", encoding="utf-8")
    assert files_of(tmp_path / "l.csv") == {"train": [dict(zip("AB", made, strict=True))]}
