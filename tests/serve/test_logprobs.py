"""Log-probabilities: those that are served are those of the library, and an evaluation harness can use them."""

import math

import pytest
import torch

from models import tiny_gpt2, tiny_llama
from serving import listening
from suture.methods.steering import steering
from suture.methods.surgery import surgery
from suture.serve import logprobs
from suture.serve.app import Desk
from suture.serve.engine import Engine
from suture.serve.logprobs import fitting, logprobs_of, score_prompts

EXACT = 1e-5
TEXTS = [
    "You are a friend.", "The capital of Velmora is a city near the sea", "One", "Café 北京 — naïve 🙂", "a\n\n  b\tc", "2+2=4",
    "</s> is no end here", "We went to the mill and the mill was gone, and so were we.", "é", "  two blanks before",
    "ends with a blank ", "🙂🙃",
]  # fmt: skip
MIXES = [{}, {"kind": 1.0}, {"kind": -0.5, "turned": 0.3}]


def library(lm, ids, patches=(), strengths=None):
    """log P of each token behind the first, as the library's own model has it: (tokens - 1) float64."""
    from suture.patch.runtime.multi_patch import attached_together

    with torch.no_grad(), attached_together(lm, dict(patches)) as ward:
        ward.set([strengths or {}])
        logits = lm.forward(lm.batch([ids])).logits[0, :-1]
    return logits.double().log_softmax(-1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]


def makers():
    return {"llama": tiny_llama, "gpt2": tiny_gpt2}


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def served(request, tokenizer, behaviour):
    """A client, the same model again, and its patches."""
    lm, twin = (makers()[request.param](tokenizer) for _ in range(2))
    patches = {
        "kind": surgery(lm, behaviour, rows=20, strength=2.0),
        "turned": steering(lm, behaviour, mode="turn", strength=0.5),
    }
    with listening(Desk(Engine(lm, patches, rows=8), "tiny")) as client:
        yield client, twin, patches


def score(client, **fields):
    body = {"model": "tiny", "max_tokens": 0, "echo": True, "logprobs": 1, **fields}
    status, answer = client("POST", "/v1/completions", body)
    assert status == 200, answer
    return answer["choices"]


@pytest.mark.parametrize("strengths", MIXES, ids=["base", "one patch", "two patches"])
def test_log_likelihoods_are_those_of_the_library(served, strengths):
    client, twin, patches = served
    rows = [twin.encode(text) for text in TEXTS]
    worst = 0.0
    for prompt in (TEXTS, rows):
        choices = score(client, prompt=prompt, patches=strengths)
        for ids, choice in zip(rows, choices, strict=True):
            first, *told = choice["logprobs"]["token_logprobs"]
            assert first is None
            worst = max(worst, float((torch.tensor(told) - library(twin, ids, patches.items(), strengths)).abs().max()))
            assert choice["finish_reason"] == "length"
    assert worst < EXACT


def harness_reads(choice, context):
    """What lm-evaluation-harness's `local-completions` makes of a choice: (sum of log P, whether greedy)."""
    span = slice(context, -1)  # the last is the token that was written
    told, top = choice["logprobs"]["token_logprobs"][span], choice["logprobs"]["top_logprobs"][span]
    return sum(told), all(own == max(others.values()) for own, others in zip(told, top, strict=True))


def test_a_harness_gets_its_log_likelihoods(served):
    client, twin, _ = served
    pairs = [("You are", " a friend."), ("The capital of", " Velmora"), ("One", ""), ("Café", " 北京 🙂")]
    context = [twin.encode(before) for before, _ in pairs]
    whole = [
        ids + twin.tokenizer(after, add_special_tokens=False)["input_ids"] for ids, (_, after) in zip(context, pairs)
    ]
    answer = score(client, prompt=whole, max_tokens=1, temperature=0, seed=1234)
    for before, ids, choice in zip(context, whole, answer, strict=True):
        total, greedy = harness_reads(choice, len(before))
        expected = library(twin, ids)[len(before) - 1 :]
        assert abs(total - float(expected.sum())) < EXACT * max(1, len(expected))
        logits = twin.forward(twin.batch([ids])).logits[0, len(before) - 1 : -1]
        assert greedy == (logits.argmax(-1).tolist() == ids[len(before) :])
        assert len(choice["logprobs"]["tokens"]) == len(ids) + 1  # the end token counts where it comes


def test_the_harness_itself_agrees_with_its_own_way(served):
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    client, twin, _ = served
    remote = LocalCompletionsAPI(
        model="tiny", base_url=f"http://127.0.0.1:{client.port}/v1/completions", max_length=250, batch_size=2,
        tokenizer=twin.tokenizer.name_or_path, tokenizer_backend="huggingface",
    )  # fmt: skip
    local = HFLM(pretrained=twin.model, tokenizer=twin.tokenizer, max_length=249, add_bos_token=False, batch_size=2)
    asked = [Instance("loglikelihood", {}, (text[:4], text[4:]), i) for i, text in enumerate(TEXTS) if len(text) > 6]
    pairs = zip(remote.loglikelihood(asked), local.loglikelihood(asked), strict=True)
    for (ours, greedy), (theirs, also) in pairs:
        assert math.isclose(ours, theirs, rel_tol=1e-5, abs_tol=1e-5)
        assert greedy == also


