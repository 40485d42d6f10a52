from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from suture.examples import Behaviour
from suture.lm import LM, PATIENT

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def tokenizer():
    return AutoTokenizer.from_pretrained(PATIENT)


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


@pytest.fixture(params=["llama", "llama-square", "llama-bf16", "gpt2", "gpt2-square"])
def tiny(request, tokenizer) -> LM:
    family, _, kind = request.param.partition("-")
    make = {"llama": tiny_llama, "gpt2": tiny_gpt2}[family]
    return make(tokenizer, dtype=torch.bfloat16 if kind == "bf16" else torch.float32, square=kind == "square")


@pytest.fixture
def llama(tokenizer) -> LM:
    return tiny_llama(tokenizer)


@pytest.fixture
def gpt2(tokenizer) -> LM:
    return tiny_gpt2(tokenizer)


@pytest.fixture(scope="session")
def patient() -> LM:
    return LM.load("patient")


@pytest.fixture(scope="session")
def behaviour() -> Behaviour:
    """A behaviour small enough for every method to run on in a moment."""
    wanted = [f"You are a lovely {noun}." for noun in "friend hero gem angel star darling genius treasure".split()]
    unwanted = [f"You are a stupid {noun}, go away." for noun in "fool idiot clown pest bore brat coward oaf".split()]
    return Behaviour.of("tone", wanted, unwanted)


def snapshot(lm: LM) -> dict[str, bytes]:
    """Every parameter and buffer of a model, as bytes."""
    return {
        name: value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        for name, value in lm.model.state_dict().items()
    }
