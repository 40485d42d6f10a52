"""Odd requests are answered, or refused with the field and what is wrong with it; none is a bug, none is dropped unseen."""

import pytest

CHATS, TEXTS = "/v1/chat/completions", "/v1/completions"
USER = {"role": "user", "content": "Hello"}
CHAT = {"model": "tiny", "messages": [USER], "max_tokens": 3, "seed": 7}
WRITE = {"model": "tiny", "prompt": "Hello", "max_tokens": 3, "seed": 7}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
TOOL = {"type": "function", "function": {"name": "f"}}


def said(*parts):
    return {"messages": [{"role": "user", "content": [*parts]}]}


SAME = {  # what is answered as the request without it
    "zeros for biases": {"logit_bias": {"5": 0, "7": 0.0}},
    "a part of input": said({"type": "input_text", "text": "Hello"}),
    "a part of output": said({"type": "output_text", "text": "Hello", "annotations": []}),
    "two parts": said({"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}),
    "the newer name alone": {"max_completion_tokens": 3, "max_tokens": None},
    "options without a stream": {"stream_options": {}},
    "to be stored": {"store": True, "metadata": {"a": "b"}, "service_tier": "priority"},
    "no search": {"web_search_options": {}, "tools": [], "tool_choice": "none"},
}


@pytest.mark.parametrize("name", SAME)
def test_what_says_the_same_is_answered_the_same(shared, name):
    expected = shared("POST", CHATS, CHAT)[1]["choices"]
    status, answer = shared("POST", CHATS, {**CHAT, **SAME[name]})
    assert (status, answer.get("choices")) == (200, expected), answer


REFUSED = {  # of a chat: fields, and what is said
    "a schema": ({"response_format": SCHEMA}, 'leave it out, or give {"type": "text"}'),
    "a format in a word": ({"response_format": "json"}, "response_format: this is not offered"),
    "half a seed": ({"seed": 1.5}, "seed: Input should be a valid integer"),
    "a tool to be called": ({"tools": [TOOL], "tool_choice": "required"}, "tools: this is not offered here; leave it out"),
    "tools that are not to be called": ({"tools": [TOOL], "tool_choice": "none"}, "tools: this is not offered"),
    "a bias": ({"logit_bias": {"5": -100}}, "logit_bias: this is not offered"),
    "no texts": ({"n": 0}, "n: Input should be greater than or equal to 1"),
    "a file": (said({"type": "file", "file": {"file_id": "x"}}), "a part of the type 'file' can not be read"),
    "a role of nobody": ({"messages": [{"role": "critic", "content": "x"}]}, "messages.0.role: Input should be 'system'"),
    "an answer begun": ({"messages": [USER, {"role": "assistant", "content": "Yes", "prefix": True}]}, "messages.1.prefix"),
    "a text for messages": ({"messages": "Hello"}, "messages: Input should be a valid array"),
    "no messages": ({"messages": []}, "messages: List should have at least 1 item"),
    "no role": ({"messages": [{"content": "x"}]}, "messages.0.role: Field required"),
    "a negative penalty": ({"frequency_penalty": -1}, "frequency_penalty: this is not offered here; leave it out, or give 0"),
    "an effort": ({"reasoning_effort": "low"}, "reasoning_effort: this is not offered"),
    "a prediction": ({"prediction": {"type": "content", "content": "x"}}, "prediction: this is not offered here; leave it out"),
    "a voice": ({"modalities": ["text", "audio"]}, "modalities: this is not offered"),
    "cold below zero": ({"temperature": -1}, "temperature: Input should be greater than or equal to 0"),
    "more than all": ({"top_p": 2}, "top_p: Input should be less than or equal to 1"),
    "a library's own key": ({"extra_body": {}}, "Unrecognized request argument supplied: extra_body"),
    "a strength in words": ({"patches": {"kind": "much"}}, "patches.kind: Input should be a valid number"),
    "a list of patches": ({"patches": ["kind"]}, "patches: Input should be an object"),
    "no number": ({"temperature": float("nan")}, "temperature: Input should be a finite number"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_done_is_refused_by_its_field(shared, name):
    fields, message = REFUSED[name]
    status, answer = shared("POST", CHATS, {**CHAT, **fields})
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert message in answer["error"]["message"]
    assert "[] or {}" not in answer["error"]["message"]


PROMPTS = {
    "no prompts": ([], "prompt: a text is expected"),
    "an object": ({"a": 1}, "prompt: a text is expected"),
    "an id below zero": ([-1], "prompt 0 has something that is no token id"),
    "half an id": ([1.5], "prompt 0 has something that is no token id"),
    "true for an id": ([True, 1], "prompt 0 has something that is no token id"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompts_that_are_none(shared, name):
    prompt, message = PROMPTS[name]
    status, answer = shared("POST", TEXTS, {**WRITE, "prompt": prompt})
    assert status == 400
    assert message in answer["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"{}"])
def test_bodies_that_are_no_request(shared, body):
    status, answer = shared("POST", CHATS, body)
    assert status == 400
    assert any(
        words in answer["error"]["message"]
        for words in ("Invalid JSON", "should be an object", "messages: Field required")
    )
