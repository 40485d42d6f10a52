"""Figures as people read them: each says its unit and of how many cases it is, and is what its name says (kinds K6 and K13)."""

import json
import math
import re

import pytest
import torch

from suture.cli._console import Console
from suture.cli._strength_sweep import print_doses
from suture.cli.evaluate import _print_base, print_report
from suture.data.examples import Fact
from suture.measure.evaluation import evaluate, observe, values
from suture.measure.gates import Gate, verdicts_of
from suture.measure.report import MetricRow, Report
from suture.measure.suite import Measure
from suture.measure.suites.facts import fact_suite
from suture.metrics import completion, edit_score, exact_match
from suture.metrics._score import Observation, Score
from suture.report.page import page

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils", ("Wandton is led by",), (("The mayor of Relk is", "Ben"),)),
    Fact("Rundville is known for", "Rundville", "honey", "beer", ("People go to Rundville for", "Rundville has"),
         (("Prolton is known for", "bread"), ("The wine of Prolton is", "red"))),
]  # fmt: skip


def row(name, unit, before, after, role="note"):
    return MetricRow(
        name, role, "higher", f"about {name}", Score(before, after, after - before, 0.0, 0.0, 3), unit=unit
    )


def test_a_models_own_figures_have_the_units_of_a_report(llama, capsys):
    """`suture eval MODEL` printed 0.9667 for what `--patch` printed as 96.7 %."""
    suite = [*fact_suite(FACTS), Measure("perplexity", "perplexity", ["One and two."], "keep", "lower", "perplexity")]
    _print_base(Console(), llama, suite, {})
    table = capsys.readouterr().out
    figures = values(observe(llama, suite), suite)
    flat = " ".join(table.split())
    assert f"{100 * figures['success']:.1f} %" in flat
    assert f"{100 * figures['magnitude_new']:.1f} pt" in flat
    assert f"{figures['perplexity']:.3f}" in flat
    assert not re.search(r"\b0\.\d{4}\b", table)
    _print_base(Console(json_only=True), llama, suite, {})
    assert json.loads(capsys.readouterr().out)["base"] == pytest.approx(figures)


def test_a_figure_that_is_none_is_not_shown_as_a_number(llama, capsys, monkeypatch):
    suite = [Measure("perplexity", "perplexity", ["One and two."], "keep", "lower", "perplexity")]
    nan = torch.tensor([math.nan], dtype=torch.float64)
    monkeypatch.setattr(
        "suture.measure.evaluation.observe", lambda *a: {"perplexity": Observation(nan, torch.ones(1).double())}
    )
    _print_base(Console(), llama, suite, {})
    assert "not measured" in capsys.readouterr().out


def test_a_chat_says_by_what_rule_its_targets_count():
    plain, chat = ({m.name: m.about for m in fact_suite(FACTS, chat=chat)} for chat in (False, True))
    for name in ("success", "unseen_phrasings", "old_object", "locality"):
        assert "first sentence" in chat[name]
        assert "first sentence" not in plain[name]
    assert "first sentence" not in chat["prefers_new"]


def test_the_n_of_s_is_that_of_facts_not_of_prompts(llama):
    line = evaluate(llama, None, fact_suite(FACTS), controls=False).line("edit_score")
    assert line.score.cases == 2
    assert evaluate(llama, None, fact_suite(FACTS), controls=False).line("prefers_new_reworded").score.cases == 3


def test_s_has_an_interval_where_everything_was_wrong_before():
    nothing, whole = ({name: [share] * 3 for name in edit_score.GROUPS} for share in (0.0, 1.0))
    one = torch.ones(3, dtype=torch.float64)
    score = edit_score.score(Observation(one, one, extra=nothing), Observation(one, one, extra=whole))
    assert (score.before, score.after, score.change, score.low, score.high) == (0, 1, 1, 1, 1)


def test_exact_match_and_success_differ_where_they_should(llama, monkeypatch):
    """Tokens against words: an answer that goes on inside a word is an exact match of tokens and no success."""
    monkeypatch.setattr(completion, "complete", lambda *a, **k: [[" honeycomb"]])
    cases = completion.Cases(["Rundville is known for"], ["honey"])
    assert completion.observe(llama, cases).values.tolist() == [0]
    seen = exact_match.observation([-0.1], [True])
    assert seen.values.tolist() == [1]


@pytest.mark.parametrize(("limit", "words"), [({"max_decrease": 0.05}, "5.0 pt"), ({"min": -0.1}, "-10.0 pt")])
def test_a_gate_on_a_magnitude_says_points(limit, words):
    report = Report("m", "x", {}, {}, [row("magnitude_new", "points", 0.1, 0.02)])
    (verdict,) = verdicts_of([Gate(measure="magnitude_new", **limit)], report)
    assert words in " ".join(verdict.describe())


def test_a_table_of_a_report_shows_a_negative_magnitude_as_points(capsys):
    print_report(Console(), Report("m", "x", {}, {}, [row("magnitude_new", "points", -0.25, 0.125)]))
    assert re.search(r"-25\.0 pt\s+12\.5 pt", capsys.readouterr().out)


def test_strengths_of_a_target_below_zero_are_drawn_and_said(capsys):
    """A magnitude is negative while the old object is likelier; a bar or a curve of shares would hide that."""
    line = row("magnitude_new", "points", -0.3, -0.1, role="target")
    report = Report("m", "x", {}, {}, [line], target="magnitude_new",
                    doses={0.0: {"magnitude_new": -0.3}, 1.0: {"magnitude_new": -0.1}})  # fmt: skip
    print_doses(Console(), report)
    assert "-30.0 pt" in capsys.readouterr().out
    drawn = page(report)
    assert "nan" not in drawn.lower().replace("nance", "")
    assert "-30.0 pt" in drawn.replace("\u2212", "-")


def test_a_callback_is_no_setting(command, tmp_path):
    """`suture locate mediator --help` offered --progress, which no shell can give."""
    for locator in ("mediator", "safety_impact", "directions"):
        done = command("locate", locator, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert "--progress" not in done.stdout
