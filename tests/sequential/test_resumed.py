"""Running a model from a block on: the same logits, whatever the architecture, and nothing left behind."""

import pytest
import torch

from models import FAMILIES, tiny_family
from suture.model.arch.anatomy import Site
from suture.model.run.tracing import resumed, trace

TEXTS = ["The cat sat on the mat and", "One, two"]


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_resuming_with_captured_states_gives_the_same_logits_bit_for_bit(family, side, tokenizer):
    lm = tiny_family(family, tokenizer)
    batch = lm.batch([lm.encode(text) for text in TEXTS], side=side)
    for layer in range(2):
        entry = Site(layer, "residual.in")
        with trace(lm, [entry]) as seen:
            base = lm.forward(batch).logits
        with resumed(lm, layer, seen[entry]):
            assert torch.equal(lm.forward(batch).logits, base)
        with resumed(lm, layer, torch.zeros_like(seen[entry])):
            assert not torch.equal(lm.forward(batch).logits, base)
        assert torch.equal(lm.forward(batch).logits, base)
        assert not any("forward" in vars(block) for block in lm.anatomy.blocks)


@torch.no_grad()
def test_skipped_blocks_are_not_computed_and_come_back_after_an_exception(llama):
    batch, entry = llama.batch([llama.encode(TEXTS[0])]), Site(2, "residual.in")
    with trace(llama, [entry]) as seen:
        base = llama.forward(batch).logits
    computed = []
    hooks = [
        block.self_attn.register_forward_hook(lambda *_, number=number: computed.append(number))
        for number, block in enumerate(llama.anatomy.blocks)
    ]
    own = llama.anatomy.blocks[0].forward
    llama.anatomy.blocks[0].forward = own  # as a library that wraps forward leaves it
    with resumed(llama, 2, seen[entry]):
        computed.clear()
        llama.forward(batch)
    assert computed == [2]
    with pytest.raises(ZeroDivisionError), resumed(llama, 2, seen[entry]):
        raise ZeroDivisionError
    for hook in hooks:
        hook.remove()
    assert vars(llama.anatomy.blocks[0])["forward"] == own
    assert torch.equal(llama.forward(batch).logits, base)
