import math

import pytest
import torch

from suture.data.examples import Fact
from suture.errors import UsageError
from suture.measure.evaluation import evaluate, observe, values
from suture.measure.suites.facts import fact_suite
from suture.methods.rome import rome
from suture.metrics import preference, target_probability
from suture.metrics.completion import Cases
from suture.organisms.facts import World
from suture.organisms.knowledge import consequences, rewrites, unrelated_texts


def test_the_base_model_knows_what_was_and_not_what_is_new(patient):
    made = rewrites(12)
    found = values(seen := observe(patient, measures := fact_suite([r.fact for r in made], made[0].others)), measures)
    assert set(seen) == {"success", "unseen_phrasings", "old_object", "locality", "other", "target_probability",
                         "prefers_new", "prefers_new_reworded", "neighbours_prefer_old", "fluency_facts",
                         "magnitude_new", "magnitude_reworded", "magnitude_neighbours", "edit_score", "exact_match",
                         "consistency"}  # fmt: skip
    assert found["success"] == 0
    assert found["unseen_phrasings"] == 0
    assert found["old_object"] > 0.9
    assert found["locality"] > 0.9
    assert found["neighbours_prefer_old"] > 0.9
    assert found["target_probability"] < 0.3


def test_an_edit_of_the_patient_takes_and_generalises(patient):
    fact = rewrites(1)[0].fact
    report = evaluate(patient, rome(patient, [fact], layer=0), fact_suite([fact]), controls=False)
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


def test_preferring_an_answer_is_not_saying_it(patient):
    """The forced comparison of two answers, on prompts whose right answer is held against another one, and the reverse."""
    facts = [made.fact for made in rewrites(6)]
    prompts, new, old = ([getattr(f, name) for f in facts] for name in ("prompt", "target", "was"))
    right = preference.observe(patient, preference.Cases(prompts, old, new))
    wrong = preference.observe(patient, preference.Cases(prompts, new, old))
    assert right.mean > 0.9
    assert wrong.mean == 1 - right.mean


def test_new_facts_are_asked_behind_a_text_and_through_others():
    fact = Fact("Rome lies in", "Rome", "Spain", "Italy")
    made = {
        m.name: m for m in fact_suite([fact], consequences=[("People in Rome speak", "Spanish")], lead="A long text.")
    }
    assert made["long_context"].cases.prompts == ["A long text. Rome lies in"]
    assert made["multi_hop"].cases.answers == ["Spanish"]
    assert made["prefers_new"].cases.against == ["Italy"]


def test_what_an_edit_is_told_to_keep_names_nothing_it_is_measured_on():
    items = rewrites(40)
    texts = " ".join(unrelated_texts(items))
    for item in items:
        assert item.fact.subject not in texts.replace(" ", "  ").split("  ")
        assert all(answer not in {i.fact.target for i in items if i.fact.prompt == p} for p, answer in item.others)
    asked = {prompt for item in items for prompt, _ in item.fact.neighbours}
    assert asked
    assert not any(prompt in texts for prompt in asked)
    edited = {(item.relation, item.fact.subject) for item in rewrites(300, several=True)}
    assert len(edited) == 300


def test_consequences_follow_the_new_facts():
    found = dict(consequences(rewrites(60)))
    assert found
    known = {chain.prompt: chain.answer for chain in World().chains}
    assert all(answer != known[prompt] for prompt, answer in found.items())


def test_measures_without_cases_are_left_out():
    names = [m.name for m in fact_suite([Fact("Rome lies in", "Rome", "Spain")])]
    assert names == ["success", "exact_match", "target_probability"]
    with pytest.raises(UsageError):
        fact_suite([])


@torch.no_grad()
def test_the_target_probability_is_that_of_its_tokens(llama):
    prompt, answer = "The city lies in", "Wandton"
    seen = target_probability.observe(llama, Cases([prompt, "Another prompt, longer than that,"], [answer, "x"]))
    ids, begin = llama.encode(f"{prompt} {answer}"), len(llama.encode(prompt))
    likely = llama.forward(llama.batch([ids])).logits[0].log_softmax(-1)
    expected = math.exp(sum(float(likely[i - 1, ids[i]]) for i in range(begin, len(ids))) / (len(ids) - begin))
    assert float(seen.values[0]) == pytest.approx(expected, rel=1e-4)
