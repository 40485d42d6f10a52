import math

import pytest

from suture.errors import DataError
from suture.measure.gates import Gate, Spec, verdicts_of
from suture.measure.report import MetricRow, Report
from suture.metrics._score import Score

HEAD = "model: patient\npatches: [a.safetensors]\n"


@pytest.fixture
def report():
    rude = Score(before=0.8, after=0.5, change=-0.3, low=-0.4, high=-0.1, cases=50)
    facts = Score(before=1.0, after=0.98, change=-0.02, low=-0.06, high=0.0, cases=50)
    lines = [MetricRow("rude", "target", "lower", "", rude), MetricRow("facts", "keep", "higher", "", facts)]
    return Report("m", "x", {}, {}, lines)


def passes(report, **gate):
    (verdict,) = verdicts_of([Gate(**gate)], report)
    return verdict.passed


def test_absolute_limits_look_at_the_patched_figure(report):
    assert passes(report, measure="rude", max=0.5)
    assert not passes(report, measure="rude", max=0.49)
    assert passes(report, measure="facts", min=0.98)
    assert not passes(report, measure="facts", min=0.99)


def test_limits_against_the_base_look_at_the_worst_end_unless_told(report):
    assert not passes(report, measure="facts", max_decrease=0.05)
    assert passes(report, measure="facts", max_decrease=0.06)
    assert passes(report, measure="facts", max_decrease=0.02, interval="point")
    assert not passes(report, measure="facts", max_decrease=0.01, interval="point")
    assert passes(report, measure="rude", max_increase=0.0)


def test_a_negative_limit_demands_a_change_for_the_better(report):
    assert passes(report, measure="rude", max_increase=-0.1)
    assert not passes(report, measure="rude", max_increase=-0.2)
    assert passes(report, measure="rude", max_increase=-0.3, interval="point")


def test_a_verdict_shows_figure_and_limit_in_the_same_unit(report):
    gates = [Gate(measure="rude", max=0.6), Gate(measure="facts", max_decrease=0.05)]
    assert [verdict.describe() for verdict in verdicts_of(gates, report)] == [
        ["rude", "50.0 %", "max 60.0 %"],
        ["facts", "6.0 pt (worst)", "max_decrease 5.0 pt"],
    ]


def score(change, spread=0.0):
    return Score(before=1.0, after=1.0 + change, change=change, low=change - spread, high=change + spread, cases=80)


def kept(**scores):
    """A report of measures to keep: of those whose name begins with a p more is worse, of the others less."""
    lines = [
        MetricRow(name, "keep", "lower" if name.startswith("p") else "higher", "", each, unit="share")
        for name, each in scores.items()
    ]
    return Report("m", "x", {}, {}, [*lines, MetricRow("rude", "target", "lower", "", score(0.5))])


def harmed(report, **gate):
    """The measures that a gate on what is to keep finds outside."""
    return [v.measure for v in verdicts_of([Gate(role="keep", **gate)], report) if not v.passed]


def test_a_role_holds_each_of_its_measures_in_its_own_bad_direction():
    report = kept(facts=score(-0.04), stories=score(-0.1), sums=score(0.2), perplexity=score(0.06), pranks=score(-0.3))
    assert harmed(report, max_harm=0.05) == ["stories", "perplexity"]
    assert harmed(report, max_harm=0.03) == ["facts", "stories", "perplexity"]
    assert harmed(report, max_harm=0.1) == []
    assert len(verdicts_of([Gate(role="keep", max_harm=0.05)], report)) == 5


def test_a_role_looks_at_the_worst_end_unless_told():
    report = kept(facts=score(-0.04, 0.03), perplexity=score(0.04, 0.03))
    assert harmed(report, max_harm=0.05) == ["facts", "perplexity"]
    assert harmed(report, max_harm=0.05, interval="point") == []


def test_a_measure_can_be_held_by_harm_too(report):
    assert passes(report, measure="facts", max_harm=0.06)
    assert not passes(report, measure="facts", max_harm=0.05)
    assert passes(report, measure="rude", max_harm=-0.1)


