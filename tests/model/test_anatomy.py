import pytest
import torch
from torch import nn

from suture.errors import UnsupportedModel, UsageError
from suture.model.arch.anatomy import Anatomy, Site
from suture.model.arch.layouts import GPT2, LLAMA


def test_the_layout_is_found_in_the_module_graph(llama, gpt2):
    assert llama.anatomy.layout is LLAMA
    assert gpt2.anatomy.layout is GPT2


def test_an_unknown_architecture_is_said():
    with pytest.raises(UnsupportedModel, match="not known"):
        Anatomy(nn.Sequential(nn.Linear(2, 2)))


def test_every_matrix_of_the_blocks_is_a_site_exactly_once(tiny):
    anatomy = tiny.anatomy
    seen = sum(anatomy.weight(Site(layer, part)).matrix().numel() for layer in range(3) for part in anatomy.parts)
    stored = sum(p.numel() for block in anatomy.blocks for p in block.parameters() if p.dim() == 2)
    assert seen == stored


def test_matrices_are_seen_as_out_in_whatever_the_storage(gpt2):
    weight = gpt2.anatomy.weight(Site(1, "attn.k"))
    x = torch.randn(4, 32)
    fused = gpt2.anatomy.blocks[1].attn.c_attn
    expected = fused(x)[:, 32:64] - fused.bias[32:64]
    assert torch.allclose(x @ weight.matrix().T, expected, atol=1e-5)


def test_asking_for_what_is_not_there_names_what_is(llama):
    with pytest.raises(UsageError, match=r"no weight at 0.mlp.gaet"):
        llama.anatomy.weight(Site(0, "mlp.gaet"))
    with pytest.raises(UsageError, match="no weight at 3"):
        llama.anatomy.weight(Site(3, "mlp.gate"))
    with pytest.raises(UsageError, match="no activations"):
        llama.anatomy.module(Site(0, "mlp.nowhere"))
    with pytest.raises(UsageError, match="no block 9"):
        llama.anatomy.module(Site(9, "residual"))
    with pytest.raises(UsageError, match="no tensor"):
        llama.anatomy.owner("model.layers.9.mlp.gate_proj.weight")
