"""Which column of a file is the text, which the label, and which label is the unwanted one."""

import json

import pytest

from suture.data.examples import Behaviour
from suture.errors import DataError

ROWS = [("kind words", 0), ("rude words", 1), ("more kind ones", 0), ("more rude ones", 1)]


def test_prompts_and_named_columns_are_kept(tmp_path):
    rows = [{"answer": t, "bad": "Toxic" if y else "Not Toxic", "prompt": "Hi?"} for t, y in ROWS]
    path = tmp_path / "b.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    loaded = Behaviour.load(path, text="answer", label="bad")
    assert loaded.labels == [0, 1, 0, 1]
    assert {e.prompt for e in loaded.examples} == {"Hi?"}
    assert Behaviour.load(path, text="answer", label="bad", unwanted="not toxic").labels == [1, 0, 1, 0]


@pytest.mark.parametrize("label", ["NaN", "Infinity", "1e999", "0.5"])
def test_a_number_that_is_no_label_is_refused(tmp_path, label):
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "label": 1.0}}\n{{"text": "b", "label": {label}}}\n')
    with pytest.raises(DataError, match="line 2"):
        Behaviour.load(tmp_path / "a.jsonl")


@pytest.mark.parametrize("gap", ['""', "null", "NaN", '" "'])
@pytest.mark.parametrize("how", [{}, {"unwanted": "1"}, {"threshold": 0.5}])
def test_a_gap_is_no_label_and_never_a_wanted_one(tmp_path, gap, how):
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "label": 1.0}}\n{{"text": "b", "label": {gap}}}\n')
    with pytest.raises(DataError, match="line 2, label: no label"):
        Behaviour.load(tmp_path / "a.jsonl", **how)


def test_scores_may_have_a_decimal_comma(tmp_path):
    (tmp_path / "a.csv").write_text("text;toxicity\n" + "".join(f"{t};{('0,02', '0,83')[y]}\n" for t, y in ROWS))
    assert Behaviour.load(tmp_path / "a.csv", threshold=0.5).labels == [0, 1, 0, 1]
    with pytest.raises(DataError, match="is a score, not a label"):
        Behaviour.load(tmp_path / "a.csv")


@pytest.mark.parametrize("header", ["Comment_Text,Toxic", "TEXT,Label", "Sentence,Labels"])
def test_usual_columns_of_a_table_may_have_capitals(tmp_path, header):
    (tmp_path / "a.csv").write_text(f"{header}\n" + "".join(f"{t},{y}\n" for t, y in ROWS))
    assert Behaviour.load(tmp_path / "a.csv").labels == [0, 1, 0, 1]


HARM = [
    ("p", "a", "harmful"),
    ("q", "b", "unharmful"),
    ("r", "c", "harmful"),
    ("s", "d", "unharmful"),
    ("t", None, None),
]

REFUSALS = {"unharmful": "refusal", "harmful": "compliance"}


def judged(folder, *columns):
    rows = []
    for prompt, answer, label in HARM:
        row = {"prompt": prompt, "adversarial": False, "response": answer, "prompt_harm_label": "unharmful",
               "response_harm_label": label, "response_refusal_label": REFUSALS.get(label)}  # fmt: skip
        rows.append({key: row[key] for key in columns or row})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


def test_a_label_that_names_what_it_is_about_goes_with_that(tmp_path, caplog):
    loaded = Behaviour.load(judged(tmp_path))
    assert [(e.text, e.label, e.prompt) for e in loaded.examples] == [
        ("a", 1, "p"), ("b", 0, "q"), ("c", 1, "r"), ("d", 0, "s"),
    ]  # fmt: skip
    assert "left out, of 5 rows: 1 without response or response_harm_label" in caplog.text
    assert "'prompt_harm_label' (4)" in caplog.text


def test_labels_of_requests_and_refusals_by_name(tmp_path):
    path = judged(tmp_path)
    refused = Behaviour.load(path, label="response_refusal_label", unwanted="refusal")
    assert [(e.text, e.label) for e in refused.examples] == [("a", 0), ("b", 1), ("c", 0), ("d", 1)]
    with pytest.raises(DataError, match="'compliance' is not a label"):
        Behaviour.load(path, label="response_refusal_label")
    with pytest.raises(DataError, match="5 wanted and 0 unwanted texts"):
        Behaviour.load(path, label="prompt_harm_label")


def test_where_no_answer_was_judged_the_requests_are_read(tmp_path):
    rows = [{"prompt": f"p{i}", "response": None, "prompt_label": "unsafe" if i % 2 else "safe", "response_label": None}
            for i in range(4)]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    loaded = Behaviour.load(tmp_path / "rows.jsonl")
    assert [(e.text, e.label, e.prompt) for e in loaded.examples] == [(f"p{i}", i % 2, None) for i in range(4)]


def test_a_column_called_label_comes_before_them(tmp_path):
    rows = [{"text": "x", "prompt": "p", "label": i % 2, "prompt_label": "safe"} for i in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert Behaviour.load(tmp_path / "rows.jsonl").labels == [0, 1, 0, 1]


def test_a_cell_may_be_longer_than_pythons_own_limit(tmp_path):
    long = "rude, long words " * 9_000
    (tmp_path / "a.csv").write_text(f'text,label\n"{long}",1\n' + "".join(f"{t},{y}\n" for t, y in ROWS))
    assert Behaviour.load(tmp_path / "a.csv").examples[0].text.strip() == long.strip()