@pytest.mark.parametrize("limit", ["max", "min", "max_increase", "max_decrease", "max_harm"])
def test_a_figure_that_was_not_measured_is_outside_of_every_limit(limit):
    nothing = Score(before=1.0, after=math.nan, change=math.nan, low=math.nan, high=math.nan, cases=80)
    report = kept(facts=nothing, perplexity=nothing)
    for name in ("facts", "perplexity", "missing"):
        assert not passes(report, measure=name, **{limit: 1e9})
    (verdict,) = verdicts_of([Gate(measure="missing", **{limit: 0.1})], report)
    assert verdict.describe()[1].startswith("not measured")
    assert harmed(report, max_harm=1e9) == ["facts", "perplexity"]
    assert not verdicts_of([Gate(role="floor", max_harm=1e9)], report)[0].passed


def test_the_rounding_of_binary_numbers_is_no_harm():
    lost = Score(before=1.0, after=0.95, change=0.95 - 1.0, low=0.95 - 1.0, high=0.0, cases=20)
    assert 0.0 - lost.change > 0.05
    assert harmed(kept(facts=lost), max_harm=0.05) == []
    assert passes(kept(facts=lost), measure="facts", max_decrease=0.05)


def test_a_verdict_of_a_role_names_role_and_measure():
    (verdict,) = verdicts_of([Gate(role="keep", max_harm=0.05)], kept(stories=score(-0.1, 0.06)))
    assert verdict.describe() == ["keep: stories", "16.0 pt (worst)", "max_harm 5.0 pt"]
    shown = verdict.to_json()
    assert (shown["role"], shown["measure"], shown["passed"]) == ("keep", "stories", False)


def load(tmp_path, text):
    file = tmp_path / "gates.yaml"
    file.write_text(text)
    return Spec.load(file)


def test_a_spec_is_read_whole(tmp_path):
    spec = load(tmp_path, f"{HEAD}scale: 2\nsize: 7\ngates:\n- {{measure: rude, max: 1, interval: point}}\n")
    assert (spec.model, spec.patches, spec.scale, spec.size) == ("patient", ["a.safetensors"], 2.0, 7)
    assert spec.gates == [Gate(measure="rude", max=1.0, interval="point")]
    assert "rude" in [measure.name for measure in spec.measures()]


WRONG = [
    ("scael: 2\ngates: [{measure: a, max: 1}]", r"line 3: unknown key 'scael'", 'Did you mean "scale"'),
    ("gates:\n- measure: a\n  mxa: 1\n", r"line 5: unknown key 'mxa'", 'Did you mean "max"'),
    ("gates:\n- measure: a\n", r"line 4: gates.0: .*exactly one of", "docs/check.md"),
    ("gates:\n- {measure: a, max: 1, min: 1}\n", r"line 4: gates.0: .*exactly one of", "docs/check.md"),
    ("gates:\n- {measure: a, max: high}\n", r"line 4: gates.0.max: .*number", "docs/check.md"),
    ("gates:\n- {measure: a, max: .nan}\n", r"line 4: gates.0.max: .*finite", "docs/check.md"),
    ("gates:\n- {max: 1}\n", r"line 4: gates.0: .*give measure: name, or role: role", "docs/check.md"),
    ("gates:\n- {measure: a, role: keep, max_harm: 1}\n", r"line 4: gates.0: .*give measure", "docs/check.md"),
    ("gates:\n- {role: keep, max_increase: 1}\n", r"line 4: gates.0: .*a role takes max_harm", "docs/check.md"),
    ("gates:\n- {role: kept, max_harm: 1}\n", r"line 4: gates.0.role: .*'keep'", "docs/check.md"),
    ("gates:\n- {role: keep, max_harm: 1e999}\n", r"line 4: gates.0.max_harm: .*finite", "docs/check.md"),
    ("mdoel: patient\ngates: [{measure: a, max: 1}]", r"line 3: unknown key 'mdoel'", 'Did you mean "model"'),
    ("gates: []\n", r"line 3: gates: .*at least 1", "docs/check.md"),
    ("size: '7'\ngates: [{measure: a, max: 1}]", r"line 3: size: .*integer", "docs/check.md"),
    ("size: 0\ngates: [{measure: a, max: 1}]", r"line 3: size", "docs/check.md"),
    ("gates: [{measure: a, max: 1}]\nscale: 1\nscale: 2\n", r"line 5: 'scale' stands twice", "Remove"),
    ("gates: [\n", r"line 4: not YAML", "docs/check.md"),
]


