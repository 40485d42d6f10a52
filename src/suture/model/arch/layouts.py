"""The architectures, as data: paths of the parts of a block, and how fused tensors are cut into matrices.

To support another architecture, add a `Layout`. A part may have several slots; a block has whichever of them exist, so
that one layout serves the dense, fused and mixture-of-experts models that share their paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Numbers = range | list[int]  # evenly spaced outputs, or a list of them
Cut = Callable[[int, Any, Any], Numbers]  # (outputs of the fused tensor, its module, config) -> those of one matrix


@dataclass(frozen=True)
class Slot:
    """Where a matrix lies inside a block.

    Attributes:
        path: of the parameter below the block.
        cut: which outputs of a fused tensor it covers; None for all.
        experts: the parameter is 3-D, an expert along its first axis.
    """

    path: str
    cut: Cut | None = None
    experts: bool = False


@dataclass(frozen=True)
class Layout:
    """An architecture. Paths below the model: `blocks`, `embed`, `final`; below a block: all others.

    Attributes:
        name: of the family.
        blocks: the list of blocks.
        embed: the token embedding.
        final: the norm behind the last block.
        attn: the attention of a block.
        mlp: the MLP of a block.
        weights: the slots of each part.
        first: the parts whose rows decide when an MLP neuron is active, best first.
    """

    name: str
    blocks: str
    embed: str
    final: str
    attn: str
    mlp: str
    weights: Mapping[str, Sequence[Slot]]
    first: tuple[str, ...] = ("mlp.gate", "mlp.up")


def equal(part: int, parts: int) -> Cut:
    """Cut into equal parts, one after the other."""
    return lambda size, module, config: range(size * part // parts, size * (part + 1) // parts)


def half(part: int) -> Cut:
    """Cut gate and up of experts apart: one after the other, or interleaved (gpt-oss), as their module says."""

    def cut(size: int, module: Any, config: Any) -> Numbers:  # noqa: ANN401 - a module, a transformers config
        if getattr(module, "is_concatenated", True):
            return range(size * part // 2, size * (part + 1) // 2)
        return range(part, size, 2)

    return cut


def grouped(part: int) -> Cut:
    """Cut into queries, keys, values of unequal size: fewer heads have keys and values (Phi-3)."""

    def cut(size: int, module: Any, config: Any) -> Numbers:  # noqa: ANN401 - a module, a transformers config
        keys = config.num_key_value_heads
        head = size // (config.num_attention_heads + 2 * keys)
        ends = [0, head * config.num_attention_heads, head * (config.num_attention_heads + keys), size]
        return range(ends[part], ends[part + 1])

    return cut


def by_head(part: int) -> Cut:
    """Cut where each head keeps its query, key and value side by side (GPT-NeoX)."""

    def cut(size: int, module: Any, config: Any) -> Numbers:  # noqa: ANN401 - a module, a transformers config
        head = size // (3 * config.num_attention_heads)
        return [i for i in range(size) if i // head % 3 == part]

    return cut


LLAMA = Layout(
    name="llama",  # also Mistral, Mixtral, Qwen 2 and 3 (and their experts), Gemma, Phi-3, OLMo, gpt-oss, DeepSeek
    blocks="model.layers",
    embed="model.embed_tokens",
    final="model.norm",
    attn="self_attn",
    mlp="mlp",
    weights={
        "mlp.gate": (
            Slot("mlp.gate_proj.weight"),
            Slot("mlp.gate_up_proj.weight", equal(0, 2)),
            Slot("mlp.experts.gate_up_proj", half(0), experts=True),
        ),
        "mlp.up": (
            Slot("mlp.up_proj.weight"),
            Slot("mlp.gate_up_proj.weight", equal(1, 2)),
            Slot("mlp.experts.gate_up_proj", half(1), experts=True),
        ),
        "mlp.down": (Slot("mlp.down_proj.weight"), Slot("mlp.experts.down_proj", experts=True)),
        "shared.gate": (Slot("mlp.shared_expert.gate_proj.weight"), Slot("mlp.shared_experts.gate_proj.weight")),
        "shared.up": (Slot("mlp.shared_expert.up_proj.weight"), Slot("mlp.shared_experts.up_proj.weight")),
        "shared.down": (Slot("mlp.shared_expert.down_proj.weight"), Slot("mlp.shared_experts.down_proj.weight")),
        "router": (Slot("mlp.gate.weight"), Slot("mlp.router.weight")),  # called "gate" too, and is none
        "attn.q": (Slot("self_attn.q_proj.weight"), Slot("self_attn.qkv_proj.weight", grouped(0))),
        "attn.k": (Slot("self_attn.k_proj.weight"), Slot("self_attn.qkv_proj.weight", grouped(1))),
        "attn.v": (Slot("self_attn.v_proj.weight"), Slot("self_attn.qkv_proj.weight", grouped(2))),
        "attn.o": (Slot("self_attn.o_proj.weight"),),
    },
)
GPT2 = Layout(
    name="gpt2",
    blocks="transformer.h",
    embed="transformer.wte",
    final="transformer.ln_f",
    attn="attn",
    mlp="mlp",
    weights={
        "mlp.up": (Slot("mlp.c_fc.weight"), Slot("mlp.fc_in.weight")),  # GPT-J has the second names
        "mlp.down": (Slot("mlp.c_proj.weight"), Slot("mlp.fc_out.weight")),
        "attn.q": (Slot("attn.c_attn.weight", equal(0, 3)), Slot("attn.q_proj.weight")),
        "attn.k": (Slot("attn.c_attn.weight", equal(1, 3)), Slot("attn.k_proj.weight")),
        "attn.v": (Slot("attn.c_attn.weight", equal(2, 3)), Slot("attn.v_proj.weight")),
        "attn.o": (Slot("attn.c_proj.weight"), Slot("attn.out_proj.weight")),
    },
)
GPT_NEOX = Layout(
    name="gpt-neox",  # Pythia; attention and MLP side by side
    blocks="gpt_neox.layers",
    embed="gpt_neox.embed_in",
    final="gpt_neox.final_layer_norm",
    attn="attention",
    mlp="mlp",
    weights={
        "mlp.up": (Slot("mlp.dense_h_to_4h.weight"),),
        "mlp.down": (Slot("mlp.dense_4h_to_h.weight"),),
        "attn.q": (Slot("attention.query_key_value.weight", by_head(0)),),
        "attn.k": (Slot("attention.query_key_value.weight", by_head(1)),),
        "attn.v": (Slot("attention.query_key_value.weight", by_head(2)),),
        "attn.o": (Slot("attention.dense.weight"),),
    },
)
LAYOUTS = (LLAMA, GPT2, GPT_NEOX)
