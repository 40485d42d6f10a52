import random

import pytest
import torch

from suture.data.examples import Behaviour, Labelled
from suture.locate.condition import HELD_OUT, _threshold, fit_condition
from suture.model.arch.anatomy import Site
from suture.model.run.tracing import trace
from suture.patch.runtime.steer import likeness_of
from suture.patch.runtime.steering_runtime import prompt_mean

NOUNS = "cats dogs trees rivers clouds stones birds boats".split()
WHEN = Behaviour(
    "sums",
    tuple(
        [Labelled("never read", 0, f"Tell me about {noun}.") for noun in NOUNS]
        + [Labelled("never read", 1, f"{i} + {i + 3} = ?") for i in range(8)]
    ),
)


@pytest.mark.parametrize("likeness", ["cosine", "cast"])
def test_what_was_fitted_decides_as_the_running_model_does(tiny, likeness):
    found = fit_condition(tiny, WHEN, [0, 1], likeness=likeness)
    assert found.layer in (0, 1)
    batch = tiny.batch([tiny.encode_chat(e.prompt)[0] for e in WHEN.examples], side="left")
    with torch.no_grad(), trace(tiny, [Site(found.layer, "residual")]) as seen:
        tiny.forward(batch)
    mean = prompt_mean(seen[Site(found.layer, "residual")], batch.mask.bool())
    met = likeness_of(mean, found.vector, likeness) > found.threshold
    labels = torch.tensor(WHEN.labels).bool()
    held = set(WHEN.split(HELD_OUT)[1].examples)
    new = torch.tensor([example in held for example in WHEN.examples])
    f1 = 2 * int((met & labels & new).sum()) / int((met & new).sum() + (labels & new).sum())
    assert f1 == pytest.approx(found.f1, abs=0.21)  # one of six near the threshold may round the other way
    if likeness == "cosine" and tiny.model.dtype == torch.float32:
        assert found.f1 == 1.0


def test_block_and_threshold_are_chosen_on_prompts_that_the_direction_has_not_seen(llama):
    """Labels drawn by chance: the direction tells the prompts it was made of apart, and no others."""
    rng = random.Random(0)
    told = Behaviour("chance", tuple(Labelled("", i % 2, " ".join(rng.sample(NOUNS, 4)) + f" {i}") for i in range(60)))
    found = fit_condition(llama, told, [0, 1, 2])
    assert found.f1 < 0.85
    few = Behaviour("few", told.examples[:10])  # too few to hold any out
    assert fit_condition(llama, few, [0, 1, 2]).f1 == 1.0


def test_the_answer_is_not_read(llama):
    other = Behaviour("sums", tuple(Labelled("another answer", e.label, e.prompt) for e in WHEN.examples))
    assert torch.equal(fit_condition(llama, WHEN, [0]).vector, fit_condition(llama, other, [0]).vector)


def test_the_threshold_is_that_of_the_best_f1():
    threshold, f1, gap = _threshold(torch.tensor([0.9, 0.8, 0.3, 0.1]), torch.tensor([1, 1, 0, 0]))
    assert (threshold, f1) == (pytest.approx(0.55), 1.0)
    assert gap > 0
    threshold, f1, _ = _threshold(torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([1, 0, 1, 0]))
    assert threshold == pytest.approx(0.4)
    assert f1 == pytest.approx(0.8)


def test_the_first_token_does_not_count():
    states = torch.tensor([[[100.0], [1.0], [3.0]], [[0.0], [0.0], [7.0]]])
    assert prompt_mean(states, torch.tensor([[1, 1, 1], [0, 0, 1]]).bool()).tolist() == [[2.0], [7.0]]
