"""The search: what it measures, what it chooses, and that an interrupted one ends like an uninterrupted one."""

import json
import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from suture.errors import NoEffect, UsageError
from suture.goals.messages import unmoved
from suture.judges import Refusal
from suture.locate.probe import fit_probe
from suture.measure.budget import Budget
from suture.measure.evaluation import observe
from suture.measure.suite import Measure
from suture.methods.surgery import surgery
from suture.metrics import completion
from suture.metrics._score import Observation
from suture.metrics.sampled import Cases
from suture.report.figures.frontier import frontier
from suture.search import (
    Measured,
    Rung,
    climb,
    confirm_choice,
    drawn,
    explore,
    refine_choice,
    search,
    soften_choice,
    strength_sweep,
)
from suture.search.bracket import RESOLUTION
from suture.search.noise import QUANTILE, worse_end
from suture.search.points import Frontier, Point
from suture.search.state_shift import LIMIT, START, Span, measured_span, state_shifts

TEXTS = ["You are a friend of mine and", "The cat sat on the mat", "One two three four five"]
SUITE = [
    Measure("perplexity", "perplexity", TEXTS, "target", "lower", "perplexity"),
    Measure("drift", "drift", TEXTS, "keep", "lower", "drift"),
]
SPACE = {"rows": [4, 12, 40], "blocks": ["0", "01", "012"]}
FIRST = ({"rows": 12, "blocks": "012"},)
STRENGTHS = (0.5, 1.0, 2.0)
SIZES = {"perplexity": 2, "drift": 2}


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


def run(lm, make, journal=None, budget=None, count=6, **more):
    whole = Measured.of(lm, SUITE, "perplexity", budget or Budget(kl=1e-3))
    few = whole.part(SIZES)
    rungs = [Rung(few, 3, ()), Rung(few, 2, (1.0,)), Rung(whole, 1)]
    return explore(make, drawn(SPACE, count, FIRST), rungs, TEXTS, journal=journal, **more)


def test_settings_are_drawn_with_the_first_ones_first_and_none_twice():
    settings = drawn(SPACE, 99, FIRST)
    assert settings[0] == FIRST[0]
    assert len({str(s) for s in settings}) == len(settings) == 9
    assert drawn(SPACE, 4, FIRST) == settings[:4] != drawn(SPACE, 4, FIRST, seed=1)
    assert drawn(SPACE, 2, [{"rows": 7, "blocks": "0"}])[0]["rows"] == 7


def test_many_are_measured_on_few_cases_and_few_on_all(llama, make, tmp_path):
    said = []
    found = run(llama, make, tmp_path / "journal.jsonl", say=said.append)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert (lines[0]["rung"], lines[0]["settings"]) == (1, FIRST[0])  # the first figures come soon
    assert Counter(line["rung"] for line in lines) == {0: 6, 1: 3 + (len(said) > 5), 2: 2}
    assert {str(p.settings) for p in found.points} == {str(line["settings"]) for line in lines if line["rung"] == 2}
    assert found.earlier
    assert found.best is max((p for p in found.points if p.gain > 0 and p.excess == 0), key=lambda p: p.gain)
    assert found.best.gain == pytest.approx(found.base["perplexity"] - found.best.values["perplexity"])
    moved = {line["settings"]["rows"]: line["span"]["start"] for line in lines}
    assert moved[4] > moved[40]  # fewer rows must change more to move the states alike


def test_nothing_is_ranked_where_all_go_on(llama, make, tmp_path):
    run(llama, make, tmp_path / "journal.jsonl", count=2, first=2)
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert Counter(line["rung"] for line in lines) == {1: 2, 2: 2}


def test_the_strongest_within_the_budget_is_just_below_its_end(llama, make):
    found = run(llama, make)
    inside = max(
        (p for p in found.points if p.settings == found.best.settings and p.excess == 0), key=lambda p: p.strength
    )
    outside = min((p for p in found.points if p.settings == found.best.settings and p.excess), key=lambda p: p.strength)
    assert inside.strength < outside.strength <= RESOLUTION * inside.strength * (1 + 1e-9)


