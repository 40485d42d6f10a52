"""Facts served beside the weights: a request that names a memory is reminded of what it asks for, and no other is."""

import threading

import pytest

from models import tiny_gpt2, tiny_llama
from serving import listening
from suture.data.examples import Fact
from suture.errors import PatchMismatch
from suture.memory import Memory
from suture.methods.grace import grace
from suture.model.run.generation import generate
from suture.patch.runtime.multi_patch import attached_together
from suture.serve.app import Desk
from suture.serve.engine import Engine
from suture.serve.limits import Closed
from suture.serve.tasks import ModelTasks

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for", "Rundville", "honey", "beer"),
]
TOLD = "The mayor of Wandton is Ida Relk. The mayor of Wandton is"
WRITE = {"model": "tiny", "max_tokens": 6, "temperature": 0}


@pytest.fixture
def memories(llama):
    return {"town": Memory.of(llama, FACTS[:1], reach=1e-3), "food": Memory.of(llama, FACTS[1:], reach=1e-3)}


@pytest.fixture
def client(llama, patches, memories):
    with listening(Desk(Engine(llama, patches, memories, rows=8), "tiny")) as found:
        yield found


@pytest.fixture
def other(tokenizer):
    return tiny_llama(tokenizer)


def test_it_tells_which_memories_there_are(client):
    model = client("GET", "/v1/models")[1]["data"][0]
    assert model["memories"] == {"food": {"facts": 1}, "town": {"facts": 1}}


def test_echo_and_log_probabilities_are_of_what_was_read(client, other):
    body = {**WRITE, "prompt": FACTS[0].prompt, "echo": True, "logprobs": 0, "max_tokens": 0}
    for names, read in (([], FACTS[0].prompt), (["town"], TOLD)):
        (choice,) = client("POST", "/v1/completions", {**body, "memories": names})[1]["choices"]
        assert choice["text"] == read
        assert len(choice["logprobs"]["tokens"]) == len(other.encode(read))


def test_a_prompt_that_asks_is_read_with_its_fact_before_it(client, other):
    prompts = [FACTS[0].prompt, "One", FACTS[1].prompt]
    expected = {}
    for told in (prompts, [TOLD, *prompts[1:]]):
        ids = [other.encode(text) for text in told]
        expected[told[0]] = sum(map(len, ids)), [t for (t,) in generate(other, ids, max_new_tokens=6, temperature=0)]
    for names, told in (([], prompts[0]), (["town"], TOLD)):
        status, answer = client("POST", "/v1/completions", {**WRITE, "prompt": prompts, "memories": names})
        assert status == 200
        assert answer["suture"]["memories"] == names
        assert (answer["usage"]["prompt_tokens"], [c["text"] for c in answer["choices"]]) == expected[told]
    assert expected[prompts[0]] != expected[TOLD]


def test_the_last_request_of_a_chat_is_reminded(client, other):
    turns = [{"role": "user", "content": FACTS[0].prompt}]
    memory = Memory.of(other, FACTS[:1], reach=1e-3)
    with memory.attached(other):
        ids = other.encode_messages(turns)
    assert ids != other.encode_messages(turns)
    ((text,),) = generate(other, [ids], max_new_tokens=6, temperature=0)
    body = {"model": "tiny", "messages": turns, "max_tokens": 6, "temperature": 0, "memories": ["town"]}
    status, answer = client("POST", "/v1/chat/completions", body)
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == text


def test_who_asks_is_decided_on_the_base_while_others_are_steered(client, other, patches):
    mixes = [({}, []), ({"kind": 3.0, "late": 2.0}, []), ({"kind": 3.0}, ["town", "food"]), ({}, ["town"])]
    found = {}

    def ask(number):
        strengths, names = mixes[number % 4]
        body = {**WRITE, "prompt": FACTS[0].prompt, "max_tokens": 12, "patches": strengths, "memories": names}
        found[number] = client("POST", "/v1/completions", body)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (status, answer) in found.items():
        strengths, names = mixes[number % 4]
        with attached_together(other, patches) as ward:
            ward.set([strengths])
            ids = other.encode(TOLD if names else FACTS[0].prompt)
            ((text,),) = generate(other, [ids], max_new_tokens=12, temperature=0)
        assert status == 200
        assert answer["choices"][0]["text"] == text


def test_facts_of_a_codebook_are_served_as_any_patch(llama):
    book = grace(llama, FACTS, radius=0.02, clamp=30.0, steps=200)
    with listening(Desk(Engine(llama, {"facts": book}), "tiny")) as client:
        said = {}
        for strength in (0, 1):
            body = {**WRITE, "prompt": [f.prompt for f in FACTS], "patches": {"facts": strength}}
            said[strength] = [c["text"].strip() for c in client("POST", "/v1/completions", body)[1]["choices"]]
    for fact, before, now in zip(FACTS, said[0], said[1], strict=True):
        assert now.startswith(fact.target)
        assert not before.startswith(fact.target)


def test_mistakes_are_said(client, memories, tokenizer):
    status, answer = client("POST", "/v1/completions", {**WRITE, "prompt": "One", "memories": ["news"]})
    assert status == 400
    assert "Served: food, town" in answer["error"]["message"]
    assert client("POST", "/v1/completions", {**WRITE, "prompt": "One", "memories": "town"})[0] == 400
    long = {**WRITE, "prompt": FACTS[0].prompt, "memories": ["town"], "max_tokens": 240}
    assert client("POST", "/v1/completions", long)[0] == 400  # fits without the fact, not with it
    assert client("POST", "/v1/completions", {**long, "memories": []})[0] == 200
    with pytest.raises(PatchMismatch, match="no tensor"):
        Engine(tiny_gpt2(tokenizer), {}, memories)


def test_an_errand_that_fails_is_told_and_the_next_is_done():
    errands = ModelTasks()
    bad, good, gone = errands.add(lambda: 1 / 0), errands.add(lambda: 3), errands.add(lambda: 4)
    gone.cancel()
    assert len(errands) == 3
    errands.run()
    assert isinstance(bad.exception(), ZeroDivisionError)
    assert good.result() == 3
    left = errands.add(lambda: 5)
    errands.refuse(Closed("over"))
    assert isinstance(left.exception(), Closed)
    assert not errands


def test_a_server_that_stops_reads_no_more(llama, memories):
    engine = Engine(llama, {}, memories)
    with engine.running():
        reminded = engine.reading(["town"], lambda: llama.encode_prompts([FACTS[0].prompt])).result(30)
        assert reminded == [llama.encode(TOLD)]
    with pytest.raises(Closed):
        engine.reading(["town"], lambda: None)
    assert llama.prompt_transform is None
