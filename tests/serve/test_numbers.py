"""No number in a request leaves the vocabulary, ends the batch, or changes what a request beside it gets."""

import json
import queue
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from suture.errors import UsageError
from suture.methods.steering import steering
from suture.model.run.generation import Doses, generate, pick, unsound
from suture.serve.error_responses import told
from suture.serve.protocol import Completion

EXTREMES = [
    0, -0.0, 5e-324, 1e-46, 1e-45, 3e-38, 1.2e-38, 1e-7, 0.5, 1, 1.0, 2, 10, 16, 17, 99.99, 100, 1e6, 3e38, 1e39, 1.7e308,
    -1, -1e308, 1e-308, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**40, "1", True, None, [], {}, "NaN",
]  # fmt: skip
NUMBERS = st.one_of(st.sampled_from(EXTREMES), st.floats(allow_nan=False, allow_infinity=False), st.integers())
FIELDS = [
    "temperature",
    "top_p",
    "n",
    "max_tokens",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "stop",
    "echo",
]
ODD = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), NUMBERS, max_size=2),
    st.builds(lambda own: {"patches": own}, st.dictionaries(st.sampled_from(["kind", "late"]), NUMBERS, min_size=1)),
)
PROMPT = "You are a friend."
HEALTHY = {"model": "tiny", "prompt": PROMPT, "max_tokens": 6, "temperature": 0.9, "seed": 5, "patches": {"kind": 0.5}}
WHOLE = {"model": "tiny", "prompt": "One", "max_tokens": 4}


def refused(wrong):
    assert told(wrong)[0] == 400


def asked(engine, body):
    """The rows of a body as the door lets them in; None where it is refused as a mistake of its own."""
    try:
        wanted = Completion.model_validate_json(json.dumps(body))
        engine.limits.check_request(wanted.texts, wanted.n)
    except (ValidationError, UsageError) as wrong:
        return refused(wrong)
    prompts = engine.readers.short.encode_prompts(wanted.texts)
    return wanted.asks(prompts, 3 if wanted.seed is None else wanted.seed, engine.limits.context)


def together(engine, *requests):
    """The text (or what went wrong) of each row of requests that enter the batch at the same moment."""
    heard, ends = queue.Queue(), {}
    with engine._changed:
        for number, asks in enumerate(requests):
            engine.submit(asks, lambda row, piece, number=number: heard.put(((number, row), piece)))
    while len(ends) < sum(map(len, requests)):
        place, piece = heard.get(timeout=60)
        if piece.finish or piece.problem:
            ends[place] = piece.problem or piece.text
    return ends


@pytest.fixture
def running(engine):
    with engine.running():
        yield engine


def test_no_number_changes_what_another_request_gets(running):
    healthy = asked(running, HEALTHY)
    expected = together(running, healthy)[0, 0]
    seen = {"refused": 0, "answered": 0}

    @settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ODD)
    @example({"temperature": 3e-38})
    @example({"temperature": 1e-46, "top_p": 1e-46})
    @example({"top_p": 1e-46})
    @example({"patches": {"kind": 3e38, "late": -3e38}})
    @example({"patches": {"late": 1e-46}, "temperature": 100})
    def holds(odd):
        body = {**WHOLE, **odd}
        asks = asked(running, body)
        seen["refused" if asks is None else "answered"] += 1
        if asks is None:
            return
        ends = together(running, [replace(ask, tokens=min(ask.tokens, 8)) for ask in asks], healthy)
        assert ends[1, 0] == expected
        assert all(isinstance(end, str | UsageError) for end in ends.values())

    holds()
    assert min(seen.values()) > 5


@pytest.mark.parametrize(
    "manner", [{"temperature": 3e-38}, {"temperature": 1e-46}, {"top_p": 1e-46}, {"top_p": 5e-324}]
)
def test_what_can_not_be_divided_by_is_greedy_and_the_likeliest_token_always_stays(client, manner):
    texts = []
    for own in ({"temperature": 0}, manner):
        status, answer = client("POST", "/v1/completions", {**WHOLE, "seed": 1, **own})
        assert status == 200
        texts.append(answer["choices"][0]["text"])
    assert texts[1] == texts[0] != ""


LOGITS = st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=5, max_size=5)


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(
    LOGITS,
    st.floats(0, 1, width=32, exclude_max=True),
    st.floats(0, width=32, allow_infinity=True),
    st.floats(0, 1, width=32),
)
@example([3e38, -3e38, 0.0, 1.0, 2.0], 0.5, 3.000000013168212e-38, 1.0)
@example([float("-inf")] * 5, 0.5, 1.0, 0.0)
@example([float("nan")] * 5, 0.0, 0.0, 1.0)
def test_a_token_is_one_of_the_vocabulary_whatever_the_numbers_are(logits, draw, heat, share):
    rows = torch.tensor([logits, [0.0, 0.0, 0.0, 50.0, 0.0]])
    tokens = pick(rows, torch.tensor([draw, draw]), torch.tensor([heat, 1.0]), torch.tensor([share, 0.9]))
    assert 0 <= int(tokens[0]) < 5
    assert int(tokens[1]) == 3
    assert not bool(unsound(rows)[1])
    if not bool(unsound(rows)[0]):
        assert logits[int(tokens[0])] > float("-inf")


@pytest.mark.parametrize(
    "manner",
    [{"temperature": -1.0}, {"temperature": float("nan")}, {"temperature": 1e39}, {"top_p": 0.0}, {"top_p": 1.5},
     {"top_p": float("nan")}, {"max_new_tokens": 0}, {"samples": 0}],
)  # fmt: skip
def test_the_library_has_the_same_door(llama, manner):
    with pytest.raises(UsageError):
        generate(llama, [[5, 6]], **{"max_new_tokens": 2, **manner})


def test_the_library_samples_at_any_temperature_the_door_lets_in(llama):
    greedy = generate(llama, [[5, 6]], max_new_tokens=6, temperature=0)
    for heat in (3e-38, 1e-40, 1e-46):
        assert generate(llama, [[5, 6]], max_new_tokens=6, temperature=heat) == greedy
    assert generate(llama, [[5, 6]], max_new_tokens=6, top_p=1e-46) == greedy
    assert generate(llama, [[5, 6]], max_new_tokens=6, temperature=100.0)


def test_a_row_whose_numbers_break_ends_alone_and_it_is_said(llama, behaviour, caplog):
    patch = steering(llama, behaviour, strength=1.0, layers=[1])
    expected = generate(llama, [[7, 8]], max_new_tokens=5, seed=2)
    with patch.attached(llama) as dose:
        broken, healthy = generate(llama, [[5, 6], [7, 8]], max_new_tokens=5, seed=2, doses=Doses(dose, [3e38, 0.0]))
    assert (broken, [healthy]) == ([""], expected)
    assert "1 of 2 texts" in caplog.text
