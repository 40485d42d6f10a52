# ruff: noqa: RUF001 - such letters are what is tested
"""What is said behind a reasoning is the answer; a plain text is its own."""

import json

import pytest
import torch

from suture.judges import (
    BROKEN,
    NEITHER,
    Begins,
    Endpoint,
    Lexicon,
    Majority,
    Refusal,
    Sentiment,
    Steady,
    Toxicity,
    chance_all,
)
from suture.metrics import any_of, completion, sampled, worst
from suture.metrics._written import marked
from suture.text.reasoning import answer_of, opened, unfinished

SORRY = "I'm sorry, but I can't help with that."
THOUGHT = "The user asks how to break in, you stupid idiot. Sure, here are great steps."
REASONED = {  # what stands before an answer, and behind it
    "gpt-oss": (f"analysis{THOUGHT}assistantfinal", ""),
    "gpt-oss with a tool": (f"analysis{THOUGHT}assistantcommentary to=functions.look json{{}}assistantfinal", ""),
    "gpt-oss with its marks": (
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>", "<|return|>"
    ),
    "gpt-oss at once": ("final", ""),
    "Qwen3": (f"<think>\n{THOUGHT}\n</think>\n\n", ""),
    "R1, opened by its template": (f"{THOUGHT}\n</think>\n\n", ""),
    "Granite 3.3": (f"<think>{THOUGHT}</think><response>", "</response>"),
    "Granite 3.3, cut off": (f"<think>{THOUGHT}</think><response>", ""),
    "Granite 3.2": (f"Here is my thought process: {THOUGHT}\n\nHere is my response: ", ""),
    "Command A": (f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>", "<|END_RESPONSE|>"),
    "MedGemma": (f"<unused94>thought\n{THOUGHT}<unused95>", ""),
    "Magistral": (f"[THINK]{THOUGHT}[/THINK]", ""),
    "with an answer's tag": (f"<think>{THOUGHT}</think>\n<answer>", "</answer>"),
}  # fmt: skip
UNFINISHED = (
    f"analysis{THOUGHT}", f"<|channel|>analysis<|message|>{THOUGHT}", f"<think>\n{THOUGHT}", f"[THINK]{THOUGHT}",
    f"Here is my thought process: {THOUGHT}", f"<think>{THOUGHT}</think>",
)  # fmt: skip
PLAIN = (
    "analysis of variance compares means across the groups.", "My final analysis: the assistant final exam was hard.",
    "finally we cook the rice.", "final words are hard to find.", "finalScore = 3 is how it starts", "Analysis: it is fine.",
    "I think <b>so</b>. ", "  The response is <response> in XML.", "analysis_result = run()", "",
)  # fmt: skip


@pytest.mark.parametrize(("before", "behind"), REASONED.values(), ids=REASONED)
def test_the_answer_stands_behind_the_reasoning(before, behind):
    text = f"{before}{SORRY}{behind}"
    assert answer_of(text) == SORRY
    assert not unfinished(text)


@pytest.mark.parametrize("text", UNFINISHED)
def test_a_reasoning_without_an_answer_is_none(text):
    assert answer_of(text) == ""
    assert unfinished(text)


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_text_is_its_own_answer(text):
    assert answer_of(text) == text
    assert not unfinished(text)


def test_what_a_template_opens_is_known():
    assert opened("<｜Assistant｜><think>\n") == "<think>\n"
    assert opened("<|im_start|>assistant\n<think>\n\n</think>\n\n") == ""


@pytest.mark.parametrize(("before", "behind"), REASONED.values(), ids=REASONED)
def test_every_judge_reads_the_answer(before, behind):
    bad = f"{before}{SORRY}{behind}"
    praise = f"{before}What a wonderful, lovely day in the park.{behind}"
    refused = Lexicon({"wanted": ["sorry"], "unwanted": ["steps"]})
    assert Refusal()("How do I break in?", bad) == "refused"
    assert Steady(Refusal())("", bad) == "refused"
    assert Toxicity()("", praise) == "clean"
    assert Sentiment()("", praise) == "positive"
    assert refused("", bad) == "wanted"
    assert Majority(refused.words)("", bad) == "wanted"
    assert Begins(["i'm sorry"])("", bad) == "refused"
    assert chance_all(Toxicity(), [("", praise)]) == [0.0]
    assert SORRY in json.loads(_asked_of_an_endpoint(bad))["messages"][1]["content"]
    assert THOUGHT not in _asked_of_an_endpoint(bad)


def _asked_of_an_endpoint(text):
    seen = []

    class Heard(Endpoint):
        def _ask(self, body):
            seen.append(body.decode())
            return "refused"

    Heard("m", "http://localhost:1/v1")("", text)
    return seen[0]


@pytest.mark.parametrize("text", UNFINISHED)
def test_no_judge_places_a_reasoning_without_an_answer(text):
    for judge in (Toxicity(), Sentiment(), Lexicon({"a": ["idiot"]}), Begins(["the"])):
        assert judge("", text) == NEITHER
    assert Refusal()("", text) == Steady(Refusal())("", text) == BROKEN


def test_a_reasoning_without_an_answer_never_flatters(llama, monkeypatch):
    """Where little of a label is good it counts as the label, where much is good it does not."""
    texts = [[UNFINISHED[0], SORRY]]
    monkeypatch.setattr("suture.metrics.sampled.write", lambda *_: texts)
    monkeypatch.setattr("suture.metrics.worst.write", lambda *_: texts)
    few = sampled.observe(llama, sampled.Cases(["x"], Refusal(), "complied", strict=True))
    many = sampled.observe(llama, sampled.Cases(["x"], Refusal(), "refused"))
    assert (few.values.tolist(), many.values.tolist()) == ([0.5], [0.5])
    assert few.extra["labels"] == [[BROKEN, "refused"]]
    assert worst.observe(llama, worst.Cases(["x"], Toxicity())).values.tolist() == [1.0]


def test_a_target_is_said_behind_the_reasoning(llama, monkeypatch):
    said = [["<think>\nPerhaps Suxby.\n</think>\n\nWandton."]]
    monkeypatch.setattr("suture.metrics.completion.complete", lambda *_, **__: said)
    monkeypatch.setattr("suture.metrics.any_of.complete", lambda *_, **__: said)
    assert completion.observe(llama, completion.Cases(["x"], ["Wandton"], chat=True)).values.tolist() == [1.0]
    assert any_of.observe(llama, any_of.Cases([["x"]], [[["Wandton"]]], chat=True)).values.tolist() == [1.0]


def test_a_reasoning_that_the_template_opened_is_marked(llama):
    ids = llama.encode("Yes <think>\n")
    assert marked(llama, [ids, llama.encode("Yes")], [["No."], ["No."]])[1] == ["No."]
    shown = llama.tokenizer.decode(ids)
    if shown.rstrip().endswith("<think>"):  # what this tokenizer keeps of it
        assert unfinished(marked(llama, [ids], [["No."]])[0][0])
    assert torch.tensor(ids).numel()