@pytest.mark.parametrize(("text", "said", "fix"), WRONG)
def test_a_wrong_spec_is_answered_with_line_and_fix(tmp_path, text, said, fix):
    with pytest.raises(DataError, match=said) as problem:
        load(tmp_path, HEAD + text)
    assert fix in problem.value.fix


def test_a_gate_on_no_measure_of_the_suite_is_refused_before_any_model_is_loaded(tmp_path):
    (tmp_path / "texts.txt").write_text("On Monday it rained.\n")
    spec = load(tmp_path, f"{HEAD}texts: {tmp_path}/texts.txt\ngates: [{{measure: drfit, max: 1}}]\n")
    with pytest.raises(DataError, match="no measure 'drfit'") as problem:
        spec.measures()
    assert problem.value.fix == 'Did you mean "drift"?'


def test_a_gate_on_a_role_that_a_suite_from_files_lacks_is_refused(tmp_path):
    (tmp_path / "texts.txt").write_text("On Monday it rained.\n")
    head = f"{HEAD}texts: {tmp_path}/texts.txt\n"
    assert load(tmp_path, f"{head}gates: [{{role: keep, max_harm: 0.1}}]\n").measures()
    with pytest.raises(DataError, match="no measure with the role 'floor'") as problem:
        load(tmp_path, f"{head}gates: [{{role: floor, max_harm: 0.1}}]\n").measures()
    assert problem.value.why == "The suite has keep (perplexity); note (drift)."


@pytest.mark.parametrize(("written", "value"), [("1e9", 1e9), ("5e-2", 0.05), ("-2E-1", -0.2), ("1e+3", 1000.0)])
def test_numbers_are_read_as_python_reads_them(tmp_path, written, value):
    spec = load(tmp_path, f"{HEAD}scale: {written}\ngates: [{{measure: rude, max: {written}}}]\n")
    assert (spec.scale, spec.gates[0].max) == (value, value)


def bomb(levels):
    lines = ["l0: &l0 [x]", *(f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]" for i in range(1, levels))]
    return "\n".join(lines)


HUGE = {
    "aliases in aliases": bomb(28),
    "a recursive alias": "gates: &a [*a]",
    "five thousand brackets": "gates: " + "[" * 5000,
    "a long chain of aliases": "\n".join(["l0: &l0 [x]", *(f"l{i}: &l{i} [*l{i - 1}]" for i in range(1, 2000))]),
    "merges of merges": "\n".join(
        ["l0: &l0 {a: 1}", *(f"l{i}: &l{i} {{<<: [*l{i - 1}, *l{i - 1}]}}" for i in range(1, 28))]
    ),
    "very many keys": "\n".join(f"k{i}: 1" for i in range(25_000)),
    "a long file": "# " + "x" * (1 << 18),
    "a date that is none": "model: 2024-99-99",
}


@pytest.mark.parametrize("name", HUGE)
def test_yaml_without_end_is_refused_at_once(tmp_path, name):
    with pytest.raises(DataError):
        load(tmp_path, HUGE[name])


def test_aliases_of_a_moderate_spec_are_read(tmp_path):
    text = f"{HEAD}gates:\n- &limit {{measure: rude, max: 1}}\n- *limit\n- *limit\n"
    assert load(tmp_path, text).gates == [Gate(measure="rude", max=1.0)] * 3
