"""Changes of a batch, trained jointly: where they write stays, what they write agrees with the batch."""

import torch

from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.measure.evaluation import observe, values
from suture.measure.suites.facts import fact_suite
from suture.methods._facts.joint import train_jointly
from suture.methods._facts.keyvalue import down, low_rank
from suture.methods._facts.paraphrases import paraphrases
from suture.methods._facts.statistics import second_moment
from suture.methods.alphaedit import alphaedit, null_space
from suture.methods.emmet import emmet
from suture.organisms.knowledge import rewrites, unrelated_texts
from suture.patch.patch import Patch

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
FEW = Texts(neutral("probe")[:12])
CALM = {"keep": FEW, "steps": 4, "kl": 1.0, "stop": 0.0, "seed": 0}


def some_change(lm, layer=1, rank=2):
    generator = torch.Generator().manual_seed(3)
    out, read = down(lm, layer).shape
    left, right = (torch.randn(*shape, generator=generator).double() for shape in ((out, rank), (rank, read)))
    return down(lm, layer), low_rank(left, 0.1 * right)


def test_where_a_change_writes_stays(llama):
    """Directions that the closed form left alone (an orthogonal complement) are left alone still."""
    weight, change = some_change(llama)
    ((found, moved),) = train_jointly(llama, [(weight, change)], FACTS, ["", "So. "], [[], []], [[], []], **CALM)
    assert found is weight
    assert torch.equal(moved.right, change.right)
    assert not torch.allclose(moved.left, change.left)
    basis = torch.linalg.svd(change.right.double(), full_matrices=True).Vh[2:]  # what its right factor does not read
    assert float((moved.left.double() @ moved.right.double() @ basis.T).norm()) < 1e-4


def test_targets_become_likelier_and_the_model_is_left_alone(llama):
    weight, change = some_change(llama)
    before = {name: p.clone() for name, p in llama.model.named_parameters()}
    changed = train_jointly(llama, [(weight, change)], FACTS, [""], [[], []], [[], []], **{**CALM, "kl": 0.0})
    assert all(torch.equal(p, before[name]) for name, p in llama.model.named_parameters())
    measures = [m for m in fact_suite(FACTS) if m.name == "target_probability"]

    def likely(found):
        patch = Patch.make(llama, {w.tensor: [w.place(d)] for w, d in found}, method="x", settings={}, examples={})
        with patch.applied(llama):
            return values(observe(llama, measures), measures)["target_probability"]

    assert likely(changed) > likely([(weight, change)])


def test_alphaedit_stays_in_its_null_space(llama):
    patch = alphaedit(llama, FACTS, layers=[1], keep=FEW, steps=4, prefixes=2, joint_steps=3, energy=0.1)
    weight = down(llama, 1)
    before = weight.matrix().double().clone()
    with patch.applied(llama):
        change = weight.matrix().double() - before
    basis = null_space(second_moment(llama, 1, FEW), 0.1)
    assert float((change - change @ basis @ basis.T).norm()) < 1e-4 * float(change.norm())


def test_paraphrases_end_where_the_old_object_was(patient):
    facts = [item.fact for item in rewrites(12)]
    found = paraphrases(patient, facts)
    assert any(found)
    for fact, prompts in zip(facts, found, strict=True):
        for prompt in prompts:
            assert fact.subject in prompt
            assert fact.was not in prompt
            assert prompt != fact.prompt
    assert paraphrases(patient, [Fact("Rome lies in", "Rome", "Spain")]) == [[]]


def test_a_batch_of_the_patient_agrees_with_itself(patient):
    """Eight facts in one patch: trained jointly, every one is said."""
    items = rewrites(8, tuning=True)
    facts = [item.fact for item in items]
    patch = emmet(patient, facts, layer=1, token=-2, prefixes=2, keep=unrelated_texts(items), joint_steps=8)
    measures = [m for m in fact_suite(facts) if m.name == "success"]
    with patch.applied(patient):
        assert values(observe(patient, measures), measures)["success"] == 1
