import json

import pytest

from models import snapshot
from suture.errors import UsageError
from suture.goals.interventions import Instructed, Intervention, compare, patching, prompting
from suture.judges import Lexicon
from suture.measure.suite import Measure
from suture.methods.steering import steering
from suture.methods.surgery import surgery
from suture.metrics import completion, sampled

WORDS = Lexicon({"vowel": list("aeiou"), "other": ["z"]})


@pytest.fixture
def suite():
    cases = sampled.Cases(["One", "You are", "The mill"], WORDS, "vowel", max_new_tokens=6)
    asked = completion.Cases(["The capital of"], ["Rome"])
    return [
        Measure("vowels", "sampled", cases, "target", "higher", "texts with a vowel"),
        Measure("capitals", "completion", asked, "keep", "higher", "capitals known"),
        Measure("perplexity", "perplexity", ["On Monday it rained."], "keep", "lower", "perplexity"),
        Measure("drift", "drift", ["On Monday it rained."], "note", "lower", "drift"),
    ]


def test_every_level_is_measured_as_it_is_alone(llama, behaviour, suite):
    levels = [
        prompting("Use many vowels."),
        patching("steer", steering(llama, behaviour, strength=0.5)),
        patching("rows", surgery(llama, behaviour, rows=20, strength=3.0)),
    ]
    before = snapshot(llama)
    found = compare(llama, levels, suite, "vowels")
    assert snapshot(llama) == before
    assert [entry.kind for entry in found.entries] == ["prompt", "activation", "weight"]
    for level, entry in zip(levels, found.entries, strict=True):
        (alone,) = compare(llama, [level], suite, "vowels").entries
        assert alone.scores["vowels"].after == entry.scores["vowels"].after
        assert entry.gain == entry.scores["vowels"].change
        assert set(entry.scores) == {"vowels", "capitals", "perplexity"}
    prompt, *_ = found.entries
    assert prompt.scores["perplexity"].after == prompt.scores["perplexity"].before  # bare texts
    for entry in found.entries:
        lost = (entry.scores["perplexity"].change / 0.05, -entry.scores["capitals"].change / 0.02)
        assert entry.cost == pytest.approx(max(0.0, *lost))


def test_the_way_that_is_wanted_can_be_turned_round(llama, behaviour, suite):
    level = patching("steer", steering(llama, behaviour, strength=2.0))
    up, down = (compare(llama, [level], suite, "vowels", better=way).entries[0].gain for way in ("higher", "lower"))
    assert up == -down


def test_an_instruction_stands_before_prompts_and_nowhere_else(llama, patient):
    told = Instructed(llama, "Be kind.")
    assert told.encode_prompts(["One"]) == [llama.encode("Be kind.\nOne")]
    assert told.encode("One") == llama.encode("One")
    (chat,) = Instructed(patient, "Be kind.").encode_prompts(["How are you?"], chat=True)
    assert "Be kind." in patient.tokenizer.decode(chat)
    assert patient.encode_prompts(["How are you?"], chat=True)[0] != chat


def test_it_is_shown_as_a_table_a_picture_and_a_page(llama, behaviour, suite, tmp_path):
    level = patching("a <strange> name", steering(llama, behaviour, strength=0.5))
    found = compare(llama, [prompting("Hello."), level], suite, "vowels")
    columns, rows = found.table()
    assert columns[1:] == ["base", "prompt", "a <strange> name"]
    assert {len(row) for row in rows} == {4}
    paths = found.save(tmp_path)
    assert json.loads(paths["json"].read_text())["target"] == "vowels"
    page = paths["html"].read_text()
    assert "a &lt;strange&gt; name" in page
    assert "<strange>" not in page
    assert page.count('class="point"') == 2


def test_mistakes_are_said(llama, suite):
    with pytest.raises(UsageError, match="does not measure 'tone'"):
        compare(llama, [prompting("a")], suite, "tone")
    for levels in ([], [prompting("a"), prompting("b")]):
        with pytest.raises(UsageError, match="names of their own"):
            compare(llama, levels, suite, "vowels")


def test_a_level_may_be_anything_that_yields_a_model(llama, suite):
    from contextlib import nullcontext

    found = compare(llama, [Intervention("memory", "retrieval", lambda lm: nullcontext(lm))], suite, "vowels")
    assert found.entries[0].gain == 0
    assert found.entries[0].cost == 0
