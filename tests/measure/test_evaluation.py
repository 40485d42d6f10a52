from dataclasses import replace

import pytest
import torch

from suture.errors import DataError, PatchMismatch
from suture.measure.evaluation import evaluate, observe, values
from suture.measure.suite import from_files
from suture.organisms.suites import suite
from suture.patch.delta import LowRank
from suture.patch.patch import Patch
from suture.search import search, strength_sweep

SMALL = ("rude", "kind", "arithmetic", "perplexity", "drift")


@pytest.fixture(scope="module")
def measures():
    return [m for m in suite("tune", 6) if m.name in SMALL]


@pytest.fixture
def patch(patient):
    name = "model.layers.3.mlp.gate_proj.weight"
    left = torch.ones(512, 1) * 0.1
    return Patch.make(patient, {name: LowRank(left, torch.ones(1, 192))}, method="x", settings={"a": 1})


@pytest.fixture
def report(patient, patch, measures):
    return evaluate(patient, patch, measures)


def test_every_report_carries_its_controls_and_denominators(report):
    for line in report.lines:
        assert line.itself.change == 0.0
        assert line.random is not None
        assert line.score.cases > 0
        assert line.score.low <= line.score.change + 1e-9
        assert line.score.high >= line.score.change - 1e-9


def test_every_line_has_the_unit_of_its_metric(report):
    assert {line.name: line.unit for line in report.lines} == {
        "rude": "share", "kind": "share", "arithmetic": "share", "perplexity": "perplexity", "drift": "nats",
    }  # fmt: skip


def test_the_curve_over_strengths_is_what_each_strength_gives_alone(patient, patch, measures):
    strengths = [0.0, 0.5, 1.0]
    chosen = [m for m in measures if m.name in ("rude", "arithmetic", "perplexity")]
    curve = strength_sweep(patient, patch, strengths, chosen)
    assert curve[0] == pytest.approx(values(observe(patient, chosen), chosen), abs=1e-6)
    for strength, found in zip(strengths, curve, strict=True):
        with patch.attached(patient, strength):
            assert found == pytest.approx(values(observe(patient, chosen), chosen), abs=1e-6)


def test_the_search_keeps_its_budget_and_reports_what_it_rejected(patient, patch, measures):
    chosen = [m for m in measures if m.name in ("rude", "arithmetic", "perplexity")]
    found = search(patient, {"a": patch}, [0.5, 30.0], chosen, "rude")
    assert len(found.points) == 2
    assert found.points[1].excess > 0
    assert found.best is None or found.best.excess == 0
    shown = found.shown(chosen, "rude")
    assert [p.strength for p in shown] == [0.5, 30.0]
    assert not shown[1].within
    assert shown[1].cost > 1
    assert shown[1].target is None  # so much was lost that nothing was generated
    assert sum(p.chosen for p in shown) == (found.best is not None)


def test_suites_from_files(tmp_path, llama):
    (tmp_path / "texts.txt").write_text("You are a friend.\nHello there all.\n")
    (tmp_path / "good.txt").write_text("friend\n")
    (tmp_path / "bad.txt").write_text("fool\n")
    made = from_files(tmp_path / "texts.txt", tmp_path / "texts.txt", f"{tmp_path}/good.txt,{tmp_path}/bad.txt")
    assert [m.name for m in made] == ["unwanted", "wanted", "perplexity", "drift"]
    assert set(values(observe(llama, made), made)) == {m.name for m in made}
    with pytest.raises(DataError, match="nothing to measure"):
        from_files(None, None)
    with pytest.raises(DataError, match="no judge"):
        from_files(None, tmp_path / "texts.txt", "maybe")


def test_a_patch_of_another_base_is_refused_before_anything_is_measured(patient, patch, measures, monkeypatch):
    monkeypatch.setattr("suture.measure.evaluation.observe", lambda *_: pytest.fail("it was measured"))
    name = next(iter(patch.before))
    other = replace(patch, before={**patch.before, name: replace(patch.before[name], sha256="0" * 64)})
    with pytest.raises(PatchMismatch):
        evaluate(patient, other, measures)
