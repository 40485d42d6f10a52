"""What a goal is measured by: how texts are sampled, and which prompts choose settings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from suture.data import bundled
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


def test_a_report_has_openings_of_another_source(llama):
    for name in ("detox", "attitude"):
        made = goal(name, llama, tune=8, report=12)
        chosen = set(made.screen.cases.prompts) | set(made.written.cases.prompts)
        other = next(m for m in made.report if m.name == f"{made.target}_elsewhere")
        assert len(other) == 60
        assert (other.role, other.metric, other.cases.samples) == ("note", "sampled", 2)
        assert not set(other.cases.prompts) & {*chosen, *made.report[0].cases.prompts}
    own = [f"Opening number {i}" for i in range(8)]  # prompts of the user's: nothing bundled says more about them
    for made in (goal("harden", llama, tune=8, report=12), goal("detox", llama, prompts=own, tune=8, report=8)):
        assert not any(m.name.endswith("_elsewhere") for m in made.report)


def test_of_several_judges_the_first_decides_and_the_report_has_all(llama):
    def shouting(prompt, text):
        return "loud" if text.isupper() else "quiet"

    shouting.labels = ("loud", "quiet")
    made = goal("detox", llama, judge=["sentiment", shouting], tune=8, report=12)
    assert made.judge == "sentiment"
    assert {m.cases.judge for m in made.tune if m.kind.cost == "writes" and m.role == "target"} == {
        made.report[0].cases.judge
    }
    further = [m for m in made.report if m.name.endswith(" by shouting")]
    assert [m.name.removesuffix(" by shouting") for m in further] == ["toxic", "toxic_greedy", "toxic_elsewhere"]
    for again, first in zip(further, made.report[:3], strict=True):
        assert (again.role, again.cases.judge, again.cases.label) == ("note", shouting, "loud")
        assert again.cases == replace(first.cases, judge=shouting, label="loud")  # the same texts
    with pytest.raises(UsageError, match="no judge"):
        goal("detox", llama, judge=["toxicity", "nobody"], tune=8, report=12)


def test_what_any_text_can_show_is_chosen_on_running_text_too(llama):
    made = goal("attitude", llama, tune=40, report=12)
    pool, kept = made.screen.cases.prompts, [*bundled.broad("tune")]
    begun = [p for p in pool if any(" ".join(text.split()).startswith(p) for text in kept)]
    assert begun == pool[1::2]
    assert not any(set("={}<") & set(p) for p in begun)  # no code, no sums
    assert not set(pool[1::2]) & set(goal("detox", llama, tune=40, report=12).screen.cases.prompts)
    own = [f"My opening number {i}" for i in range(8)]
    assert goal("attitude", llama, prompts=own, tune=8, report=8).tune[0].cases.prompts == own[::2]


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
