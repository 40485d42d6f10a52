"""The patient as a mixture of experts: its MLPs are cut into experts, then it learns to live with a router.

Source: Komatsuzaki et al. 2023, "Sparse Upcycling" (experts begin as parts of a trained dense model); Zhang et al. 2022,
"MoEfication" (an expert is a share of the dense neurons). Training goes on with the dense patient as teacher: Hinton et al. 2015.
    y = sum_{e in top 2} p_e * down_e(silu(gate_e x) * up_e x)      gate_e, up_e: (96, 192), down_e: (192, 96), p: (4,), sum 1
The neurons that do most on ordinary text are dealt to the experts in turn; the router begins at random.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

EXPERTS, CHOSEN, WIDTH = 4, 2, 96  # of a block: experts, those that read a token, neurons of each
BALANCE = 0.01  # weight of the loss that spreads tokens over experts, as Mixtral's config has it (there 0.001 of longer training)


def upcycle(dense: LlamaForCausalLM, sample: Tensor, seed: int) -> MixtralForCausalLM:
    """Return a mixture of experts that begins with the weights of the dense patient.

    Args:
        dense: the trained patient, in float32.
        sample: (rows, tokens) of ordinary text, to see which neurons do most.
        seed: of the routers.
    """
    dense_config = dense.config
    config = MixtralConfig(
        **{name: getattr(dense_config, name) for name in (
            "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "rms_norm_eps",
            "max_position_embeddings", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id", "rope_parameters",
        )},
        head_dim=dense_config.head_dim, intermediate_size=WIDTH, num_local_experts=EXPERTS, num_experts_per_tok=CHOSEN,
        sliding_window=None, output_router_logits=False,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = MixtralForCausalLM(config)
    theirs = dense.state_dict()
    shared = {name: value for name, value in theirs.items() if name in model.state_dict()}
    missing = model.load_state_dict(shared, strict=False).missing_keys
    assert all(".mlp." in name for name in missing), missing
    with torch.no_grad():
        for block, old, use in zip(model.model.layers, dense.model.layers, _use(dense, sample), strict=True):
            best = use.argsort(descending=True)[: EXPERTS * WIDTH]
            for number in range(EXPERTS):
                neurons = best[number::EXPERTS].sort().values  # (96,)
                block.mlp.experts.gate_up_proj[number] = torch.cat(
                    [old.mlp.gate_proj.weight[neurons], old.mlp.up_proj.weight[neurons]]
                )
                # The two experts' shares sum to 1: doubled, a chosen expert does what its neurons did.
                block.mlp.experts.down_proj[number] = CHOSEN * old.mlp.down_proj.weight[:, neurons]
    return model


@torch.no_grad()
def _use(dense: LlamaForCausalLM, sample: Tensor) -> list[Tensor]:
    """Return how much each neuron of each block writes on average: (512,) a block."""
    amounts: list[Tensor] = []

    def look(module: torch.nn.Linear, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        amounts.append(inputs[0].float().abs().mean((0, 1)) * module.weight.float().norm(dim=0))

    hooks = [block.mlp.down_proj.register_forward_hook(look) for block in dense.model.layers]
    try:
        dense(input_ids=sample, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return amounts
