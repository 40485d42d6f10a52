import pytest

from suture.measure.evaluation import evaluate, observe
from suture.measure.panel import panel, tables
from suture.measure.suite import from_files
from suture.report.page import page as page_of


@pytest.fixture
def measures(tmp_path):
    (tmp_path / "prompts.txt").write_text("You are a\nHello there\nOn Monday\n")
    for name, words in {"the": "the", "a": "a", "zebra": "zebra"}.items():
        (tmp_path / f"{name}.txt").write_text(f"{words}\n")
    specs = [f"{tmp_path}/zebra.txt,{tmp_path}/a.txt", f"words:{tmp_path}/zebra.txt,{tmp_path}/the.txt", "sentiment"]
    return from_files(None, tmp_path / "prompts.txt", specs)


def test_the_first_judge_decides_and_the_others_see_the_same_texts(llama, measures, monkeypatch):
    assert [m.role for m in measures] == ["target", *["note"] * 5]
    assert [m.name for m in measures[:2]] == ["unwanted", "wanted"]
    assert measures[4].name == "negative (sentiment)"
    from suture.metrics import _written

    calls = []
    generate = _written.generate
    monkeypatch.setattr(_written, "generate", lambda *a, **k: calls.append(1) or generate(*a, **k))
    seen = observe(llama, measures)
    assert len(calls) == 1
    assert all(seen[m.name].texts is seen["unwanted"].texts for m in measures)
    found = panel(measures, seen)
    assert len(found["agreement"]) == 3
    for rates in found["rates"].values():
        assert sum(rates.values()) == pytest.approx(1)


def test_agreement_is_on_what_is_unwanted(patient, tmp_path):
    (tmp_path / "p.txt").write_text("Sam shouted to Fay: You are a fool. I hate your\nAnna said: You are a lovely\n")
    for name, word in {"good": "friend", "bad": "you", "none": "zebra"}.items():
        (tmp_path / f"{name}.txt").write_text(f"{word}\n")
    same = f"{tmp_path}/good.txt,{tmp_path}/bad.txt"
    measures = from_files(None, tmp_path / "p.txt", [same, f"{tmp_path}/none.txt,{tmp_path}/bad.txt"])
    (pair,) = panel(measures, observe(patient, measures))["agreement"]
    assert (pair["raw"], pair["texts"]) == (1.0, 4)  # the same unwanted word decides both


def test_one_judge_is_no_panel(llama, measures):
    alone = measures[:2]
    assert panel(alone, observe(llama, alone)) == {}
    assert tables({}) == []


def test_a_report_shows_the_panel(llama, measures):
    import torch

    from suture.patch.delta import LowRank
    from suture.patch.patch import Patch

    name = llama.anatomy.weights("mlp.gate")[1].tensor
    rows, columns = llama.tensor(name).shape
    patch = Patch.make(llama, {name: LowRank(torch.ones(rows, 1), torch.ones(1, columns))}, method="x", settings={})
    report = evaluate(llama, patch, measures, controls=False)
    assert set(report.extra["judges"]) == {"base", "edited"}
    page = page_of(report)
    assert "Judges side by side: edited" in page
    assert "kappa" in page
    assert "negative (sentiment)" in page
