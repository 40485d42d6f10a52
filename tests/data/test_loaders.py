"""What the files of users hold is read whole, or refused by file, line and column."""

import json

import pytest

from models import SHARED
from suture.data.examples import Behaviour, Texts
from suture.errors import DataError

ROWS = [("kind words", 0), ("rude words", 1), ("more kind ones", 0), ("more rude ones", 1)]


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_jsonl_csv_and_text_pairs_say_the_same(tmp_path):
    jsonl = write(tmp_path, "a.jsonl", "\n".join(json.dumps({"text": t, "label": y}) for t, y in ROWS) + "\n\n")
    csv = write(tmp_path, "a.csv", "label,text\n" + "\n".join(f'{y},"{t}"' for t, y in ROWS))
    write(tmp_path, "kind.txt", "kind words\nmore kind ones\n")
    write(tmp_path, "rude.txt", "rude words\n\nmore rude ones\n")
    first, second = Behaviour.load(jsonl), Behaviour.load(csv)
    third = Behaviour.load(f"{tmp_path / 'kind.txt'},{tmp_path / 'rude.txt'}")
    assert first.examples == second.examples
    assert {(e.text, e.label) for e in third.examples} == {(e.text, e.label) for e in first.examples}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "x", "label": 0}\n{"text": "y", "label": }', r"a.jsonl, line 2, column \d+: not JSON"),
        ("a.jsonl", "[1, 2]", r"record 1 \(line 1, column 2\): not an object"),
        ("a.jsonl", '{"text": "x", "label": 0}\n{"text": "  ", "label": 1}', "line 2, text: no text"),
        ("a.jsonl", '{"text": "x", "label": "perhaps"}', "line 1, label: 'perhaps' is not a label"),
        ("a.jsonl", '{"words": "x", "label": 0}', "line 1: no text column"),
        ("a.jsonl", '{"text": "x"}', "line 1: no label column"),
        ("a.jsonl", '{"text": "x", "label": 0, "prompt": 3}', "line 1, prompt: not a text"),
        ("a.jsonl", "", "is empty"),
        ("a.csv", "text,label\nhello, world,1", "line 2: 3 columns, the header has 2"),
        ("a.csv", 'text,label\n"open,1', "line"),
        ("a.csv", "text,label\nx,0\ny,0\nz,1", "too few"),
        ("a.xlsx", "x", "line 1: not an object, so without a label"),
    ],
)
def test_bad_data_names_file_line_and_column(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        Behaviour.load(write(tmp_path, name, content))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b"\xff\x00\xfebad\x81\x81")
    with pytest.raises(DataError, match="not UTF-8"):
        Behaviour.load(tmp_path / "x.jsonl")


def test_missing_files_are_said(tmp_path):
    with pytest.raises(DataError, match="no file"):
        Behaviour.load(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="expected two"):
        Behaviour.load("a.txt,b.txt,c.txt")


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the shared data sets are not here")
def test_real_files_are_read_as_they_are():
    toxicity = Behaviour.load(SHARED / "data/surge_toxicity/toxicity_en.csv")
    assert len(toxicity.examples) == 1000
    assert 0.4 < sum(toxicity.labels) / 1000 < 0.6
    assert len(Behaviour.load(SHARED / "data/sst2/dev.tsv").examples) == 872


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "One prompt\n\nAnother"),
        ("a.jsonl", '{"prompt": {"text": "One prompt", "toxicity": 0.1}}\n{"prompt": "Another"}\n'),
        ("a.json", '["One prompt", {"instruction": "Another"}]'),
        ("a.csv", "id,prompt\n1,One prompt\n2,Another\n"),
    ],
)
def test_prompts_are_read_from_the_usual_files(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert Texts.load(tmp_path / name) == ("One prompt", "Another")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"prompt": "x"}\n{"other": 1}\n', "line 2: no prompt"),
        ("a.jsonl", '{"prompt": 3}\n', "line 1, prompt: not a text"),
        ("a.json", '["a",', "line 1, column 6: not JSON"),
        ("a.json", "{}", "line 1: no prompt"),
    ],
)
def test_what_is_no_prompt_is_said_where(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        Texts.load(tmp_path / name)


@pytest.mark.parametrize(
    "file",
    ["realtoxicityprompts/rtp-3k.jsonl", "refusal/harmful_val.json", "jailbreakbench", "xstest/xstest_prompts.csv"],
)
def test_public_prompt_files_are_read_as_they_are(file):
    path = SHARED / "data" / file
    if not path.exists():
        pytest.skip("shared data are not here")
    path = path if path.is_file() else next(path.glob("*.csv"))
    assert len(Texts.load(path)) > 30


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.jsonl", '{"text": "fine", "label": 1}\n{"text": "Get lost \\ud83d", "label": 1}\n', "line 2, column 20"),
        ("a.json", '[\n "fine \\ud83d\\ude00",\n "lost \\udE00"\n]', "line 3, column 8"),
    ],
)
def test_half_a_character_is_refused_where_it_stands(tmp_path, name, content, place):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{place}: half a character"):
        (Behaviour if name == "a.jsonl" else Texts).load(tmp_path / name)
