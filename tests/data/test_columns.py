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
