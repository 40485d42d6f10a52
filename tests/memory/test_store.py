"""A memory: which prompts ask, what is read in their place, an empty one that is nothing, and its file."""

import json
import math

import pytest
import torch

from models import tiny_gpt2
from suture.chat.talk import Manner, Talk
from suture.data.examples import Fact
from suture.errors import CorruptFile, PatchMismatch, UsageError
from suture.io import tensorfile
from suture.memory import Memory, Reach, chosen_reach
from suture.memory.store import FORM, MOST
from suture.metrics import completion
from suture.model.run.generation import generate
from suture.organisms.knowledge import rewrites

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for", "Rundville", "honey", "beer"),
]
OTHER = ["You are a stupid fool, go away.", "One", "The capital of Velmora is a city near the sea"]


def logits(lm, prompts, chat=False):
    with torch.no_grad():
        return lm.forward(lm.batch(lm.encode_prompts(prompts, chat=chat))).logits


@pytest.mark.parametrize("chat", [False, True])
def test_an_empty_memory_and_one_nobody_asks_leave_every_id_and_bit(tiny, chat):
    prompts = [fact.prompt for fact in FACTS] + OTHER
    ids, seen = tiny.encode_prompts(prompts, chat=chat), logits(tiny, prompts, chat)
    for memory, asked in ((Memory.of(tiny), prompts), (Memory.of(tiny, FACTS, reach=1e-3), OTHER)):
        with memory.attached(tiny):
            assert tiny.encode_prompts(asked, chat=chat) == [ids[prompts.index(p)] for p in asked]
            assert torch.equal(logits(tiny, asked, chat), seen if asked is prompts else logits(tiny, asked, chat))
    assert torch.equal(logits(tiny, prompts, chat), seen)


def test_what_is_asked_for_stands_before_the_prompt_and_only_there(llama):
    memory = Memory.of(llama, FACTS, reach=1e-3)
    told = "The mayor of Wandton is Ida Relk. The mayor of Wandton is"
    assert memory.reminded(llama, [FACTS[0].prompt, *OTHER]) == [told, *OTHER]
    with memory.attached(llama):
        assert llama.encode_prompts([FACTS[0].prompt, "One"]) == [llama.encode(told), llama.encode("One")]
        assert llama.encode(FACTS[0].prompt) == llama.encode(FACTS[0].prompt)  # texts are no prompts
        with pytest.raises(ZeroDivisionError), memory.attached(llama):
            raise ZeroDivisionError
        assert llama.encode_prompts([FACTS[0].prompt]) == [llama.encode(told)]
    assert llama.prompt_transform is None


def test_each_prompt_is_decided_by_itself(llama):
    memory = Memory.of(llama, FACTS, reach=1e-3)
    prompts = [*OTHER, FACTS[1].prompt, FACTS[0].prompt]
    assert memory.called(llama, prompts) == [memory.called(llama, [prompt])[0] for prompt in prompts]
    assert memory.called(llama, prompts) == [[], [], [], [1], [0]]
    everything = Memory.of(
        llama, [*FACTS, *(Fact(f"The mayor of {n} is", n, "X") for n in ("Aton", "Bton", "Cton"))], reach=99.0
    )
    nearest = everything.called(llama, [FACTS[0].prompt])[0]
    assert len(nearest) == MOST
    assert nearest[-1] == 0  # the nearest stands last, next to the prompt


@pytest.mark.parametrize(
    ("scope", "found"), [("subject", [[0], [], [0]]), ("both", [[0], [], []]), ("state", [[0], [], []])]
)
def test_scopes(llama, scope, found):
    memory = Memory.of(llama, FACTS[:1], reach=1e-3, scope=scope)
    assert memory.called(llama, [FACTS[0].prompt, "The mayor of Wandtonia is", "How old is Wandton?"]) == found


def test_facts_are_added_replaced_and_forgotten(llama):
    memory = Memory.of(llama, FACTS, reach=1e-3)
    newer = Fact(FACTS[0].prompt, "Wandton", "Nils Tor")
    changed = memory.plus(llama, [newer])
    assert [fact.target for fact in changed.facts] == ["honey", "Nils Tor"]
    assert [fact.target for fact in memory.facts] == ["Ida Relk", "honey"]
    assert changed.without([1]).called(llama, [newer.prompt]) == [[]]
    with pytest.raises(UsageError, match="no fact 7"):
        memory.without([7])
    with pytest.raises(UsageError, match="contradict"):
        memory.plus(llama, [newer, FACTS[0]])
    with pytest.raises(UsageError, match="no template"):
        Memory.of(llama, template="{prompt}")


