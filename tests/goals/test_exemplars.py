"""Examples before a prompt: which, where, and how many fit."""

import pytest
import torch

from models import snapshot
from suture.data.examples import Behaviour, Fact, Labelled
from suture.errors import DataError
from suture.goals.exemplars import ROOM, Exemplars, Shown
from suture.goals.interventions import compare, remembering, showing
from suture.measure.suite import Measure
from suture.memory import Memory
from suture.metrics import completion
from suture.model.run.features import extract

GOOD = ["The sea was calm and blue.", "She sang a song for them.", "Bread and honey on a table."]
BAD = ["You are a fool.", "Go away now."]
TEXTS = Behaviour("calm", tuple(Labelled(t, 0) for t in GOOD) + tuple(Labelled(t, 1) for t in BAD))
TALK = Behaviour(
    "talk",
    (
        Labelled("I am well.", 0, "How are you?"), Labelled("At noon.", 0, "When do we eat?"),
        Labelled("No.", 1, "Why?"), Labelled("Never.", 1, "When?"),
    ),
)  # fmt: skip


def test_the_nearest_of_one_class_are_shown_the_nearest_last(llama):
    shelf = Exemplars.of(llama, TEXTS, shots=2)
    prompts = ["The sea was calm.", "Bread and butter"]
    states = extract(llama, [Labelled(t, 0) for t in [*GOOD, *prompts]], [shelf.site], pool="mean")[:, 0]
    states = torch.nn.functional.normalize(states - states[:3].mean(0), dim=1)
    for row, found in enumerate(shelf.nearest(llama, prompts)):
        order = (states[:3] @ states[3 + row]).argsort(descending=True).tolist()
        assert [e.text for e in found] == [GOOD[i] for i in order[:2]][::-1]
    assert {e.text for (e, *_) in Exemplars.of(llama, TEXTS, label=1, shots=1).nearest(llama, prompts)} <= set(BAD)


def test_a_prompt_is_decided_alone_and_is_no_example_of_itself(llama):
    shelf = Exemplars.of(llama, TEXTS, shots=2)
    prompts = [GOOD[0][:12], "One", GOOD[0]]
    together = shelf.nearest(llama, prompts)
    assert together == [shelf.nearest(llama, [prompt])[0] for prompt in prompts]
    assert all(GOOD[0] not in {e.text for e in own} for own in (together[0], together[2]))
    requests = Exemplars.of(llama, TALK, shots=1)
    assert requests.nearest(llama, ["How are you?"])[0][0].prompt == "When do we eat?"


def test_examples_stand_before_prompts_as_lines_or_turns(llama, patient):
    shelf = Exemplars.of(llama, TEXTS, shots=2)
    (own,) = shelf.nearest(llama, ["One"])
    assert Shown(llama, shelf).encode_prompts(["One"]) == [llama.encode(f"{own[0].text}\n{own[1].text}\nOne")]
    assert Shown(llama, shelf).encode("One") == llama.encode("One")
    talk = Exemplars.of(patient, TALK, shots=1)
    ((example,),) = talk.nearest(patient, ["Who are you?"])
    turns = [("user", example.prompt), ("assistant", example.text), ("user", "Who are you?")]
    expected = patient.encode_messages([{"role": role, "content": text} for role, text in turns])
    assert Shown(patient, talk).encode_prompts(["Who are you?"], chat=True) == [expected]


def test_what_would_leave_no_room_for_an_answer_is_left_out(llama):
    limit = llama.model.config.max_position_embeddings
    good = tuple(Labelled(f"{word} " * 60, 0) for word in ("sea", "sun", "sky", "day"))
    long = Behaviour("long", (*good, *TEXTS.examples[3:]))
    told = Shown(llama, Exemplars.of(llama, long, shots=4))
    (ids,) = told.encode_prompts(["One"])
    assert len(llama.encode("One")) < len(ids) <= limit - ROOM
    full = " ".join(["One"] * limit)
    with pytest.raises(DataError, match="a text is longer than tiny-llama reads"):  # nothing more can be done
        told.encode_prompts([full])


def test_more_shots_than_examples_are_refused(llama):
    for shots in (0, 4):
        with pytest.raises(DataError, match=f"can not show {shots} of 3"):
            Exemplars.of(llama, TEXTS, shots=shots)


def test_both_are_levels_of_retrieval(llama):
    fact = Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor")
    asked = completion.Cases([fact.prompt, "One"], [fact.target, "two"])
    suite = [
        Measure("success", "completion", asked, "target", "higher", "facts"),
        Measure("perplexity", "perplexity", ["On Monday it rained."], "keep", "lower", "perplexity"),
    ]
    before = snapshot(llama)
    levels = [remembering(Memory.of(llama, [fact], reach=1e-3)), showing(TEXTS, toward="unwanted", shots=1)]
    found = compare(llama, levels, suite, "success")
    assert [(e.name, e.kind) for e in found.entries] == [("memory", "retrieval"), ("examples", "retrieval")]
    assert all(e.cost == 0 for e in found.entries)  # bare texts are not touched
    assert snapshot(llama) == before
    assert llama.prompt_transform is None
    with levels[0].used(llama) as model:
        assert len(model.encode_prompts([fact.prompt])[0]) > len(llama.encode(fact.prompt))
