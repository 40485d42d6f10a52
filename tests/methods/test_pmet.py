import pytest
import torch

from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.measure.evaluation import observe
from suture.measure.evaluation import values as figures
from suture.measure.suites.facts import fact_suite
from suture.methods._facts.batches import EditRequest, over_blocks
from suture.methods._facts.keyvalue import down
from suture.methods._facts.least_squares import least_squares
from suture.methods._facts.settings import ValueOptimization
from suture.methods._facts.statistics import damped
from suture.methods._facts.values import values
from suture.methods.memit import memit
from suture.methods.pmet import pmet
from suture.model.arch.anatomy import Site
from suture.organisms.knowledge import rewrites

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
    Fact("Droharkia lies in", "Droharkia", "Handland"),
]
FEW = Texts(neutral("probe")[:12])
QUICK = {"steps": 6, "prefixes": 0, "keep": FEW}
OUT, ATTENTION = Site(1, "mlp.out"), Site(1, "attn.out")


def joint(lm, facts=FACTS, steps=6):
    return values(lm, facts, OUT, [""], ValueOptimization(steps=steps), beside=[ATTENTION])


def test_the_last_mlp_puts_out_its_value_and_nothing_else_is_written(llama):
    """With next to nothing to keep: the output of the last edited MLP at the subject is what was sought for it."""
    task = EditRequest.of(llama, FACTS, prefixes=0, steps=6, keep=FEW)
    before, wanted = task.now(OUT), joint(llama).added
    patch = pmet(llama, FACTS, layers=[0, 1], weight=1e-9, ridge=1e-6, **QUICK)
    assert set(patch.terms) == {down(llama, layer).tensor for layer in (0, 1)}
    with patch.applied(llama):
        reached = task.now(OUT)
    assert float((reached - before - wanted).norm()) < 1e-2 * float(wanted.norm())


def test_blocks_share_by_the_root_of_how_many_are_left(llama):
    task, first = EditRequest.of(llama, FACTS, prefixes=0, steps=6, keep=FEW), {}
    for spread in ("sqrt", "uniform"):

        def change(layer, keys, residuals, spread=spread):
            first.setdefault(spread, residuals)
            return least_squares(damped(task.moment(layer)), keys.bare, residuals)

        over_blocks(task, [0, 1], spread, change, "mlp.out")
    assert torch.allclose(first["sqrt"] * 2**0.5, first["uniform"] * 2)


def test_vectors_for_attention_take_a_part_of_the_work(llama):
    free = ValueOptimization(steps=6, clamp=4.0)
    alone = values(llama, FACTS, OUT, [""], free)
    both = values(llama, FACTS, OUT, [""], free, beside=[ATTENTION])
    assert bool((both.added.norm(dim=1) < alone.added.norm(dim=1)).all())


@pytest.mark.parametrize("family", ["llama", "gpt2", "gptj", "gemma3_text"])
def test_joint_values_found_together_are_those_found_alone(family, tokenizer):
    from models import tiny_family

    lm = tiny_family(family, tokenizer)
    lm.model.double()
    site, beside = Site(0, "mlp.out"), [Site(0, "attn.out")]
    together = values(lm, FACTS, site, ["", "So. "], ValueOptimization(steps=4), beside=beside)
    for index, fact in enumerate(FACTS):
        alone = values(lm, [fact], site, ["", "So. "], ValueOptimization(steps=4), beside=beside)
        assert torch.allclose(alone.added[0], together.added[index], rtol=1e-3, atol=1e-5)


def test_it_writes_facts_and_it_is_not_memit(patient):
    facts = [item.fact for item in rewrites(2, tuning=True)]
    settings = {"layers": [1, 2], "token": -2, "weight": 1e-3, "prefixes": 2, "steps": 25, "keep": FEW}
    measures = fact_suite(facts)
    base = figures(observe(patient, measures), measures)
    made = [pmet(patient, facts, **settings), memit(patient, facts, spread="sqrt", **settings)]
    with made[0].applied(patient):
        after = figures(observe(patient, measures), measures)
    assert after["target_probability"] > 10 * base["target_probability"]
    assert after["old_object"] < base["old_object"]
    digests = [[term.digest() for name in sorted(patch.terms) for term in patch.terms[name]] for patch in made]
    assert digests[0] != digests[1]
