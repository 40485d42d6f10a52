"""Rows that join and leave a batch are what they are alone."""

import pytest
import torch

from models import FAMILIES, tiny_family
from steered import conditional, made
from suture.errors import UnsupportedModel
from suture.model.run.decode_batch import DecodeBatch
from suture.patch.runtime.multi_patch import attached_together
from suture.patch.runtime.strength import PromptState

TEXTS = ["You are a friend.", "The capital of Velmora is a city near the sea", "One"]


def steps(lm, flow, logits, count):
    """Continue greedily; logits of each step, (steps, rows, vocabulary)."""
    found = [logits]
    for _ in range(count):
        found.append(flow.step(lm, found[-1].argmax(-1)))
    return torch.stack(found)


@pytest.mark.parametrize("family", list(FAMILIES))
@torch.no_grad()
def test_rows_join_and_leave_in_every_family(family, tokenizer):
    lm = tiny_family(family, tokenizer)
    rows = [lm.encode(text) for text in TEXTS]
    alone = [steps(lm, *DecodeBatch.begin(lm, [row]), 5)[:, 0] for row in rows]
    first, logits = DecodeBatch.begin(lm, rows[:2], movable=True)
    early = steps(lm, first, logits, 2)  # two rows take two steps,
    late, more = DecodeBatch.begin(lm, rows[2:], movable=True)
    flow = first.extend(late)  # a shorter one joins,
    both = steps(lm, flow, torch.cat([early[-1], more]), 1)
    flow = flow.select(torch.tensor([2, 0]))  # the longest leaves, and the others change places
    rest = steps(lm, flow, both[-1][[2, 0]], 2)
    assert flow.mask.shape[1] == len(rows[0]) + 5  # no column is padding alone
    for found, expected in (
        (early[:, 0], alone[0][:3]),
        (both[1, 1], alone[1][3]),
        (rest[:, 1], alone[0][3:]),
        (rest[:, 0], alone[2][1:4]),
    ):
        assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("late", ["prompt", "generated", "condition"])
@torch.no_grad()
def test_what_a_patch_knows_of_its_rows_moves_with_them(llama, late):
    patch = conditional(llama, 0.0) if late == "condition" else made(llama, positions=late)
    rows = [llama.encode(text) for text in TEXTS]
    with attached_together(llama, {"p": patch}) as ward:
        alone = []
        for row in rows:
            ward.set([{"p": 1.0}])
            alone.append(steps(llama, *DecodeBatch.begin(llama, [row]), 3)[:, 0])
        ward.set([{"p": 1.0}] * 2)
        first, logits = DecodeBatch.begin(llama, rows[:2], movable=True)
        before = ward.read
        ward.set([{"p": 1.0}])
        second, more = DecodeBatch.begin(llama, rows[2:], movable=True)
        read = {"p": before["p"].extend(ward.read["p"]).select(torch.tensor([2, 1]))}
        ward.set([{"p": 1.0}] * 2)
        ward.recall(read)
        flow = first.extend(second).select(torch.tensor([2, 1]))
        found = steps(llama, flow, torch.cat([logits, more])[[2, 1]], 3)
    assert torch.allclose(found[:, 0], alone[2], atol=1e-4)
    assert torch.allclose(found[:, 1], alone[1], atol=1e-4)


def test_what_was_read_is_joined_and_kept():
    one = PromptState(torch.tensor([3]), {"c": torch.tensor([True])})
    two = PromptState(torch.tensor([5, 7]), {"c": torch.tensor([False, True])})
    both = one.extend(two)
    assert both.lengths.tolist() == [3, 5, 7]
    assert both.open["c"].tolist() == [True, False, True]
    assert both.select(torch.tensor([1])).open["c"].tolist() == [False]


@torch.no_grad()
def test_a_cache_whose_rows_can_not_move_is_refused(llama):
    flow, _ = DecodeBatch.begin(llama, [[5, 6]], movable=True)
    flow.cache = object()
    with pytest.raises(UnsupportedModel, match="join and leave"):
        flow.select(torch.tensor([0]))
