"""Two answers of which a rating says which is better."""

import json

import pytest

from suture.data import instances
from suture.data.examples import Behaviour, Labelled
from suture.data.preferences import preference_of
from suture.errors import DataError

CONTEXT = [{"role": "user", "content": "Who?"}]
SAM, AWAY = [*CONTEXT, {"role": "assistant", "content": "Sam."}], [*CONTEXT, {"role": "assistant", "content": "Go."}]


def write(folder, *rows):
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


def helpsteer(preference):
    return {"context": CONTEXT, "response1": "Sam.", "response2": "Go.", "overall_preference": preference,
            "individual_preference": [{"score": preference, "reasoning": "It is kind."}]}  # fmt: skip


RATED = {  # the first answer is better, the second, neither
    "helpsteer3": (helpsteer(-2), helpsteer(1.0), helpsteer(0)),
    "arena": tuple(
        {"conversation_a": SAM, "conversation_b": AWAY, "winner": winner} for winner in ("model_a", "model_b", "tie (bothbad)")
    ),
    "shp": (
        {"history": "Who?", "human_ref_A": "Sam.", "human_ref_B": "Go.", "labels": 1},
        {"history": "Who?", "human_ref_A": "Sam.", "human_ref_B": "Go.", "labels": 0},
        {"history": "Who?", "human_ref_A": "Sam.", "human_ref_B": "Sam.", "labels": 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("rows", RATED.values(), ids=RATED)
def test_rated_pairs(tmp_path, caplog, rows):
    path = write(tmp_path, *rows)
    first, second = [("Sam.", 0), ("Go.", 1)], [("Go.", 0), ("Sam.", 1)]
    assert Behaviour.load(path).examples == tuple(Labelled(text, label, "Who?") for text, label in [*first, *second])
    pairs = [instance.contrast for instance in instances.load(path)]
    assert [(pair.prompt, pair.safe, pair.unsafe) for pair in pairs] == [
        ("Who?", "Sam.", "Go."),
        ("Who?", "Go.", "Sam."),
    ]
    assert caplog.text.count("left out, of 3 rows: 1 with two equal answers") == 2


def test_stack_exchange_names_the_better_one_j(tmp_path):
    pair = preference_of({"question": "Who?", "response_j": "Sam.", "response_k": "Go."}, "x")
    assert (pair.prompt, pair.better, pair.worse, pair.equal) == ("Who?", "Sam.", "Go.", False)


@pytest.mark.parametrize("said", [None, "better", 4, True])
def test_a_rating_that_says_nothing_is_refused(tmp_path, said):
    with pytest.raises(DataError, match=r"line 1, overall_preference: .* does not say which answer is better"):
        Behaviour.load(write(tmp_path, helpsteer(said)))
