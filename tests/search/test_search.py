"""The search: what it measures, what it chooses, and that an interrupted one ends like an uninterrupted one."""

import math
from dataclasses import replace

import pytest

from suture.errors import UsageError
from suture.judges import Refusal
from suture.locate.probe import fit_probe
from suture.measure.budget import Budget
from suture.measure.evaluation import observe
from suture.measure.suite import Measure
from suture.methods.surgery import surgery
from suture.metrics.sampled import Cases
from suture.report.figures.frontier import frontier
from suture.search import Measured, confirm_choice, explore, refine_choice, search, strength_sweep

TEXTS = ["You are a friend of mine and", "The cat sat on the mat", "One two three four five"]
SUITE = [
    Measure("perplexity", "perplexity", TEXTS, "target", "lower", "perplexity"),
    Measure("drift", "drift", TEXTS, "keep", "lower", "drift"),
]
SPACE = {"rows": [4, 12, 40], "blocks": ["0", "01", "012"]}
FIRST = ({"rows": 12, "blocks": "012"},)
STRENGTHS = (0.5, 1.0, 2.0)


@pytest.fixture
def make(llama, behaviour):
    probe = fit_probe(llama, behaviour)
    asked = []

    def made(settings):
        asked.append(settings)
        return surgery(
            llama, behaviour, probe=probe, rows=settings["rows"], layers=[int(c) for c in settings["blocks"]]
        )

    made.asked = asked
    return made


def run(lm, make, journal=None, **more):
    spaces = {"rows": SPACE["rows"], "blocks": SPACE["blocks"]}
    options = {"first": FIRST, "trials": 6, "journal": journal, "budget": Budget(kl=1e9), **more}
    return explore(lm, make, spaces, STRENGTHS, SUITE, "perplexity", **options)


def test_the_first_settings_are_tried_first_and_none_twice(llama, make):
    found = run(llama, make)
    assert make.asked[0] == FIRST[0]
    assert len({str(s) for s in make.asked}) == len(make.asked) <= 6
    assert len(found.points) == len(make.asked) * len(STRENGTHS)
    assert found.best is max(found.points, key=lambda p: p.gain)
    assert found.best.gain == pytest.approx(found.base["perplexity"] - found.best.values["perplexity"])


def test_a_search_that_was_interrupted_ends_like_one_that_was_not(llama, make, tmp_path):
    whole = run(llama, make, tmp_path / "whole.jsonl")
    calls = 0

    def fragile(settings):
        nonlocal calls
        calls += 1
        if calls in (3, 5):
            raise KeyboardInterrupt
        return make(settings)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(llama, fragile, tmp_path / "cut.jsonl")
    asked = len(make.asked)
    found = run(llama, make, tmp_path / "cut.jsonl")
    assert len(make.asked) - asked < len({str(p.settings) for p in whole.points})  # finished trials are not made again
    assert [(p.settings, p.strength, p.values) for p in found.points] == [
        (p.settings, p.strength, p.values) for p in whole.points
    ]
    assert found.best == whole.best


def test_what_oversteps_the_budget_is_not_chosen(llama, make):
    tight = run(llama, make, budget=Budget(kl=1e-9))
    assert tight.best is None
    assert all(p.excess > 0 for p in tight.points)


def test_a_search_ends_with_the_first_settings_that_do_enough(llama, make):
    free = run(llama, make)
    strongest = max((p for p in free.points if p.settings == FIRST[0]), key=lambda p: p.gain)
    found = run(llama, make, stop_at=strongest.values["perplexity"])
    assert {str(p.settings) for p in found.points} == {str(FIRST[0])}
    assert found.best.size == min(p.size for p in found.points if p.gain >= strongest.gain)


def test_a_plain_search_is_a_grid(llama, behaviour):
    patch = surgery(llama, behaviour, rows=12)
    found = search(llama, {"a": patch}, STRENGTHS, SUITE, "perplexity", budget=Budget(kl=1e9))
    assert [p.label for p in found.points] == ["candidate a"] * 3


@pytest.mark.parametrize("text", ["kl", "kl=x", "speed=3", "kl=0", "points=-1"])
def test_a_budget_that_is_none_is_said(text):
    with pytest.raises(UsageError, match="budget"):
        Budget.parse(text)


def test_a_budget_is_read():
    assert Budget.parse("kl=0.05, points=0.01") == Budget(points=0.01, kl=0.05)
    assert Budget.parse("") == Budget()


def test_the_target_is_not_measured_where_too_much_is_lost(llama, make):
    free = run(llama, make)
    kl = max(p.values["drift"] for p in free.points) / 4
    found = run(llama, make, budget=Budget(kl=kl))
    assert {math.isnan(p.values["perplexity"]) for p in found.points} == {True, False}
    for point in found.points:
        assert math.isnan(point.gain) == math.isnan(point.values["perplexity"]) == (point.values["drift"] > 2 * kl)
    assert found.best.excess == 0
    shown = found.shown(SUITE, "perplexity", Budget(kl=kl))
    assert [p.target is None for p in shown] == [math.isnan(p.gain) for p in found.points]
    assert "lost too much to be measured" in frontier(shown, name="x")
    assert not any(math.isnan(v) for values in found.curve(FIRST[0]).values() for v in values.values())