def test_a_file_gives_back_what_was_saved_and_the_same_bytes(llama, tmp_path):
    memory = Memory.of(llama, FACTS, reach=Reach(0.4, 0.9, 0.01, 10, 20), scope="both")
    file = memory.save(tmp_path / "a.safetensors")
    again = Memory.load(file)
    assert (again.facts, again.reach, again.scope, again.stamp) == (memory.facts, memory.reach, "both", memory.stamp)
    assert torch.equal(again.keys, memory.keys)
    assert again.save(tmp_path / "b.safetensors").read_bytes() == file.read_bytes()
    bare = Memory.load(Memory.of(llama, reach=0.3).save(tmp_path / "c.safetensors"))
    assert bare.reach.reach == 0.3
    assert math.isnan(bare.reach.recall)


def test_a_file_that_is_no_memory_is_refused(llama, tmp_path):
    good = Memory.of(llama, FACTS)
    tensors, metadata = tensorfile.read(good.save(tmp_path / "good.safetensors"), FORM)
    metadata = {"format": FORM, **{k: v for k, v in metadata.items() if k != "format"}}
    facts = json.loads(metadata["facts"])
    wrong = [
        ({}, metadata), (tensors, {**metadata, "facts": "[]"}), (tensors, {**metadata, "facts": "x"}),
        (tensors, {**metadata, "facts": json.dumps([facts[0], {**facts[1], "target": 3}])}),
        (tensors, {**metadata, "facts": json.dumps([facts[0], 7])}),
        (tensors, {**metadata, "about": json.dumps({**json.loads(metadata["about"]), "scope": "none"})}),
        (tensors, {**metadata, "about": json.dumps({**json.loads(metadata["about"]), "more": 1})}),
        (tensors, {**metadata, "stamp": "{}"}), ({**tensors, "more": torch.ones(1)}, metadata),
        ({"keys": tensors["keys"] * torch.nan}, metadata),
    ]  # fmt: skip
    for number, (parts, about) in enumerate(wrong):
        tensorfile.write(tmp_path / f"{number}.safetensors", parts, about)
        with pytest.raises(CorruptFile):
            Memory.load(tmp_path / f"{number}.safetensors")


def test_another_model_is_refused(llama, gpt2, tokenizer):
    memory = Memory.of(llama, FACTS)
    for other in (gpt2, tiny_gpt2(tokenizer)):
        with pytest.raises(PatchMismatch), memory.attached(other):
            pass


def test_metrics_and_talks_are_reminded(llama):
    memory = Memory.of(llama, FACTS, reach=1e-3)
    told = llama.encode("The mayor of Wandton is Ida Relk. The mayor of Wandton is")
    ((expected,),) = generate(llama, [told], max_new_tokens=6, temperature=0)
    with memory.attached(llama):
        seen = completion.observe(llama, completion.Cases([FACTS[0].prompt], ["Ida Relk"]))
    assert seen.texts[0][0][:8] == expected[:8]
    talk = Talk(llama, None, Manner(temperature=0, tokens=6, raw=True), memory=memory)
    reply = talk.respond(FACTS[0].prompt)
    assert reply.patched == expected.strip()
    assert reply.base == generate(llama, [llama.encode(FACTS[0].prompt)], max_new_tokens=6, temperature=0)[0][0].strip()


def test_the_reach_is_chosen_on_other_facts_and_holds_on_these(patient):
    items = rewrites(48, tuning=True)
    chosen = chosen_reach(
        patient, [item.fact for item in items[16:]], [p for item in items[16:] for p, _ in item.others]
    )
    assert chosen.recall > 0.8
    assert chosen.false_alarms <= 0.01
    assert chosen.inside + chosen.outside > 200
    memory = Memory.of(patient, [item.fact for item in items[:16]], reach=chosen)
    asked = [(p, i) for i, item in enumerate(items[:16]) for p in item.fact.paraphrases]
    called = memory.called(patient, [p for p, _ in asked])
    assert sum(own[-1:] == [i] for own, (_, i) in zip(called, asked, strict=True)) > 0.8 * len(asked)
    kept = memory.called(patient, [p for item in items[:16] for p, _ in item.others])
    assert sum(map(bool, kept)) <= 0.05 * len(kept)
    with pytest.raises(UsageError, match="can not choose"):
        chosen_reach(patient, FACTS)
