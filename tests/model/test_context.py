"""A text that is longer than a model reads is refused by name, whatever reads it; perplexity and drift read it in windows."""

import math

import pytest
import torch

from suture.data.examples import Behaviour, Fact, ResponsePair
from suture.data.lessons import Instruction
from suture.errors import DataError
from suture.locate.causal_trace import causal_trace
from suture.locate.probe import fit_probe
from suture.methods.crispedit import crispedit
from suture.methods.dinm import dinm
from suture.methods.emmet import emmet
from suture.methods.finetune import finetune
from suture.methods.grace import grace
from suture.methods.lora import lora
from suture.methods.memit import memit
from suture.methods.preserve_safety import preserve_safety
from suture.methods.rome import rome
from suture.methods.ultraedit import ultraedit
from suture.metrics import answers, completion, drift, first_token_drift, perplexity, target_probability
from suture.metrics._windows import windows
from suture.model.run.context import context
from suture.model.run.generation import generate_ids

LONG = "Sam shouted to Fay at the market door. " * 40
FACT = Fact(f"{LONG} The capital of Handland is", "Handland", "Wandton", "Grejondford")
KEPT = [f"We went to the mill on day {i}." for i in range(4)]
EDITS = [rome, emmet, memit, grace, lora, finetune, crispedit, ultraedit]


@pytest.fixture(params=["llama", "gpt2"])
def lm(request):
    """Rotary positions and learned ones; both read 256 tokens."""
    made = request.getfixturevalue(request.param)
    assert context(made) == 256
    return made


def refused(lm, do):
    with pytest.raises(DataError, match=f"a text is longer than {lm.name} reads") as told:
        do()
    assert "the model reads 256. It begins" in told.value.why
    assert LONG[:30] in told.value.why
    assert told.value.exit_code == 2


@pytest.mark.parametrize("method", EDITS, ids=lambda method: method.__name__)
def test_a_fact_that_is_too_long_is_refused(lm, method):
    refused(lm, lambda: method(lm, [FACT]))


@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("probe", lambda lm, made: fit_probe(lm, made)),
        ("trace", lambda lm, _: causal_trace(lm, [FACT])),
        ("dinm", lambda lm, _: dinm(lm, [ResponsePair(LONG, "Sorry.", "Sure.")])),
        ("tune", lambda lm, _: preserve_safety(lm, [Instruction(LONG, "Yes.")] * 4)),
        ("answer", lambda lm, _: preserve_safety(lm, [Instruction("Why?", LONG)] * 4)),
        ("written", lambda lm, _: completion.observe(lm, completion.Cases([LONG], ["x"]))),
        ("asked", lambda lm, _: completion.observe(lm, completion.Cases([LONG], ["x"], chat=True))),
        ("forced", lambda lm, _: target_probability.observe(lm, target_probability.Cases([LONG], ["x"]))),
        ("answers", lambda lm, _: answers.observe(lm, answers.Cases([LONG], ["x"]))),
        ("first", lambda lm, _: first_token_drift.observe(lm, first_token_drift.Cases([LONG]))),
        ("batch", lambda lm, _: lm.batch([[3], lm.encode(LONG)])),
        ("memory", lambda lm, _: generate_ids(lm, lm.encode_prompts(["Hello", LONG]))),
    ],
)
def test_whoever_reads_a_text_refuses_it_when_it_is_too_long(lm, name, do):
    texts = [f"You are a lovely {noun}." for noun in "friend hero gem angel star darling genius treasure".split()]
    made = Behaviour.of("tone", texts, [*(text.replace("lovely", "stupid") for text in texts), LONG])
    refused(lm, lambda: do(lm, made))


def test_a_prompt_that_leaves_no_room_is_refused_and_a_text_ends_where_the_context_does(lm):
    ids = (lm.encode(LONG) * 2)[:256]
    refused(lm, lambda: generate_ids(lm, [ids]))
    made = generate_ids(lm, [ids[:250], ids[:20], ids[:255]], max_new_tokens=20, samples=2, seed=3)
    assert all(len(text) <= room for texts, room in zip(made, (6, 20, 1), strict=True) for text in texts)
    assert [len(text) for text in generate_ids(lm, [ids[:250]], max_new_tokens=6, seed=1)[0]] <= [6]


@pytest.mark.parametrize(
    ("changes", "reads"),
    [
        ({}, 256), ({"max_position_embeddings": 64}, 64), ({"max_position_embeddings": 0}, None),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}}, 1024),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, 512),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}}, 512),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}}, 256),
        ({"rope_parameters": {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 32}}, 256),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 32}}, 256),
    ],
)  # fmt: skip
def test_how_much_a_model_reads_is_told_by_its_config(llama, changes, reads):
    for name, value in changes.items():
        setattr(llama.model.config, name, value)
    assert context(llama) == reads


@pytest.mark.parametrize("length", [1, 255, 256, 257, 300, 384, 385, 511, 512, 513, 1000])
def test_windows_count_every_token_once_and_in_order(lm, length):
    ids = [0, *range(5, length + 4)]
    counted = []
    for window in windows(lm, [ids]):
        assert len(window.ids) <= 256
        assert window.begin == len(counted)
        counted += window.ids[window.first :]
        assert window.first == 0 or window.first >= 127  # at least half of what it can read stands before
    assert counted == ids


def test_perplexity_of_a_long_text_is_that_of_its_windows(lm):
    texts = [LONG, "Hello there", LONG[:3000], "One"]
    whole = perplexity.observe(lm, texts)
    assert whole.weights.tolist() == [len(lm.encode(text)) - 1 for text in texts]
    by_hand = []
    for window in windows(lm, [lm.encode(LONG)]):
        logits = lm.forward(lm.batch([window.ids])).logits[0, :-1].log_softmax(-1)
        losses = -logits.gather(-1, torch.tensor(window.ids[1:])[:, None])[:, 0]
        by_hand += losses[max(window.first, 1) - 1 :].tolist()
    assert whole.values[0] == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-4)
    for index, text in enumerate(texts[1:], 1):
        assert whole.values[index] == pytest.approx(float(perplexity.observe(lm, [text]).values), rel=1e-5)


def test_drift_of_a_long_text_keeps_every_position_and_is_nothing_against_itself(lm, monkeypatch):
    texts = [LONG, "Hello there"]
    seen = drift.observe(lm, texts)
    assert seen.weights.tolist() == [len(lm.encode(text)) for text in texts]
    assert drift.score(seen, drift.observe(lm, texts)).after == pytest.approx(0, abs=1e-9)
    monkeypatch.setattr(drift, "BUDGET", 100 * lm.model.config.vocab_size)
    fewer = drift.observe(lm, texts)
    stride = 1 << math.ceil(math.log2(int(seen.weights.sum()) / 100))
    assert torch.equal(fewer.extra["logprobs"][0], seen.extra["logprobs"][0][::stride])