def test_what_is_dear_is_not_measured_where_the_cheap_is_lost(llama, make, monkeypatch):
    asked = []
    sampled = Measure(
        "talk", "sampled", Cases(TEXTS, Refusal(), "complied", max_new_tokens=2), "keep", "higher", "talk"
    )
    suite = [sampled, *SUITE]
    monkeypatch.setattr("suture.search.points.strength_sweep", lambda lm, p, doses, suite, **_: [
        asked.append((suite[0].name, dose)) or {suite[0].name: dose if suite[0].name == "drift" else 0.5} for dose in doses
    ])  # fmt: skip
    found = explore(llama, make, SPACE, STRENGTHS, suite, "perplexity", first=FIRST, trials=1, budget=Budget(kl=0.6))
    assert asked == [
        ("drift", 0.5),
        ("drift", 1.0),
        ("drift", 2.0),
        *((n, d) for n in ("talk", "perplexity") for d in (0.5, 1.0)),
    ]
    assert [set(p.values) for p in found.points][2] == {"drift", "perplexity"}
    assert math.isnan(found.points[2].gain)


def test_a_choice_is_confirmed_on_fresh_cases(llama, make):
    found = run(llama, make)
    fresh = [Measure("drift", "drift", ["Quite another text, never seen before"], "keep", "lower", "drift")]
    assert confirm_choice(llama, found, make, fresh, Budget(kl=1e9)).best is found.best
    none = confirm_choice(llama, found, make, fresh, Budget(kl=1e-12))
    assert none.best is None
    assert none.points == found.points
    moved = sorted(strength_sweep(llama, make(p.settings), [p.strength], fresh, baseline=observe(llama, fresh))[0]["drift"]
                   for p in found.order)  # fmt: skip
    some = confirm_choice(llama, found, make, fresh, Budget(kl=(moved[0] + moved[1]) / 2), tries=99)
    assert some.best in found.order
    own = strength_sweep(llama, make(some.best.settings), [some.best.strength], fresh, baseline=observe(llama, fresh))
    assert own[0]["drift"] == pytest.approx(moved[0])


LOST = [(0, 100, True), (1, 100, True), (2, 100, False), (1, 40, False), (3, 500, True)]


@pytest.mark.parametrize(("lost", "cases", "passes"), LOST)
def test_fresh_cases_may_lose_one_where_a_share_of_the_budget_is_less(llama, make, monkeypatch, lost, cases, passes):
    found = run(llama, make)
    fresh = [Measure("talk", "sampled", Cases(["a"] * cases, Refusal(), "complied"), "keep", "higher", "talk")]
    monkeypatch.setattr("suture.search.confirm.observe", lambda *_: None)
    monkeypatch.setattr("suture.search.confirm.values", lambda *_: {"talk": 1.0})
    monkeypatch.setattr("suture.search.confirm.strength_sweep", lambda lm, patch, doses, suite, **_: [
        {"talk": 1 - lost / cases} for _ in doses
    ])  # fmt: skip
    best = confirm_choice(llama, found, make, fresh, Budget(points=0.02), margin=1 / 3).best
    assert best is (found.best if passes else None)


def test_the_strength_is_refined_between_what_passed_and_what_did_not(llama, make):
    suite = [Measure("drift", "drift", TEXTS, "target", "higher", "grows with the strength")]
    settings = FIRST[0]
    base = Measured.of(llama, suite, "drift", None, None)
    coarse = base.frontier(base.points(settings, make(settings), STRENGTHS, None), None)
    low, _, high = coarse.points
    fresh = [Measure("drift", "drift", ["Quite another text, never seen before"], "keep", "lower", "drift")]
    known = strength_sweep(llama, make(settings), [0.5, 0.625, 0.75, 0.875], fresh, baseline=observe(llama, fresh))
    most = (known[2]["drift"] + known[3]["drift"]) / 2

    finer = refine_choice(replace(coarse, best=low), make, base, fresh, Budget(kl=most))
    assert [p.strength for p in finer.points[3:]] == [0.625, 0.75, 0.875]
    assert finer.best.strength == 0.75
    assert finer.order[0].strength == 0.875
    for same in (
        refine_choice(
            replace(coarse, best=low), make, base, fresh, Budget(kl=known[0]["drift"])
        ),  # nothing stronger passes
        refine_choice(replace(coarse, best=low), make, base, fresh, Budget(kl=1e9), stop_at=0.0),  # it is enough
    ):
        assert same.best is low
    assert (
        refine_choice(replace(coarse, best=high), make, base, fresh, Budget()).points == coarse.points
    )  # none stronger


def test_a_journal_that_was_cut_in_the_middle_of_a_line_is_continued(llama, make, tmp_path, caplog):
    whole = run(llama, make, tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]) + lines[len(lines) // 2][:20])
    found = run(llama, make, tmp_path / "cut.jsonl")
    assert [vars(p) for p in found.points] == [vars(p) for p in whole.points]
    assert "was damaged" in caplog.text
    (tmp_path / "cut.jsonl").write_text("xyz\n")
    assert run(llama, make, tmp_path / "cut.jsonl").best.values == whole.best.values
