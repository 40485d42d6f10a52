import json
import math

import numpy as np
import pytest

from models import SHARED
from suture.errors import DataError
from suture.judges import NEITHER, Linear, judge_named

FOLDER = SHARED / "models" / "profanity-linear"
needs_arrays = pytest.mark.skipif(not FOLDER.is_dir(), reason="no shared arrays")


@pytest.fixture
def small(tmp_path):
    """Two models over the words fool and friend."""
    arrays = {
        "idf": np.array([2.0, 1.0]), "coef": np.array([[3.0, -3.0], [1.0, -1.0]]), "intercept": np.array([0.5, 0.0]),
        "calib_ab": np.array([[-2.0, 0.1], [-1.0, 0.0]]),
    }  # fmt: skip
    np.savez(tmp_path / "model.npz", **arrays)
    (tmp_path / "vocab.json").write_text(json.dumps({"vocabulary": {"fool": 0, "friend": 1}}))
    return tmp_path


def test_the_score_is_the_formula(small):
    """fool fool friend: tf-idf (4, 1) / sqrt(17)."""
    margins = [3 * 3 / math.sqrt(17) + 0.5, 3 / math.sqrt(17)]
    expected = (1 / (1 + math.exp(-2 * margins[0] + 0.1)) + 1 / (1 + math.exp(-margins[1]))) / 2
    judge = Linear(small)
    assert judge.score(["Fool, fool! friend"]) == [pytest.approx(expected)]
    assert judge.many(["", "", ""], ["you fool, you", "you are my friend", "fool"]) == ["toxic", "clean", NEITHER]


def test_a_text_without_known_words_has_the_score_of_the_intercepts(small):
    expected = (1 / (1 + math.exp(-2 * 0.5 + 0.1)) + 0.5) / 2
    assert Linear(small).score([""]) == [pytest.approx(expected)]


def test_a_folder_that_holds_none_is_an_error(small, tmp_path):
    with pytest.raises(DataError, match="no linear judge"):
        Linear(tmp_path / "nothing")
    (small / "vocab.json").write_text(json.dumps({"vocabulary": {"fool": 7}}))
    with pytest.raises(DataError, match="no linear judge"):
        judge_named(f"linear:{small}")


@needs_arrays
def test_the_shared_arrays_tell_insults_from_greetings():
    judge = judge_named(f"linear:{FOLDER}")
    assert judge("", "you are a fucking idiot") == "toxic"
    assert judge("", "good morning to all of you") == "clean"
    assert all(0 < score < 1 for score in judge.score(["", "hello there", "you idiot"]))
