import dataclasses
import threading
import time

import pytest

from models import tiny_llama
from serving import listening
from suture.model.run.generation import generate
from suture.patch.runtime.multi_patch import attached_together
from suture.serve.app import Desk
from suture.serve.request import GenerationRequest
from suture.serve.streams import BODY

PROMPT = "You are a friend."
WRITE = {"model": "tiny", "prompt": PROMPT, "max_tokens": 8, "temperature": 0}
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "seed": 7}


@pytest.fixture
def other(tokenizer):
    """The same model again: the server's is not free while it serves."""
    return tiny_llama(tokenizer)


def expected(lm, patches, ids, strengths, **manner):
    with attached_together(lm, patches) as ward:
        ward.set([strengths] * manner.get("samples", 1))
        return generate(lm, [ids], **manner)[0]


def test_it_tells_what_it_serves(client):
    status, models = client("GET", "/v1/models")
    assert status == 200
    model, *patched = models["data"]
    assert model["id"] == "tiny"
    assert model["patches"]["kind"]["method"] == "surgery"
    assert [(each["id"], each["parent"]) for each in patched] == [("kind", "tiny"), ("late", "tiny")]
    status, health = client("GET", "/health")
    assert status == 200
    assert (health["status"], health["running"], health["waiting"]) == ("ok", 0, 0)


def test_a_completion_is_what_the_library_writes(client, other, patches):
    for strengths in ({}, {"kind": 1.5}, {"late": -1, "kind": 0.5}):
        status, answer = client("POST", "/v1/completions", {**WRITE, "patches": strengths})
        assert status == 200
        ids = other.encode(PROMPT)
        text = expected(other, patches, ids, strengths, max_new_tokens=8, temperature=0)[0]
        (choice,) = answer["choices"]
        assert choice["text"] == text
        assert choice["finish_reason"] in ("stop", "length")
        assert answer["usage"]["prompt_tokens"] == len(ids)
        assert answer["suture"]["patches"] == strengths


def test_a_chat_is_written_with_the_template_and_a_seed_repeats_it(client, other, patches):
    ids = other.encode_messages(CHAT["messages"])
    texts = expected(other, patches, ids, {"kind": 1.0}, max_new_tokens=8, temperature=0.8, samples=2, seed=7)
    body = {**CHAT, "temperature": 0.8, "n": 2, "patches": {"kind": 1.0}}
    for _ in range(2):
        status, answer = client("POST", "/v1/chat/completions", body)
        assert status == 200
        assert [c["message"]["content"] for c in answer["choices"]] == texts
        assert answer["choices"][0]["message"]["role"] == "assistant"
    assert texts[0] != texts[1]


def test_without_a_seed_it_draws_one_and_tells_it(client):
    body = {**CHAT, "temperature": 1.0}
    del body["seed"]
    answers = [client("POST", "/v1/chat/completions", body)[1] for _ in range(2)]
    seeds = [answer["suture"]["seed"] for answer in answers]
    assert seeds[0] != seeds[1]
    again = client("POST", "/v1/chat/completions", {**body, "seed": seeds[0]})[1]
    assert again["choices"] == answers[0]["choices"]


def test_a_message_may_come_in_parts(client):
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    whole = client("POST", "/v1/chat/completions", CHAT)[1]
    found = client("POST", "/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": parts}]})[1]
    assert found["choices"] == whole["choices"]


def test_a_stream_is_the_answer_in_pieces(client):
    whole = client("POST", "/v1/chat/completions", CHAT)[1]["choices"][0]
    events = client.stream("/v1/chat/completions", {**CHAT, "stream_options": {"include_usage": True}})
    assert events[-1] == "[DONE]"
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    deltas = [event["choices"][0] for event in events[:-2]]
    assert "".join(each["delta"].get("content", "") for each in deltas) == whole["message"]["content"]
    assert [each["finish_reason"] for each in deltas if each["finish_reason"]] == [whole["finish_reason"]]
    assert events[-2]["usage"]["completion_tokens"] > 0
    assert len(deltas) > 3
    events = client.stream("/v1/completions", {**WRITE, "n": 2, "temperature": 1.0, "seed": 3})
    whole = client("POST", "/v1/completions", {**WRITE, "n": 2, "temperature": 1.0, "seed": 3})[1]["choices"]
    for row in range(2):
        own = [e["choices"][0]["text"] for e in events[:-1] if e["choices"][0]["index"] == row]
        assert "".join(own) == whole[row]["text"]


WRONG = {
    "not JSON": (b'{"model"', 400, "JSON"),
    "a list": (b"[1]", 400, "object"),
    "a number that is none": (b'{"model": "tiny", "prompt": "a", "temperature": NaN}', 400, "temperature"),
    "half a character": (b'{"model": "tiny", "prompt": "\\ud800"}', 400, "JSON"),
    "no prompt": ({"model": "tiny"}, 400, "prompt"),
    "no prompts": ({**WRITE, "prompt": []}, 400, "prompt"),
    "another model": ({**WRITE, "model": "gpt"}, 404, "no model 'gpt'"),
    "an unknown field": ({**WRITE, "patchs": {"kind": 1}}, 400, "patchs"),
    "an unknown patch": ({**WRITE, "patches": {"rude": 1}}, 400, "Served: kind, late"),
    "a strength in words": ({**WRITE, "patches": {"kind": "much"}}, 400, "patches.kind"),
    "an infinite strength": (b'{"model": "tiny", "prompt": "a", "patches": {"kind": 1e999}}', 400, "patches"),
    "tokens below none": ({**WRITE, "max_tokens": -1}, 400, "max_tokens"),
    "more than it can read": ({**WRITE, "max_tokens": 4000}, 400, "the model reads 256"),
    "too many logprobs": ({**WRITE, "logprobs": 21}, 400, "logprobs"),
    "a penalty": ({**WRITE, "presence_penalty": 1.0}, 400, "presence_penalty"),
    "too large": (b'{"prompt": "' + b"a" * BODY + b'"}', 413, "bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_a_reason(client, name):
    body, status, words = WRONG[name]
    found, answer = client("POST", "/v1/completions", body)
    assert found == status
    assert words in answer["error"]["message"]


def test_chats_that_are_none_are_refused(client):
    for messages in ([], [{"role": "robot", "content": "a"}], [{"role": "user"}], [{"role": "user", "content": 3}]):
        status, answer = client("POST", "/v1/chat/completions", {**CHAT, "messages": messages})
        assert status == 400
        assert "messages" in answer["error"]["message"]
    image = [{"type": "image_url", "image_url": {"url": "x"}}]
    assert client("POST", "/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": image}]})[0] == 400


