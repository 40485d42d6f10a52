"""Cosines between directions: symmetric, 1 with itself, and those of planted directions."""

import pytest
import torch

from suture.data.examples import Behaviour, Labelled
from suture.locate.direction_similarity import direction_similarity
from suture.model.arch.anatomy import FINAL
from suture.model.run.features import extract

TASKS = {
    "cats": [f"The cat number {i} sat here." for i in range(9)],
    "sums": [f"{i} + {i} = {2 * i}" for i in range(9)],
}


def test_cosines_are_those_of_the_directions(llama, behaviour):
    opposite = Behaviour("opposite", behaviour.reversed().examples)
    found = direction_similarity(llama, {"tone": behaviour, "opposite": opposite}, TASKS)
    assert found.names == ["tone", "opposite", "cats", "sums"]
    cosines = torch.tensor(found.cosines)
    assert torch.equal(cosines, cosines.T)
    assert cosines.diag().tolist() == [1.0] * 4
    assert cosines[0, 1] == pytest.approx(-1, abs=1e-3)
    assert cosines[2, 3] == pytest.approx(-1, abs=1e-3)  # two tasks of one size: each is what the other is not
    states = extract(llama, [Labelled(text, 0) for text in TASKS["cats"] + TASKS["sums"]], [FINAL])[:, 0]
    direct = states[:9].mean(0) - states.mean(0)
    assert (
        abs(float(torch.nn.functional.cosine_similarity(direct, states[9:].mean(0) - states.mean(0), dim=0)) + 1) < 1e-3
    )


def test_without_tasks_only_probes_are_compared(llama, behaviour):
    assert direction_similarity(llama, {"tone": behaviour}, {}).cosines == [[1.0]]
