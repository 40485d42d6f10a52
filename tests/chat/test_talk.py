import json

import pytest
import torch

from models import snapshot
from suture.chat.talk import Manner, Talk
from suture.errors import PatchMismatch, UsageError
from suture.model.run.generation import generate
from suture.patch.delta import LowRank
from suture.patch.patch import Patch


def pushed(lm, part="mlp.down", size=2.0):
    """A patch that changes what a model says: one weight pushed along a line (a constant would be lost in a norm)."""
    weight = lm.anatomy.weights(part)[0]
    rows, columns = weight.matrix().shape
    change = weight.place(LowRank(size * torch.linspace(-1, 1, rows)[:, None], torch.ones(1, columns)))
    return Patch.make(lm, {weight.tensor: change}, method="x", settings={})


@pytest.fixture
def talk(tiny):
    return Talk(tiny, pushed(tiny), Manner(tokens=12))


def test_each_side_says_what_its_model_says_alone(tiny, talk):
    before = snapshot(tiny)
    reply = talk.respond("Hello, who are you?")
    ids = tiny.encode_messages([{"role": "user", "content": "Hello, who are you?"}])
    told = {"max_new_tokens": 12, "temperature": 0.7}
    assert reply.base == generate(tiny, [ids], **told)[0][0].strip()
    with talk.patch.attached(tiny):
        assert reply.patched == generate(tiny, [ids], **told)[0][0].strip()
    assert reply.base != reply.patched
    assert snapshot(tiny) == before


def test_at_strength_zero_both_sides_agree(llama):
    talk = Talk(llama, pushed(llama), Manner(strength=0.0, tokens=12))
    assert len({*talk.respond("Hello"), *talk.respond("Again")}) == 2
    talk.manner.strength = 1.0
    base, patched = talk.respond("Now?")
    assert base != patched


def test_each_side_remembers_its_own_answers_until_reset(talk):
    first = talk.respond("Hello")
    talk.respond("And?")
    for side, answer in zip(talk.history, first, strict=True):
        assert [turn["role"] for turn in side] == ["user", "assistant"] * 2
        assert side[1]["content"] == answer
    talk.reset()
    assert talk.history == ([], [])
    assert talk.respond("Hello") == first


def test_a_turn_that_fails_leaves_the_history_as_it_was(talk):
    talk.respond("Hello")
    before = [list(side) for side in talk.history]
    with pytest.raises(UsageError, match="longer than the model can read"):
        talk.respond("word " * 300)
    assert [list(side) for side in talk.history] == before
    assert len(talk.transcript) == 1


def test_a_patch_that_can_not_be_attached_is_applied_in_between(llama):
    name = "model.embed_tokens.weight"
    change = LowRank(torch.full((llama.tensor(name).shape[0], 1), 1.0), torch.linspace(-1, 1, 32)[None])
    patch = Patch.make(llama, {name: change}, method="x", settings={})
    before = snapshot(llama)
    talk = Talk(llama, patch, Manner(tokens=12, strength=2.0))
    base, patched = talk.respond("Hello")
    assert base == Talk(llama, None, Manner(tokens=12)).respond("Hello").base
    with (2.0 * patch).applied(llama):
        assert patched == Talk(llama, None, Manner(tokens=12)).respond("Hello").base
    assert base != patched
    assert snapshot(llama) == before


def test_without_a_patch_the_base_talks_alone(llama):
    talk = Talk(llama, manner=Manner(tokens=4))
    assert talk.respond("Hello").patched is None
    assert len(talk.history) == 1


def test_a_patch_for_other_weights_is_refused_at_the_start(llama, patient):
    with pytest.raises(PatchMismatch):
        Talk(patient, pushed(llama))


def test_the_manner_reaches_the_model(llama, monkeypatch):
    seen = []
    monkeypatch.setattr(llama, "encode_messages", lambda turns, thinking: seen.append((turns, thinking)) or [0, 5])
    Talk(llama, manner=Manner(system="Be kind.", thinking=True, tokens=2)).respond("Hello")
    assert seen == [([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}], True)]
    assert Talk(llama, manner=Manner(raw=True, tokens=2)).respond("Hello")
    assert len(seen) == 1
    greedy = [Talk(llama, manner=Manner(temperature=0, seed=s, raw=True, tokens=8)).respond("Hi") for s in (1, 2)]
    drawn = [Talk(llama, manner=Manner(temperature=2, seed=s, raw=True, tokens=8)).respond("Hi") for s in (1, 2)]
    assert greedy[0] == greedy[1]
    assert drawn[0] != drawn[1]


def test_the_transcript_is_saved_a_line_a_turn(talk, tmp_path):
    with pytest.raises(UsageError, match="nothing to save"):
        talk.save(tmp_path / "talk.jsonl")
    replies = [talk.respond(text) for text in ("Grüß dich", "And?")]
    talk.save(tmp_path / "talk.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["prompt"], row["base"], row["patched"]) for row in rows] == [
        ("Grüß dich", *replies[0]),
        ("And?", *replies[1]),
    ]
    assert rows[0]["strength"] == 1.0


def test_a_strength_is_a_finite_number():
    for number in (float("nan"), float("inf")):
        with pytest.raises(UsageError, match="strength is"):
            Manner(strength=number)
