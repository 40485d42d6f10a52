"""Tiny random models built in code, and a way to compare every byte of one."""

import copy
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from suture.model.lm import LM

SHARED = Path(__file__).parents[2] / "shared"


def tiny_llama(tokenizer, *, dtype=torch.float32, square=False) -> LM:
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32 if square else 48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.2,
    )
    return LM(LlamaForCausalLM(config).to(dtype), tokenizer, name="tiny-llama")


def tiny_gpt2(tokenizer, *, dtype=torch.float32, square=False) -> LM:
    torch.manual_seed(2)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_inner=32 if square else 48, n_layer=3, n_head=4, n_positions=256,
        bos_token_id=0, eos_token_id=1, initializer_range=0.2,
    )  # fmt: skip
    return LM(GPT2LMHeadModel(config).to(dtype), tokenizer, name="tiny-gpt2")


# Every family, tiny: what their configs need beside the sizes.
FAMILIES: dict[str, dict] = {
    "llama": {},
    "mistral": {},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "gemma": {"head_dim": 8},
    "gemma2": {"head_dim": 8},
    "gemma3_text": {"head_dim": 8, "layer_types": ["full_attention"] * 2},
    "phi3": {"pad_token_id": 0},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48},
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48, "rotary_dim": 4},
    "gpt_neox": {},
    "olmo": {},
    "olmo2": {},
    "mixtral": {"num_local_experts": 3},
    "qwen2_moe": {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 24},
    "qwen3_moe": {"num_experts": 3, "moe_intermediate_size": 24, "num_experts_per_tok": 2},
    "olmoe": {"num_experts": 3, "num_experts_per_tok": 2},
    "gpt_oss": {"num_local_experts": 3, "head_dim": 8, "num_experts_per_tok": 2},
    "deepseek_v3": {
        "n_routed_experts": 4, "moe_intermediate_size": 24, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
        "num_experts_per_tok": 2, "q_lora_rank": 8, "kv_lora_rank": 8, "num_key_value_heads": 4,
    },
}  # fmt: skip


def tiny_family(name: str, tokenizer, *, square=False, **given) -> LM:
    """A random model of a family with two blocks of width 32; `given` replaces values of its config."""
    torch.manual_seed(3)
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 32 if square else 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "bos_token_id": 0,
        "eos_token_id": 1, "pad_token_id": 1, "initializer_range": 0.2, "rms_norm_eps": 1e-6,
    }  # fmt: skip
    more = dict(FAMILIES[name])
    if square and "n_inner" in more:
        more["n_inner"] = 32
    config = AutoConfig.for_model(name, **{**sizes, **more, **given})
    return LM(AutoModelForCausalLM.from_config(config).float(), tokenizer, name=f"tiny-{name}")


def linear_twin(lm: LM) -> LM:
    """The same model with every Conv1D turned into a Linear."""
    model = copy.deepcopy(lm.model)
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "Conv1D":
            linear = torch.nn.Linear(module.nx, module.nf)
            linear.weight.data, linear.bias.data = module.weight.data.T.contiguous(), module.bias.data
            model.set_submodule(name, linear)
    return LM(model, lm.tokenizer, name=f"{lm.name}-linear")


def snapshot(lm: LM) -> dict[str, bytes]:
    """Every parameter and buffer of a model, as bytes."""
    return {
        name: value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        for name, value in lm.model.state_dict().items()
    }


def blank_first_tokenizer(template: str | None = None):
    """A tokenizer of words that puts a blank before every text, as those of Llama 2 and Mistral v0.1 do."""
    words = "[INST] [/INST] the capital of France is Paris Lyon Once upon a time there was Why? 1 2".split()
    pieces = ["<s>", "</s>", "<unk>", *(mark + word for word in words for mark in ("\u2581", ""))]
    made = Tokenizer(WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="</s>",
        chat_template=template,
    )
