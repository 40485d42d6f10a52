import pytest
import torch

from models import snapshot
from suture.chat.strength_sweep import BAR, answers_at_strengths, bar
from suture.chat.talk import Manner, Talk
from suture.errors import UsageError
from suture.judges import Lexicon
from suture.methods.steering import steering
from suture.model.run.generation import generate
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

STRENGTHS = (-1.0, 0.0, 1.0, 3.0)


@pytest.fixture
def steered(llama, behaviour):
    return steering(llama, behaviour, strength=0.5)


def test_every_strength_gets_what_it_gets_alone(llama, steered):
    row = llama.encode("You are a friend.")
    before = snapshot(llama)
    found = answers_at_strengths(llama, steered, row, STRENGTHS, tokens=6)
    assert snapshot(llama) == before
    base = generate(llama, [row], max_new_tokens=6, temperature=0)[0][0]
    for dosed in found:
        with steered.attached(llama, dosed.strength):
            assert dosed.answer == generate(llama, [row], max_new_tokens=6, temperature=0)[0][0].strip()
    assert found[1].answer == base.strip()
    assert found[1].value == 0
    assert 0 < found[2].value < found[3].value


def test_a_patch_that_can_not_be_attached_is_applied(llama):
    table = LowRank(torch.ones(len(llama.tokenizer), 1), torch.ones(1, 32) * 0.3)
    patch = Patch.make(llama, {"model.embed_tokens.weight": table}, method="by hand", settings={})
    before = snapshot(llama)
    found = answers_at_strengths(llama, patch, llama.encode("One"), (0.0, 1.0), tokens=4)
    assert snapshot(llama) == before
    assert found[0].value == 0 < found[1].value


def test_a_judge_counts_its_label_among_several_answers(llama, steered):
    row, judge = llama.encode("One"), Lexicon({"e": ["e"], "z": ["z"]})
    found = answers_at_strengths(llama, steered, row, (0.0, 1.0), judge=judge, label="e", tokens=6, temperature=1.0)
    assert all(0 <= dosed.value <= 1 and (8 * dosed.value).is_integer() for dosed in found)


def test_bars_grow_with_the_value():
    assert bar(0.0, 1.0) == "·"
    assert len(bar(1.0, 1.0)) == BAR
    lengths = [len(bar(value / 10, 1.0)) for value in range(11)]
    assert lengths == sorted(lengths)
    assert bar(1.0, 0.0) == "·"


def test_a_talk_shows_its_last_prompt_and_forgets_it(llama, steered):
    talk = Talk(llama, steered, Manner(temperature=0, tokens=5))
    with pytest.raises(UsageError, match="nothing to show"):
        talk.doses(STRENGTHS)
    reply = talk.respond("Hello")
    history = [list(side) for side in talk.history]
    found = talk.doses((0.0, 1.0))
    assert [list(side) for side in talk.history] == history
    assert [dosed.answer for dosed in found] == [reply.base, reply.patched]
    with pytest.raises(UsageError, match="nothing to show"):
        Talk(llama).doses(STRENGTHS)
