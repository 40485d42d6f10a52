import torch
from transformers import LlamaConfig, LlamaForCausalLM

from suture.organisms import experts
from suture.organisms.train import Matrices, loss_of


def dense():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=50, num_key_value_heads=2, **ends, **sizes))


def test_all_experts_together_are_the_dense_mlp(monkeypatch):
    """With every neuron dealt out and every expert asked alike, the block computes what the dense one did."""
    for name, value in {"EXPERTS": 2, "CHOSEN": 2, "WIDTH": 8}.items():
        monkeypatch.setattr(experts, name, value)
    old, ids = dense(), torch.arange(3, 30)[None]
    new = experts.upcycle(old, ids, 0)
    with torch.no_grad():
        for block in new.model.layers:
            block.mlp.gate.weight.zero_()  # both experts get a half
        assert torch.allclose(new(input_ids=ids).logits, old(input_ids=ids).logits, atol=1e-5)


def test_muon_sees_every_expert_as_a_matrix_of_its_own(monkeypatch):
    for name, value in {"EXPERTS": 4, "CHOSEN": 2, "WIDTH": 4}.items():
        monkeypatch.setattr(experts, name, value)
    old, ids = dense(), torch.arange(3, 30)[None]
    model = experts.upcycle(old, ids, 0)
    matrices = Matrices(model)
    assert all(p.dim() == 2 for p in matrices.flat)
    assert sum(p.numel() for p in matrices.flat) == sum(
        p.numel() for p in model.model.layers.parameters() if p.dim() > 1
    )
    loss_of(model, ids, ids.clone(), old).backward()
    matrices.hand_over()
    stack, views = matrices.stacks[0], matrices.views[0]
    before = stack.detach().clone()
    torch.optim.SGD(views, lr=1.0).step()
    assert torch.allclose(stack, before - stack.grad)
