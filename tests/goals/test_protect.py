import json

import pytest

from suture.data.lessons import Instruction
from suture.errors import DataError, UsageError
from suture.goals.protect import divided, measures, protect
from suture.methods.preserve_safety import Plan
from suture.runs.run import Run

LESSONS = [Instruction(f"What is {i} and {i}?", f"It is {2 * i}.") for i in range(40)]


def test_lessons_that_are_measured_are_never_learned():
    learned, held = divided(LESSONS, 3)
    assert len(held) == 4
    assert {*learned, *held} == set(LESSONS)
    assert not {*learned} & {*held}
    with pytest.raises(DataError, match="too few"):
        divided(LESSONS[:9], 0)


def test_the_whole_way_from_lessons_to_report(llama, behaviour, tmp_path):
    plan = Plan(steps=12, rate=0.05)
    with Run.begin("protect", ["protect"], {}, tmp_path / "run") as run:
        done = protect(llama, LESSONS, run, behaviour=behaviour, share=0.02, plan=plan, compare=True, size=2)
    assert {f.name for f in (tmp_path / "run").iterdir()} >= {
        "mask.safetensors",
        "patch.safetensors",
        "plain.safetensors",
    }
    assert not list((tmp_path / "run").glob("*.training"))
    line = next(line for line in done.report.lines if line.name == "lessons")
    assert line.score.after < line.score.before
    assert line.unit == "perplexity"
    assert done.plain.keys() == {m.name for m in measures(llama, LESSONS[:2], 2)}
    assert json.dumps(done.plain)
    with Run.begin(
        "protect", ["protect"], {}, tmp_path / "run"
    ) as run:  # all stages are there: nothing is trained again
        again = protect(llama, LESSONS, run, behaviour=behaviour, share=0.02, plan=plan, size=2)
    assert again.patch.after == done.patch.after


def test_a_single_file_can_not_hold_it(llama, behaviour, tmp_path):
    with (
        Run.begin("protect", ["protect"], {}, tmp_path / "x.safetensors") as run,
        pytest.raises(UsageError, match="several"),
    ):
        protect(llama, LESSONS, run, behaviour=behaviour)