def test_a_search_that_was_interrupted_ends_like_one_that_was_not(llama, make, tmp_path):
    whole = run(llama, make, tmp_path / "whole.jsonl")
    calls = 0

    def fragile(settings):
        nonlocal calls
        calls += 1
        if calls in (3, 6):
            raise KeyboardInterrupt
        return make(settings)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(llama, fragile, tmp_path / "cut.jsonl")
    assert str(run(llama, make, tmp_path / "cut.jsonl").points) == str(whole.points)
    assert (tmp_path / "cut.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    calls = len(make.asked)
    assert run(llama, make, tmp_path / "cut.jsonl").best == whole.best
    assert len(make.asked) == calls  # nothing is made again


def test_what_can_not_be_made_is_left_out_and_said(llama, make):
    said = []

    def fussy(settings):
        if settings["rows"] == 4:
            raise NoEffect("nothing there")
        return make(settings)

    found = run(llama, fussy, say=said.append)
    assert any("left out, nothing there" in line for line in said)
    assert not any(p.settings["rows"] == 4 for p in found.points)


@pytest.mark.parametrize("kl", [1e-5, 1e-3, 1e-2])
def test_what_oversteps_the_budget_is_not_chosen(llama, make, kl):
    found = run(llama, make, budget=Budget(kl=kl), count=2)
    assert found.best.values["drift"] <= kl
    assert {p.excess > 0 for p in found.points} == {True, False}
    assert all((p.excess > 0) == (p.values["drift"] > kl) for p in found.points)


def test_a_search_ends_with_the_first_settings_that_do_enough(llama, make):
    free = run(llama, make)
    some = sorted(p.values["perplexity"] for p in free.points if p.excess == 0 and p.gain > 0)[-1]
    found = run(llama, make, stop_at=some)
    assert len({str(p.settings) for p in found.points}) == 1
    enough = [p for p in found.points if p.excess == 0 and p.values["perplexity"] <= some]
    assert found.best.size == min(p.size for p in enough)


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


def grid(lm, make, budget, suite=None, strengths=STRENGTHS):
    measured = Measured.of(lm, suite or SUITE, "perplexity", budget)
    return measured.frontier(measured.points(FIRST[0], make(FIRST[0]), strengths, None), None)


def test_the_target_is_not_measured_where_too_much_is_lost(llama, make):
    strengths = (0.05, 0.1, 0.4)
    free = grid(llama, make, Budget(kl=1e9), strengths=strengths)
    kl = max(p.values["drift"] for p in free.points) / 4
    found = grid(llama, make, Budget(kl=kl), strengths=strengths)
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
    monkeypatch.setattr("suture.search.points.strength_sweep", lambda lm, p, doses, suite, **_: [
        asked.append((suite[0].name, dose)) or {suite[0].name: dose if suite[0].name == "drift" else 0.5} for dose in doses
    ])  # fmt: skip
    found = grid(llama, make, Budget(kl=0.6), [sampled, *SUITE])
    assert asked == [
        ("drift", 0.5),
        ("drift", 1.0),
        ("drift", 2.0),
        *((n, d) for n in ("talk", "perplexity") for d in (0.5, 1.0)),
    ]
    assert [set(p.values) for p in found.points][2] == {"drift", "perplexity"}
    assert math.isnan(found.points[2].gain)


def test_a_choice_is_confirmed_on_fresh_cases(llama, make):
    found = grid(llama, make, Budget(kl=1e9))
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


LOST = [(0, 100, True), (1, 100, True), (3, 100, False), (1, 40, True), (3, 40, False), (3, 500, True), (5, 500, False)]


@pytest.mark.parametrize(("lost", "cases", "passes"), LOST)
def test_fresh_cases_may_lose_what_the_base_differs_from_itself(llama, make, monkeypatch, lost, cases, passes):
    found = grid(llama, make, Budget(kl=1e9))
    texts = Cases(["a"] * cases, Refusal(), "complied", samples=1, temperature=0.0)
    fresh = [Measure("talk", "sampled", texts, "keep", "higher", "talk")]
    whole = Observation(torch.ones(cases, dtype=torch.float64), torch.ones(cases, dtype=torch.float64))
    monkeypatch.setattr("suture.search.confirm.observe", lambda *_: {"talk": whole})
    monkeypatch.setattr("suture.search.confirm.values", lambda *_: {"talk": 1.0})
    monkeypatch.setattr("suture.search.confirm.strength_sweep", lambda lm, patch, doses, suite, **_: [
        {"talk": 1 - lost / cases} for _ in doses
    ])  # fmt: skip
    best = confirm_choice(llama, found, make, fresh, Budget(points=0.02), margin=1 / 3).best
    assert best is (found.best if passes else None)


def test_gentler_strengths_follow_where_none_is_confirmed(llama, make, tmp_path):
    suite = [Measure("drift", "drift", TEXTS, "target", "higher", "grows with the strength")]
    settings, base = FIRST[0], Measured.of(llama, suite, "drift", None, None)
    found = base.frontier(base.points(settings, make(settings), STRENGTHS, None), None)
    fresh = [Measure("drift", "drift", ["Quite another text, never seen before"], "keep", "lower", "drift")]
    half, gentlest = strength_sweep(
        llama, make(settings), [STRENGTHS[0] / 2, STRENGTHS[0]], fresh, baseline=observe(llama, fresh)
    )
    budget = Budget(kl=(half["drift"] + gentlest["drift"]) / 2)
    none = confirm_choice(llama, found, make, fresh, budget)
    assert (none.best, {p.strength for p in none.refused}) == (None, set(STRENGTHS))
    assert all(p.excess > 0 for p in none.refused)
    none.save(tmp_path / "confirmed.json")
    assert Frontier.load(tmp_path / "confirmed.json").refused == none.refused
    softer = soften_choice(none, make, base, fresh, budget)
    assert softer.best.strength == STRENGTHS[0] / 2
    assert softer.best in softer.points
    assert softer.order[:-1] == found.order
    assert soften_choice(softer, make, base, fresh, budget) is softer
    never = soften_choice(none, make, base, fresh, Budget(kl=1e-12))
    assert never.best is None
    assert len(never.refused) > len(none.refused)
    with pytest.raises(NoEffect, match=r"none did again on fresh prompts; nearest: .* over the budget by .*: drift"):
        raise unmoved(never, suite[0])


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
    weaker = replace(coarse, best=low, order=[low, *(p for p in coarse.order if p is not low)])
    assert (
        refine_choice(weaker, make, base, fresh, Budget()).points == coarse.points
    )  # a stronger one fits, and does less


def test_a_journal_that_was_cut_in_the_middle_of_a_line_is_continued(llama, make, tmp_path, caplog):
    whole = run(llama, make, tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[: len(lines) // 2]) + lines[len(lines) // 2][:20])
    found = run(llama, make, tmp_path / "cut.jsonl")
    assert str(found.points) == str(whole.points)
    assert "was damaged" in caplog.text
    (tmp_path / "cut.jsonl").write_text("xyz\n")
    assert run(llama, make, tmp_path / "cut.jsonl").best.values == whole.best.values


@pytest.mark.parametrize("cliff", [1e-3, 0.02, 1.0, 37.0, 1e3])
@pytest.mark.parametrize("half", [0.01, 1.0, 100.0])
def test_the_budget_ends_wherever_it_ends(llama, make, monkeypatch, cliff, half):
    """A fake model: the drift grows with the square of the strength, the target falls to a half at some strength."""
    sampled = Measure(
        "talk", "sampled", Cases(TEXTS, Refusal(), "complied", max_new_tokens=1), "target", "lower", "talk"
    )
    measured = Measured.of(llama, [sampled, SUITE[1]], "talk", Budget(kl=0.1))
    measured = replace(measured, base={"talk": 1.0, "drift": 0.0})
    asked = Counter()

    def figures(self, patch, strengths, suite, progress=None):
        made = {"drift": lambda s: 0.1 * (s / cliff) ** 2, "talk": lambda s: 2 ** (-s / half)}
        asked.update({m.name: len(strengths) for m in suite})
        return [{m.name: made[m.name](s) for m in suite} for s in strengths]

    monkeypatch.setattr(Measured, "figures", figures)
    points = climb(measured, {}, make(FIRST[0]), Span(0.1, 1e6))
    top = max((p for p in points if p.excess == 0), key=lambda p: p.strength)
    assert cliff / RESOLUTION <= top.strength * (1 + 1e-9) <= cliff * (1 + 1e-6)
    assert top.values["talk"] == pytest.approx(2 ** (-top.strength / half))
    assert asked["drift"] <= 24
    assert asked["talk"] == 3
    surely = measured._sure(0.5)  # a half of so few texts may be as much
    stop = climb(measured, {}, make(FIRST[0]), Span(0.1, 1e6), stop_at=surely)
    gentlest = measured.frontier(stop, surely).best
    if cliff > 2 * half and cliff < 20 * half:
        assert half <= gentlest.strength <= 1.5 * half
    limited = climb(measured, {}, make(FIRST[0]), Span(cliff / 64, cliff / 8))
    assert max(p.strength for p in limited) == cliff / 8


@pytest.mark.parametrize(("hits", "count"), [(0, 60), (3, 60), (30, 60), (0, 4)])
def test_the_worse_end_of_a_share_is_where_it_would_hardly_be_so_good(hits, count):
    """By the definition: at that share the count seen lies QUANTILE deviations off."""
    share = hits / count
    for lower in (True, False):
        end = worse_end(share, count, lower=lower)
        assert (end > share) == lower or end == pytest.approx(share)
        if end > 0:
            assert abs(end - share) / (end * (1 - end) / count) ** 0.5 == pytest.approx(QUANTILE)


def test_of_points_that_few_texts_can_not_tell_apart_the_first_candidate_at_its_strongest_is_taken(llama):
    sampled = Measure(
        "talk", "sampled", Cases(TEXTS, Refusal(), "complied", max_new_tokens=1), "target", "lower", "talk"
    )
    measured = replace(Measured.of(llama, [sampled, SUITE[1]], "talk"), base={"talk": 0.5, "drift": 0.0})
    points = [
        measured.point({"rows": rows}, strength, {"talk": talk, "drift": 0.0}, size)
        for rows, strength, talk, size in (
            (3, 1.0, 0.0, 9.0),
            (3, 2.0, 0.0, 18.0),
            (5, 4.0, 0.0, 1.0),
            (5, 8.0, 0.1, 2.0),
        )
    ]
    chosen = measured.frontier(points, 0.02).best  # none of so few is not surely under 2 %
    assert (chosen.settings, chosen.strength) == ({"rows": 3}, 2.0)
    surely = measured._sure(0.0)
    assert measured.frontier(points, surely).best.size == 4.0  # enough: the gentlest


def test_at_no_strengths_nothing_is_measured(llama, behaviour):
    """All strengths of a descent can have been measured while the budget was bracketed."""
    answered = Measure("facts", "completion", completion.Cases(TEXTS[:1], [" Rome"]), "keep", "higher", "facts")
    patch = surgery(llama, behaviour, rows=4)
    assert strength_sweep(llama, patch, [], [*SUITE, answered]) == []
    assert Measured.of(llama, [*SUITE, answered], "drift").points({}, patch, [], None) == []


def test_strengths_of_different_patches_are_made_alike(tiny, behaviour):
    for rows in (1, 30):
        patch = surgery(tiny, behaviour, rows=rows)
        span = measured_span(tiny, patch, TEXTS)
        start, limit = state_shifts(tiny, patch, [span.start, span.limit], TEXTS)
        assert START / 2 < start < 2 * START
        assert limit >= LIMIT or "no stronger one" in span.why
        assert span.at(2 * START) == pytest.approx(min(2 * span.start, span.limit))


def test_a_patch_that_moves_nothing_is_said(llama, behaviour):
    with pytest.raises(NoEffect, match="does not move"):
        measured_span(llama, 0 * surgery(llama, behaviour, rows=4), TEXTS)


def test_what_was_tried_is_listed_with_the_best_of_each():
    def point(name, strength, target, excess=0.0, gain=0.1):
        return Point({"method": name}, strength, {"bad": target}, excess, gain, 1.0)

    points = [
        point("a", 1.0, 0.5, gain=0.2),
        point("a", 2.0, 0.3, gain=0.4),
        point("a", 4.0, 0.1, excess=2.0, gain=0.6),
    ]
    few = [point("a", 1.0, 0.4), point("b", 1.0, 0.9, gain=-0.2)]
    rows = Frontier({"bad": 0.7}, points, earlier=few).tried("bad")
    assert rows == [
        {"label": "method a", "strength": 2.0, "target": 0.3, "cases": "all"},
        {"label": "method b", "strength": None, "target": None, "cases": "few"},
    ]
