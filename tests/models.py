"""Tiny random models built in code, and a way to compare every byte of one."""

from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from suture.lm import LM

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


def snapshot(lm: LM) -> dict[str, bytes]:
    """Every parameter and buffer of a model, as bytes."""
    return {
        name: value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        for name, value in lm.model.state_dict().items()
    }
