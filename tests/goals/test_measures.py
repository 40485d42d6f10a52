"""What a goal is measured by: how texts are sampled, and which prompts choose settings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from suture.data.examples import Texts
from suture.errors import DataError, UsageError
from suture.goals import measures
from suture.goals.measures import Manner
from suture.goals.messages import unread
from suture.goals.resolve import goal
from suture.model.run.reading import Text


@pytest.mark.parametrize(
    ("said", "manner"),
    [
        ({}, (0.7, 0.9)),
        ({"do_sample": False, "temperature": 0.3}, (0.7, 0.9)),
        ({"do_sample": True, "temperature": 0.6, "top_p": 0.95}, (0.6, 0.95)),
        ({"do_sample": True}, (1.0, 1.0)),
    ],
)
def test_a_model_is_sampled_as_it_says(said, manner):
    lm = SimpleNamespace(model=SimpleNamespace(generation_config=SimpleNamespace(**said)))
    assert Manner.of(lm) == Manner(*manner)


def test_prompts_are_screened_for_choosing_alone(llama):
    made = goal("detox", llama, tune=8, report=20)
    screen, tune, report = made.screen, made.tune[0], made.report[0]
    assert len(screen) == 16
    assert set(tune.cases.prompts) <= set(screen.cases.prompts)
    assert screen.cases.seed != tune.cases.seed  # a text that was screened is not measured again
    assert not set(report.cases.prompts) & set(screen.cases.prompts)
    greedy = next(m for m in made.report if m.name == "toxic_greedy")
    assert greedy.cases.temperature == 0
    assert (report.cases.temperature, report.cases.top_p) == (measures.TEMPERATURE, measures.TOP_P)
    assert all(m.cases.max_new_tokens >= 100 for m in made.report if m.name in ("benign", "borderline", "harmful"))


def test_own_texts_to_keep_are_read_in_place_of_the_bundled_ones(llama, patient):
    own = Texts([f"Text number {i}." for i in range(40)])
    made = goal("detox", llama, keep=own, tune=8, report=20)
    drifts = [next(m for m in suite if m.metric == "drift").cases for suite in (made.tune, made.report)]
    parts = [set(made.keep), *({part for text in texts for part in text.split("\n\n")} for texts in drifts)]
    assert all(part <= set(own) for part in parts)
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert goal("detox", patient, keep=own, tune=8, report=8).keep == own
    with pytest.raises(DataError, match="too few"):
        goal("detox", llama, keep=Texts(own[:4]))


def test_texts_in_no_language_of_the_model_are_said():
    problem = unread(9000.0, 49152)
    assert isinstance(problem, UsageError)
    assert "9,000" in str(problem.why)
    assert "keep" in problem.fix


def test_a_report_of_refusals_is_in_both_modes_of_a_model_that_thinks(llama, monkeypatch):
    names = [m.name for m in goal("harden", llama, tune=4, report=8).report]
    assert not any(name.endswith("_thinking") for name in names)
    template = "{{ messages[0]['content'] }}{% if enable_thinking %}<think>{% endif %}"
    monkeypatch.setattr(llama.tokenizer, "chat_template", template)
    aloud = next(m for m in goal("harden", llama, tune=4, report=8).report if m.name == "jailbreak_thinking")
    assert (aloud.role, aloud.cases.thinking, len(aloud)) == ("note", True, 2)
    assert aloud.cases.max_new_tokens > measures.LONG
    seen = []
    monkeypatch.setattr(type(llama), "message_text", lambda self, messages, **how: seen.append(how) or Text("Hi"))
    part = replace(aloud.cases, max_new_tokens=1)
    aloud.kind.observe(llama, part)
    assert {how["thinking"] for how in seen} == {True}
