"""What a search is measured by on some of the cases."""

from types import SimpleNamespace

import pytest
import torch

from suture.judges import Refusal
from suture.measure.budget import Budget
from suture.measure.suite import Measure
from suture.metrics._score import Observation
from suture.metrics.sampled import Cases
from suture.search import Measured, climb
from suture.search.state_shift import Span


def answered(name, role, size, share):
    cases = Cases([f"{name} {i}" for i in range(size)], Refusal(), "complied", samples=1, temperature=0.0)
    given = torch.tensor([float(i % 20 < 20 * share) for i in range(size)], dtype=torch.float64)
    texts = [["Yes."] for _ in range(size)]
    return Measure(name, "sampled", cases, role, "higher", name), Observation(given, torch.ones_like(given), texts)


@pytest.mark.parametrize(("lost", "over"), [(1, False), (2, False), (3, True)])
def test_few_cases_dismiss_only_what_surely_costs_too_much(lost, over):
    """Of 20 cases 2 are lost by chance now and then; all 60 that the last choice is made on say so."""
    (aim, aims), (kept, keeps) = answered("aim", "target", 60, 0.5), answered("kept", "keep", 60, 0.95)
    baseline = {"aim": aims, "kept": keeps}
    whole = Measured.of(None, [aim, kept], "aim", Budget(points=0.02), None, baseline)
    few = whole.part({"aim": 20, "kept": 20})
    assert (few.base["kept"], len(few.to_keep[0])) == (0.95, 20)
    assert (few.excess({"kept": 0.95 - lost / 20}) > 0) == over
    assert whole.excess({"kept": 0.95 - lost / 20}) > 0


@pytest.mark.parametrize(("breaks", "most"), [(10.0, 220), (0.25, 240), (0.02, 310)])
def test_a_few_texts_say_how_much_gentler_all_must_be_written(monkeypatch, breaks, most):
    """Fake figures: what is kept is lost above a strength, wherever what is read lets one begin."""
    (aim, aims), (kept, keeps) = answered("aim", "target", 60, 0.5), answered("kept", "keep", 60, 0.95)
    whole = Measured.of(None, [aim, kept], "aim", Budget(), None, {"aim": aims, "kept": keeps})
    written = []

    def figures(self, patch, strengths, suite, progress=None):
        written.extend(m for m in suite for _ in strengths)
        made = {"aim": lambda s: 0.5 + s / 10, "kept": lambda s: 0.95 if s <= breaks else 0.5}
        return [{m.name: made[m.name](s) for m in suite} for s in strengths]

    monkeypatch.setattr(Measured, "figures", figures)
    patch = SimpleNamespace(provenance=SimpleNamespace(effect={"intended": 1.0}))
    points = climb(whole, {}, patch, Span(0.01, 1.0))
    best = max(p.strength for p in points if p.excess == 0)
    assert breaks / 4 <= best <= breaks or best == 1.0
    assert sum(map(len, written)) <= 2 * most


@pytest.mark.parametrize(("peak", "lowest"), [(1.0, 0.5), (0.3, 0.35), (0.1, 0.18)])
def test_where_strong_ones_do_less_gentler_ones_follow(monkeypatch, peak, lowest):
    """Fake figures: the target rises up to a strength, and falls behind it, far below where it began."""
    aim, aims = answered("aim", "target", 60, 0.5)
    whole = Measured.of(None, [aim], "aim", Budget(), None, {"aim": aims})
    written = []

    def figures(self, patch, strengths, suite, progress=None):
        written.extend(strengths if suite else ())
        return [{"aim": 0.5 + 0.4 * (s / peak if s <= peak else max(-1.0, 2 - s / peak))} for s in strengths]

    monkeypatch.setattr(Measured, "figures", figures)
    patch = SimpleNamespace(provenance=SimpleNamespace(effect={"intended": 1.0}))
    points = climb(whole, {}, patch, Span(0.01, 1.0))
    assert max(p.gain for p in points) > 0.25
    assert min(written) == pytest.approx(lowest, rel=0.1) or min(written) < lowest
    assert len(written) <= 3 * 3
