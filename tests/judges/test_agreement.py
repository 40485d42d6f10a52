import json
import subprocess
import sys
from pathlib import Path

import pytest

from suture.errors import DataError
from suture.judges import judge_named
from suture.judges.agreement import agreement, measure, read, wilson

LABELLED = Path(__file__).parent / "labelled"
FLOORS = {  # (agreement, kappa), a little below what benchmarks/judges.py measures
    ("refusal", "dev"): (0.95, 0.92), ("refusal", "test"): (0.88, 0.81),
    ("toxicity", "dev"): (0.93, 0.89), ("toxicity", "test"): (0.89, 0.81),
    ("sentiment", "dev"): (0.85, 0.76), ("sentiment", "test"): (0.78, 0.66),
}  # fmt: skip


@pytest.mark.parametrize(("name", "split"), FLOORS)
def test_judges_agree_with_people_as_far_as_published(name, split):
    found = measure(judge_named(name), read(LABELLED / f"{name}.jsonl", split))
    raw, kappa = FLOORS[name, split]
    assert found.raw.value >= raw
    assert found.kappa >= kappa


def test_the_labelled_answers_are_many_and_differ():
    for name in ("refusal", "toxicity", "sentiment"):
        rows = read(LABELLED / f"{name}.jsonl")
        assert len(rows) >= 120
        assert len({(row["prompt"], row["text"]) for row in rows}) == len(rows)
        halves = [sum(row["split"] == split for row in rows) for split in ("dev", "test")]
        assert sum(halves) == len(rows)
        assert abs(halves[0] - halves[1]) <= 5


def test_kappa_by_hand():
    """20 + 15 of 50 agree; chance is (25 * 30 + 25 * 20) / 50^2 = 0.5."""
    reference = ["y"] * 25 + ["n"] * 25
    given = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    found = agreement(reference, given)
    assert found.raw.value == 0.7
    assert found.kappa == pytest.approx(0.4)
    assert found.confusion == {"y": {"y": 20, "n": 5}, "n": {"y": 10, "n": 15}}
    assert found.precision["y"].value == pytest.approx(20 / 30)
    assert found.recall["n"].value == pytest.approx(15 / 25)


def test_kappa_is_none_where_chance_explains_all():
    assert agreement(["y", "y"], ["y", "y"]).kappa is None
    assert agreement(["y", "n"], ["n", "y"]).kappa == -1
    with pytest.raises(ValueError, match="different texts"):
        agreement(["y"], ["y", "n"])


def test_wilson_intervals_end_where_the_normal_test_ends():
    """The ends p of the interval are those with |share - p| = z sqrt(p (1 - p) / n)."""
    found = wilson(8, 10)
    for end in (found.low, found.high):
        assert abs(0.8 - end) == pytest.approx(1.959964 * (end * (1 - end) / 10) ** 0.5)
    assert (wilson(0, 0).value, wilson(0, 0).low, wilson(0, 0).high) == (None, 0.0, 1.0)
    assert wilson(0, 5).low == 0.0
    assert wilson(5, 5).high == pytest.approx(1.0)


def test_the_command_ends_with_json(tmp_path):
    file = tmp_path / "sentiment.jsonl"
    rows = [("a lovely day for us", "positive"), ("a horrible day for us", "negative")]
    file.write_text("\n".join(json.dumps({"prompt": "", "text": t, "label": lb, "split": "dev"}) for t, lb in rows))
    done = subprocess.run([sys.executable, "-m", "suture.judges.agreement", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["dev"]["kappa"] == 1.0


def test_a_broken_file_is_named_with_its_line(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"prompt": "", "text": "a", "label": "b"}\n{"text": 1}\n')
    with pytest.raises(DataError, match="line 2"):
        read(tmp_path / "x.jsonl")
    with pytest.raises(DataError, match="can not read"):
        read(tmp_path / "y.jsonl")