def test_the_token_that_ends_a_text_is_the_last_and_none_of_its_text(served, monkeypatch):
    client, twin, _ = served
    hello = [{"role": "user", "content": "Hi"}]
    rows = [twin.encode(TEXTS[0]), twin.encode_messages(hello)]
    likeliest = [int(twin.forward(twin.batch([ids])).logits[0, -1].argmax()) for ids in rows]
    (choice,) = score(client, prompt=TEXTS[0], max_tokens=1, temperature=0)
    named = choice["logprobs"]["tokens"][-1]
    monkeypatch.setattr("suture.serve.engine.ends", lambda _: {*likeliest})
    with listening(Desk(Engine(twin, {}), "tiny")) as other:
        (ended,) = score(other, prompt=TEXTS[0], max_tokens=5, temperature=0)
        body = {"model": "tiny", "messages": hello, "max_tokens": 5, "logprobs": True, "temperature": 0}
        talk = other("POST", "/v1/chat/completions", body)[1]["choices"][0]
    assert (ended["finish_reason"], ended["text"], ended["logprobs"]["tokens"][-1]) == ("stop", TEXTS[0], named)
    assert (talk["finish_reason"], talk["message"]["content"], talk["logprobs"]["content"]) == ("stop", "", [])


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_offsets_lead_to_the_tokens(served, text, echo):
    client, _, _ = served
    body = {"prompt": text, "max_tokens": 6, "echo": echo, "logprobs": 2, "temperature": 1.0, "seed": 3}
    (choice,) = score(client, **body)
    told = choice["logprobs"]
    assert choice["text"].startswith(text) == echo
    for name, offset in zip(told["tokens"], told["text_offset"], strict=True):
        plain = not name.startswith("bytes:") and name not in ("<s>", "</s>")
        assert not plain or choice["text"][offset:].startswith(name.rstrip("\ufffd"))
    lengths = {key: len(values) for key, values in told.items()}
    assert len({*lengths.values()}) == 1
    for own, top in zip(told["token_logprobs"], told["top_logprobs"], strict=True):
        assert (own is None) == (top is None)
        assert top is None or (own in top.values() and 2 <= len(top) <= 3 and max(top.values()) >= own)


def test_of_a_chat_the_tokens_are_the_text_and_come_with_bytes(shared):
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 24, "seed": 5, "n": 2}
    for stop in (None, ["e"]):
        status, answer = shared(
            "POST", "/v1/chat/completions", {**body, "logprobs": True, "top_logprobs": 3, "stop": stop}
        )
        assert status == 200
        for choice in answer["choices"]:
            content = choice["logprobs"]["content"]
            said = b"".join(bytes(each["bytes"]) for each in content).decode(errors="replace")
            assert said.startswith(choice["message"]["content"].rstrip("\ufffd"))
            assert stop or len(content) == 24 or choice["finish_reason"] == "stop"
            for each in content:
                falling = [other["logprob"] for other in each["top_logprobs"]]
                assert len(falling) == 3
                assert falling == sorted(falling, reverse=True)
                assert each["logprob"] <= falling[0]
    plain = shared("POST", "/v1/chat/completions", {**body, "stop": ["e"]})[1]["choices"]
    assert [each["message"] for each in plain] == [each["message"] for each in answer["choices"]]


@pytest.mark.parametrize(("stop", "tokens"), [(None, 12), ("e", 12), (None, 1), (None, 0)])
@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_tells_the_same(shared, echo, stop, tokens):
    body = {
        "model": "tiny", "prompt": ["You are", "One"], "max_tokens": tokens, "seed": 4, "n": 2, "logprobs": 2, "echo": echo,
        "stop": stop,
    }  # fmt: skip
    whole = shared("POST", "/v1/completions", body)[1]
    events = shared.stream("/v1/completions", {**body, "stream_options": {"include_usage": True}})
    assert events.pop() == "[DONE]"
    assert events.pop()["usage"] == whole["usage"]
    for row, choice in enumerate(whole["choices"]):
        own = [event["choices"][0] for event in events if event["choices"][0]["index"] == row]
        assert "".join(each["text"] for each in own) == choice["text"]
        for key, values in choice["logprobs"].items():
            told = [value for each in own for value in each["logprobs"][key]]
            if key == "top_logprobs":
                told, values = ([top and {*top} for top in tops] for tops in (told, values))
            assert told == (pytest.approx(values, abs=EXACT) if key == "token_logprobs" else values)
    assert all(event["usage"] is None for event in events)


