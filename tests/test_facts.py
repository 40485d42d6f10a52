import math

import pytest
import torch

from suture.errors import UsageError
from suture.evaluation import evaluate, observe, values
from suture.examples import Fact
from suture.facts import suite
from suture.methods.rome import rome
from suture.metrics import target_probability
from suture.metrics.completion import Cases
from suture.patient.knowledge import rewrites


def test_the_base_model_knows_what_was_and_not_what_is_new(patient):
    made = rewrites(12)
    found = values(seen := observe(patient, measures := suite([r.fact for r in made], made[0].others)), measures)
    assert set(seen) == {"success", "unseen_phrasings", "old_object", "locality", "other", "target_probability"}
    assert found["success"] == 0
    assert found["unseen_phrasings"] == 0
    assert found["old_object"] > 0.9
    assert found["locality"] > 0.9
    assert found["target_probability"] < 0.3


def test_an_edit_of_the_patient_takes_and_generalises(patient):
    fact = rewrites(1)[0].fact
    report = evaluate(patient, rome(patient, [fact], layer=0), suite([fact]), controls=False)
    after = {line.name: line.score.after for line in report.lines}
    assert after["success"] == 1
    assert after["old_object"] == 0


def test_rewrites_are_valid_answers_and_splits_are_apart():
    told, tuned = rewrites(60), rewrites(60, tuning=True)
    assert not {(r.relation, r.fact.subject) for r in told} & {(r.relation, r.fact.subject) for r in tuned}
    for each in (*told, *tuned):
        assert each.fact.target != each.fact.was
        assert each.fact.subject in each.fact.prompt
        assert all(each.fact.subject not in prompt for prompt, _ in each.fact.neighbours)
        assert each.fact.prompt not in each.fact.paraphrases


def test_measures_without_cases_are_left_out():
    names = [m.name for m in suite([Fact("Rome lies in", "Rome", "Spain")])]
    assert names == ["success", "target_probability"]
    with pytest.raises(UsageError):
        suite([])


@torch.no_grad()
def test_the_target_probability_is_that_of_its_tokens(llama):
    prompt, answer = "The city lies in", "Wandton"
    seen = target_probability.observe(llama, Cases([prompt, "Another prompt, longer than that,"], [answer, "x"]))
    ids, begin = llama.encode(f"{prompt} {answer}"), len(llama.encode(prompt))
    likely = llama.forward(llama.batch([ids])).logits[0].log_softmax(-1)
    expected = math.exp(sum(float(likely[i - 1, ids[i]]) for i in range(begin, len(ids))) / (len(ids) - begin))
    assert float(seen.values[0]) == pytest.approx(expected, rel=1e-4)
