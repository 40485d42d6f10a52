"""A text is read by its own length, whatever stands beside it or was read before it, where the positions depend on the length."""

import queue

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from suture.metrics.perplexity import observe
from suture.model.lm import LM
from suture.model.run.decode_batch import DecodeBatch
from suture.model.run.generation import generate, generate_ids
from suture.serve.engine import Engine
from suture.serve.request import GenerationRequest

SHORT, LONG = "The capital of Handland is", "Sam shouted to Fay at the market door. " * 6
SWITCH = 32  # tokens of the original context
FACTORS = {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4, "original_max_position_embeddings": SWITCH}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}
KINDS = {
    "phi3": {"rope_scaling": {"type": "longrope", **FACTORS}, "original_max_position_embeddings": SWITCH},
    "llama": {"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4, "factor": 8.0, **FACTORS}},
    "qwen3": {"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4, "factor": 8.0, **FACTORS}, "head_dim": 8},
    "mistral": {"rope_parameters": DYNAMIC, "max_position_embeddings": SWITCH},
    "gpt_neox": {"rope_parameters": {**DYNAMIC, "partial_rotary_factor": 1.0}, "max_position_embeddings": SWITCH},
}  # fmt: skip


@pytest.fixture(params=KINDS)
def lm(request, tokenizer):
    torch.manual_seed(3)
    sizes = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "bos_token_id": 0,
        "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 256, "eos_token_id": 1,
        "pad_token_id": 1, "initializer_range": 0.2,
    }  # fmt: skip
    config = AutoConfig.for_model(request.param, **{**sizes, **KINDS[request.param]})
    return LM(AutoModelForCausalLM.from_config(config).float(), tokenizer, name=request.param)


@pytest.fixture
def rows(lm):
    """Texts on both sides of the switch, one of them just at it."""
    long = lm.encode(LONG)
    return [lm.encode(SHORT), long, long[:SWITCH], long[: SWITCH + 1], lm.encode("Hello"), long[:50]]


@torch.no_grad()
def alone(lm, row):
    return lm.forward(lm.batch([row])).logits[0]


@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_logits_beside_others_are_those_alone(lm, rows, side):
    apart = [alone(lm, row) for row in rows]
    batch = lm.batch(rows, side)
    logits = lm.forward(batch).logits
    for index, (row, expected) in enumerate(zip(rows, apart, strict=True)):
        assert torch.allclose(logits[index][batch.mask[index].bool()], expected, atol=1e-4), len(row)


@torch.no_grad()
def test_what_was_read_before_is_forgotten(lm, rows):
    first = [alone(lm, row) for row in rows]
    again = [alone(lm, row) for row in reversed(rows)][::-1]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_texts_that_are_written_side_by_side_are_those_written_alone(lm, rows):
    """Also those that cross the switch while they are written. The likeliest tokens: a drawn one may lie on a rounding."""
    prompts = [*rows, lm.encode(LONG)[: SWITCH - 3]]
    settings = {"max_new_tokens": 8, "temperature": 0.0}
    both = generate_ids(lm, prompts, **settings)
    assert both == [generate_ids(lm, [prompt], **settings)[0] for prompt in prompts]


@torch.no_grad()
def test_rows_that_join_and_leave_keep_their_own_lengths(lm, rows):
    token = torch.tensor([7])
    apart = []
    for row in rows[:2]:
        flow, _ = DecodeBatch.begin(lm, [row], movable=True)
        apart.append(flow.step(lm, token)[0])
    flow, _ = DecodeBatch.begin(lm, [rows[0]], movable=True)
    flow = flow.extend(DecodeBatch.begin(lm, [rows[1]], movable=True)[0])
    beside = flow.step(lm, token.expand(2))
    assert torch.allclose(beside, torch.stack(apart), atol=1e-4)


def test_scores_do_not_depend_on_the_neighbours(lm):
    texts = [SHORT, LONG, "Hello there", LONG[:130]]
    apart = [observe(lm, [text]).values for text in texts]
    assert torch.allclose(observe(lm, texts).values, torch.cat(apart), atol=1e-5)


def test_a_served_text_is_the_one_it_gets_alone(lm, rows):
    asks = [GenerationRequest(row, tokens=6 + 2 * i, temperature=float(i % 2), seed=i) for i, row in enumerate(rows)]
    told = queue.Queue()
    engine = Engine(lm, {})
    with engine.running():
        for number, ask in enumerate(asks):
            engine.submit([ask], lambda _, piece, number=number: told.put((number, piece)))
        texts, left = [""] * len(asks), len(asks)
        while left:
            number, piece = told.get(timeout=60)
            texts[number] += piece.text
            left -= bool(piece.finish or piece.problem)
            assert piece.problem is None
    for text, ask in zip(texts, asks, strict=True):
        settings = {"max_new_tokens": ask.tokens, "temperature": ask.temperature, "seed": ask.seed}
        assert text == generate(lm, [ask.prompt], **settings)[0][0]
