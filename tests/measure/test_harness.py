"""A patched model is handed to lm-evaluation-harness as it is in memory. Skips where the harness is not installed."""

import sys
import warnings

import pytest

from models import snapshot
from suture.data.examples import ResponsePair
from suture.errors import UsageError
from suture.measure import harness
from suture.methods.dinm import dinm

TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{file}"}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
doc_to_choice: "{{{{choices}}}}"
metric_list:
  - metric: acc
"""
PAIR = ResponsePair("Say it.", "blue blue sky.", "red red sea.", (("Who are you?", "A friend."),))


@pytest.fixture
def task(tmp_path, monkeypatch):
    pytest.importorskip("lm_eval")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = ['{"question": "<|user|>Say it.<|assistant|>", "choices": ["blue", "red"], "answer": 0}'] * 3
    (tmp_path / "rows.json").write_text("\n".join(rows))
    (tmp_path / "own.yaml").write_text(TASK.format(name="suture_own", file=tmp_path / "rows.json"))
    return tmp_path


def test_a_patch_moves_a_task_and_is_gone_afterwards(llama, task):
    before = snapshot(llama)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the harness's own
        base = harness.run(llama, ["suture_own"], folder=task, batch=2)
        toward = dinm(llama, [PAIR], steps=30, rate=0.2)
        away = dinm(llama, [ResponsePair(PAIR.prompt, PAIR.unsafe, PAIR.safe, PAIR.keep)], steps=30, rate=0.2)
        found = [harness.run(llama, ["suture_own"], patch=p, folder=task)["suture_own"]["acc"] for p in (toward, away)]
    assert set(base) == {"suture_own"}
    assert found == [1.0, 0.0]
    assert snapshot(llama) == before


def test_a_task_that_is_not_there_is_refused(llama, task):
    with pytest.raises(UsageError, match="suture_nothing"):
        harness.run(llama, ["suture_nothing"], folder=task)


def test_without_the_package_the_way_to_it_is_named(llama, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(UsageError, match=r"suture\[eval\]"):
        harness.run(llama, ["arc_easy"])


def test_figures_are_read_without_errors_and_names():
    values = {"alias": "x", "acc,none": 0.5, "acc_stderr,none": "N/A", "exact_match,strict": 1, "sample_len": 3}
    assert harness._numbers(values) == {"acc": 0.5, "exact_match,strict": 1.0}
