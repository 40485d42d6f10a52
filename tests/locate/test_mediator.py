import pytest
import torch

from suture.data.examples import Behaviour, Labelled
from suture.errors import DataError, NoEffect
from suture.locate import mediator as module
from suture.locate.mediator import Candidate, mediator
from suture.model.arch.anatomy import Site
from suture.model.run.features import extract
from suture.model.run.tracing import trace


@pytest.fixture(scope="module")
def refusals(patient):
    from suture.organisms.suites import behaviour

    return behaviour("jailbreak", 80)


def test_the_chosen_direction_ends_and_makes_the_behaviour(patient, refusals):
    """On the bundled model: label 1 are jailbreaks that were answered, label 0 harmful requests that were refused."""
    tried = []
    found = mediator(patient, refusals, positions=2, layers=[5, 6, 7], progress=lambda *step: tried.append(step))
    chosen, others = found.about["chosen"], found.about["candidates"]
    assert len(others) == 2 * 2  # the last fifth is left out
    assert tried == [("directions", done, 4) for done in (1, 2, 3, 4)]
    assert found.layers == [chosen["layer"]]
    assert chosen["kl"] <= module.KL
    assert chosen["induce"] > 0
    assert chosen["bypass"] == min(c["bypass"] for c in others if c["kl"] <= module.KL and c["induce"] > 0)
    assert found.scores[0].auc > 0.95
    assert found.level(chosen["layer"], "unwanted") > found.level(chosen["layer"], "wanted")


def test_the_vector_is_the_difference_of_the_means_at_its_position(patient, refusals):
    found = mediator(patient, refusals, positions=1, layers=[5])
    train, _ = refusals.split(module.HELD_OUT, 0)
    states = extract(patient, train.examples, [Site(5, "residual")], pool="decision", back=found.about["back"])[:, 0]
    labels = torch.tensor(train.labels)
    expected = states[labels == 1].mean(0) - states[labels == 0].mean(0)
    assert torch.allclose(found.vector(5), expected, atol=1e-4)


@torch.no_grad()
def test_taken_out_means_nothing_along_it_is_left(tiny):
    vector = torch.randn(32, generator=torch.Generator().manual_seed(0))
    sites = [Site(layer, part) for layer in range(3) for part in ("residual.in", "attn.out", "mlp.out", "residual")]
    with trace(tiny, sites, edit=module._without(tiny, vector)) as seen:
        tiny.forward(tiny.batch([tiny.encode("You are a friend.")]))
    unit = vector / vector.norm()
    for site in sites:
        states = seen[site].float()
        assert float((states @ unit).abs().max()) < 2e-2 * float(states.norm(dim=-1).max()), site


def test_the_best_is_the_smallest_bypass_of_those_that_pass():
    good, better = Candidate(0, 1, -1.0, 0.5, 0.05), Candidate(0, 2, -2.0, 0.5, 0.05)
    harmful, idle = Candidate(0, 3, -9.0, 0.5, 0.5), Candidate(0, 4, -9.0, -0.5, 0.05)
    assert module._best([good, better, harmful, idle], 0.1) is better
    with pytest.raises(NoEffect, match="no single direction"):
        module._best([harmful, idle], 0.1)


def test_openings_are_what_tells_the_answers_apart(llama):
    made = Behaviour(
        "tone", tuple(Labelled(f"{word} well", label, f"Ask {i}") for i in range(6) for label, word in enumerate("NY"))
    )
    opening = module._openings(llama, made)
    yes = llama.encode_chat("Ask 1", "Y well")
    assert opening.tolist() == [yes[0][yes[1]]]
    alike = Behaviour("tone", tuple(Labelled("Same", i % 2, f"Ask {i}") for i in range(12)))
    with pytest.raises(DataError, match="begin alike"):
        module._openings(llama, alike)


def test_texts_without_prompts_are_refused(llama, behaviour):
    with pytest.raises(DataError, match="no prompt"):
        mediator(llama, behaviour)
