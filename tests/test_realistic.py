"""The random models of `realistic` have the norms they promise, and `stretched` changes nothing but norms."""

import copy

import pytest
import torch

from models import FAMILIES, tiny_family
from realistic import (
    POST_NORM,
    PRE_NORM,
    RATIO,
    SINK_BLOCK,
    first_sink,
    mlp_norms,
    position_sink,
    quiet_mlp,
    residual_norms,
    stretched,
    token_sink,
)

TEXT = "At the market door Sam shouted to Fay, who was late: your haircut is as boring as a letter. Go."


def sinks(norms: torch.Tensor) -> list[int]:
    """The positions whose norm behind the block of the sink is over ten times the median."""
    row = norms[SINK_BLOCK]
    return (row > 10 * row.median()).nonzero().flatten().tolist()


def check(norms: torch.Tensor, positions: list[int]) -> None:
    assert sinks(norms) == positions
    others = [i for i in range(norms.shape[1]) if i not in positions]
    ratios = norms[:, positions] / norms[:, others].median(dim=1, keepdim=True).values
    assert ratios[:SINK_BLOCK].max() < 3, "there is no sink before its block"
    assert 0.7 * RATIO < ratios[SINK_BLOCK].min() <= ratios[SINK_BLOCK].max() < 1.55 * RATIO
    assert ratios[SINK_BLOCK:].min() > 20, "it stands there in all later blocks"


@pytest.mark.parametrize("family", PRE_NORM)
def test_the_first_position_is_a_sink_whatever_stands_there(family, tokenizer):
    lm = first_sink(family, tokenizer)
    ids = lm.encode(TEXT)
    assert ids[0] == tokenizer.bos_token_id
    for start in range(6):
        check(residual_norms(lm, ids[start:]), [0])


@pytest.mark.parametrize("family", [*PRE_NORM, *POST_NORM])
def test_a_token_is_a_sink_wherever_it_stands(family, tokenizer):
    ids = tokenizer.encode(TEXT)
    delimiters = [i for i, token in enumerate(ids) if tokenizer.decode([token]) in (",", ":", ".")]
    assert len(delimiters) == 4
    check(residual_norms(token_sink(family, tokenizer, [ids[i] for i in delimiters]), ids), delimiters)
    check(residual_norms(token_sink(family, tokenizer, [ids[3]]), ids[:20]), [3])
    check(residual_norms(token_sink(family, tokenizer, [tokenizer.bos_token_id]), ids), [0])


@pytest.mark.parametrize("position", [0, 3])
def test_a_position_of_gpt2_is_a_sink(position, tokenizer):
    lm = position_sink(tokenizer, position)
    ids = lm.encode(TEXT)
    for start in range(4):
        check(residual_norms(lm, ids[start:]), [position])


@pytest.mark.parametrize("family", POST_NORM)
def test_what_an_mlp_puts_out_is_far_below_the_residual(family, tokenizer):
    lm = quiet_mlp(family, tokenizer, ratio=250.0, residual=2_000.0)
    ids = lm.encode(TEXT)
    states, outputs = residual_norms(lm, ids).median(dim=1).values, mlp_norms(lm, ids).median(dim=1).values
    assert (states / outputs).tolist() == pytest.approx([250.0] * 4, rel=0.35)
    assert float(states.median()) == pytest.approx(2_000.0, rel=0.25)


@pytest.mark.parametrize("family", FAMILIES)
def test_stretched_states_say_the_same(family, tokenizer):
    lm = tiny_family(family, tokenizer)
    wide = stretched(copy.deepcopy(lm), 128.0)
    ids = lm.encode(TEXT)
    torch.testing.assert_close(residual_norms(wide, ids), 128.0 * residual_norms(lm, ids), rtol=1e-3, atol=0.0)
    with torch.no_grad():
        logits, same = (model.forward(model.batch([ids])).logits for model in (lm, wide))
    torch.testing.assert_close(same, logits, atol=5e-3, rtol=1e-3)
    assert logits.std() > 0.1