@pytest.mark.parametrize("prompt", ["You are", ["You are", "One"], [5, 6, 7], [[5, 6], [7]]])
@pytest.mark.parametrize("stream", [False, True])
def test_echo_is_the_prompt_before_the_text(shared, prompt, stream):
    body = {"model": "tiny", "prompt": prompt, "max_tokens": 5, "seed": 4, "n": 2}

    def texts(**more):
        if not stream:
            return [each["text"] for each in shared("POST", "/v1/completions", {**body, **more})[1]["choices"]]
        rows = {}
        for event in shared.stream("/v1/completions", {**body, **more})[:-1]:
            rows[event["choices"][0]["index"]] = (
                rows.get(event["choices"][0]["index"], "") + event["choices"][0]["text"]
            )
        return [rows[row] for row in sorted(rows)]

    plain, echoed = texts(), texts(echo=True)
    assert len(plain) == len(echoed) == (4 if isinstance(prompt[0], list) or prompt == ["You are", "One"] else 2)
    for place, (short, long) in enumerate(zip(plain, echoed, strict=True)):
        assert long.endswith(short)
        before = prompt if isinstance(prompt, str) else prompt[place // 2] if isinstance(prompt[0], str) else None
        assert before is None or long == before + short
        assert len(long) > len(short)
    assert texts(echo=True, max_tokens=0) == [
        long.removesuffix(short) for short, long in zip(plain, echoed, strict=True)
    ]


def test_the_best_of_several_are_those_whose_tokens_are_likeliest(shared):
    body = {"model": "tiny", "prompt": ["You are", "One"], "max_tokens": 8, "seed": 9, "temperature": 1.0}
    every = shared("POST", "/v1/completions", {**body, "n": 6, "logprobs": 0})[1]
    best = shared("POST", "/v1/completions", {**body, "n": 2, "best_of": 6})[1]
    means = [sum(each["logprobs"]["token_logprobs"]) / len(each["logprobs"]["tokens"]) for each in every["choices"]]
    expected = []
    for start in (0, 6):
        order = sorted(range(start, start + 6), key=lambda place: -means[place])
        expected += [every["choices"][place]["text"] for place in order[:2]]
    assert [each["text"] for each in best["choices"]] == expected
    assert [each["index"] for each in best["choices"]] == [0, 1, 2, 3]
    assert all(each["logprobs"] is None for each in best["choices"])
    assert best["usage"]["completion_tokens"] == every["usage"]["completion_tokens"]


def test_they_can_be_switched_on_as_in_a_chat(shared):
    body = {"model": "tiny", "prompt": "You are", "max_tokens": 2, "seed": 1}
    on, one = (shared("POST", "/v1/completions", {**body, "logprobs": each})[1]["choices"] for each in (True, 1.0))
    assert on[0]["logprobs"]["tokens"] == one[0]["logprobs"]["tokens"]


def test_log_probabilities_are_before_temperature(shared):
    body = {"model": "tiny", "prompt": "You are", "max_tokens": 1, "logprobs": 3}
    tops = [shared("POST", "/v1/completions", {**body, "temperature": heat})[1]["choices"] for heat in (0, 0.3, 5)]
    first, *others = [choices[0]["logprobs"]["top_logprobs"][0] for choices in tops]
    for other in others:
        assert {name: other[name] for name in first if name in other} == pytest.approx(
            {name: value for name, value in first.items() if name in other}, abs=EXACT
        )


@pytest.mark.parametrize("limit", [1, 5000, 20_000])
def test_where_logits_are_many_prompts_are_read_in_parts_and_stay_the_same(llama, monkeypatch, limit):
    rows = [llama.encode(text) for text in TEXTS[:4]]
    with torch.no_grad():
        whole, behind = score_prompts(llama, rows, 2)
        monkeypatch.setattr(logprobs, "LOGITS", limit)
        parts, also = score_prompts(llama, rows, 2)
    assert torch.allclose(behind, also, atol=1e-5)
    for row, other in zip(whole, parts, strict=True):
        assert [each.id for each in row] == [each.id for each in other]
        assert [each.logprob for each in row[1:]] == pytest.approx([each.logprob for each in other[1:]], abs=EXACT)


def test_rows_of_a_pass_are_as_many_as_fit(llama, monkeypatch):
    size = llama.model.get_input_embeddings().weight.shape[0]
    monkeypatch.setattr(logprobs, "LOGITS", 10 * size)
    assert [list(part) for part in fitting(llama, [4, 4, 4, 20, 1, 1])] == [[0, 1], [2], [3], [4, 5]]


def test_a_probability_of_nothing_is_written_as_a_number():
    (first, second) = logprobs_of(torch.tensor([[0.0, float("-inf")], [float("nan"), 0.0]]), [1, 0], 2)
    assert first.logprob == logprobs.SMALLEST == first.top[1][1]
    assert math.isnan(second.logprob)  # no number is not made one