def test_addresses_methods_and_kinds_of_content(client):
    assert client("GET", "/v1/nothing")[0] == 404
    assert client("GET", "/v1/completions")[0] == 405
    status, answer = client("POST", "/v1/completions", WRITE, Content_Type="text/plain")
    assert status == 415  # what a form on a web page could send
    assert "application/json" in answer["error"]["message"]


def test_a_web_page_elsewhere_can_not_ask(client):
    status, answer = client("GET", "/health", Host="evil.example")
    assert status == 403
    assert "evil.example" in answer["error"]["message"]
    assert client("GET", "/health", Host="localhost:1234")[0] == 200
    assert client("GET", "/health", Host="[::1]:1234")[0] == 200


def test_a_token_is_asked_for_where_there_is_one(engine):
    with listening(Desk(engine, "tiny", token="correct horse battery")) as client:
        assert client("GET", "/health", Host="evil.example")[0] == 200
        assert client("GET", "/v1/models")[0] == 401
        assert client("GET", "/v1/models", Authorization="Bearer wrong")[0] == 401
        assert client("POST", "/v1/completions", WRITE, Authorization="Basic correct horse battery")[0] == 401
        assert client("GET", "/v1/models", Authorization="Bearer correct horse battery")[0] == 200


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_frees_the_place(client, engine, stream):
    body = {**WRITE, "max_tokens": 200, "temperature": 1.0, "n": 8, "stream": stream, "stop": "never said"}
    submitted, real = [], engine.submit
    engine.submit = lambda *given: submitted.extend(real(*given)) or submitted
    connection = client.open("POST", "/v1/completions", body)[0] if stream else _asked(client, body)
    deadline = time.monotonic() + 30
    while not submitted and time.monotonic() < deadline:
        time.sleep(0.01)
    connection.close()
    while any(engine.load.values()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.load == {"running": 0, "waiting": 0}
    assert all(len(ticket.speech.ids) < 200 for ticket in submitted)


def _asked(client, body):
    import http.client
    import json

    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    return connection


def test_a_full_queue_says_come_again(client, engine):
    engine.limits = dataclasses.replace(engine.limits, rows=1)
    inside, go = threading.Event(), threading.Event()
    ask = GenerationRequest([5, 6], tokens=1)
    engine.submit([ask], lambda *_: inside.set() or go.wait(60))
    assert inside.wait(60)
    engine.submit([ask], lambda *_: None)
    status, answer = client("POST", "/v1/completions", WRITE)
    go.set()
    assert status == 429
    assert "too many requests" in answer["error"]["message"].lower()


def test_many_at_once_are_each_as_alone(client, other, patches):
    mixes = [{}, {"kind": 1.0}, {"late": 1.0}, {"kind": -0.5, "late": 0.5}]
    ids, found = other.encode(PROMPT), {}

    def ask(number):
        body = {**WRITE, "temperature": 1.0, "seed": number, "patches": mixes[number % 4]}
        found[number] = client("POST", "/v1/completions", body)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (status, answer) in found.items():
        assert status == 200
        text = expected(other, patches, ids, mixes[number % 4], max_new_tokens=8, seed=number)[0]
        assert answer["choices"][0]["text"] == text


def test_a_bug_is_told_as_one_and_no_more_of_it(client, monkeypatch):
    monkeypatch.setattr("suture.serve.batch.pick", lambda *_: 1 / 0)
    status, answer = client("POST", "/v1/completions", WRITE)
    assert status == 500
    assert "division" not in str(answer)


def test_a_null_is_an_absent_key(client):
    whole = client("POST", "/v1/chat/completions", CHAT)[1]["choices"]
    nulls = dict.fromkeys(
        ["temperature", "top_p", "n", "stream", "stop", "presence_penalty", "patches", "logprobs", "tools"]
    )
    status, answer = client(
        "POST", "/v1/chat/completions", {**CHAT, **nulls, "stream_options": {"include_usage": None}}
    )
    assert (status, answer["choices"]) == (200, whole)


def test_a_message_that_was_answered_can_be_sent_back_with_all_its_nulls(client):
    told = {
        "role": "assistant",
        "content": "Hi.",
        "refusal": None,
        "annotations": None,
        "audio": None,
        "tool_calls": None,
    }
    found = []
    for said in ({"role": "assistant", "content": "Hi."}, told):
        turns = [*CHAT["messages"], said, *CHAT["messages"]]
        status, answer = client("POST", "/v1/chat/completions", {**CHAT, "messages": turns})
        assert status == 200, answer
        found.append(answer["choices"])
    assert found[0] == found[1]
    wrong = {**CHAT, "messages": [{"role": "user", "content": None}]}
    assert "messages.0.content" in client("POST", "/v1/chat/completions", wrong)[1]["error"]["message"]
