import ast
import hashlib
import json
from dataclasses import replace

import pytest

from suture.errors import DataError
from suture.export.card import HUB, Card, check, read_report
from suture.measure.report import MetricRow, Report
from suture.metrics._score import Score
from suture.patch.patch import Patch
from suture.patch.provenance import Provenance
from suture.report.page import save


def named(patch: Patch, name: str, **more) -> Patch:
    made = patch.provenance
    return replace(patch, provenance=replace(made, base={**made.base, "name": name}, **more))


@pytest.fixture
def report(tmp_path):
    lines = [
        MetricRow("rude", "target", "lower", "rude answers", Score(0.806, 0.15, -0.656, -0.75, -0.55, 80)),
        MetricRow(
            "perplexity", "keep", "lower", "perplexity", Score(1.6, 1.7, 0.06, 0.05, 0.07, 40), unit="perplexity"
        ),
    ]
    lines[1] = replace(lines[1], random=Score(1.6, 1.61, 0.01, 0.0, 0.02, 40))
    save(Report("m", "surgery", {}, {}, lines, commands=["suture eval m --patch 'a b.safetensors'"]), tmp_path)
    return tmp_path / "report.json"


def test_the_front_matter_is_what_the_hub_reads(llama, low_rank, tmp_path):
    patch = named(low_rank(llama, ["mlp.gate"]), "Qwen/Qwen2.5-0.5B")
    for form, library, relation in (
        ("lora", "peft", "adapter"),
        ("checkpoint", "transformers", "finetune"),
        ("patch", "suture", "adapter"),
        ("gguf-lora", None, "adapter"),
    ):
        front = check(Card(form).export(patch, tmp_path / form).path)
        assert front["base_model"] == "Qwen/Qwen2.5-0.5B"
        assert front["base_model_relation"] == relation
        assert front.get("library_name") == library
        assert {"suture", "model-editing", "test"} <= set(front["tags"])


def test_a_name_that_is_none_of_the_hub_stays_out_of_the_front_matter(llama, low_rank, tmp_path):
    patch = low_rank(llama, ["mlp.gate"])
    assert "base_model" not in check(Card().export(patch, tmp_path).path)
    assert "tiny-llama" in (tmp_path / "README.md").read_text()
    assert not any(HUB.fullmatch(name) for name in ("/home/me/model", "./model", "../model", "a/b/c", "patient"))


def test_it_says_what_was_measured_and_how_it_was_made(llama, low_rank, report, tmp_path):
    file = tmp_path / "patch.safetensors"
    patch = low_rank(llama, ["mlp.gate"], rank=2)
    patch.save(file)
    content = read_report(report)
    text = Card("patch", content, ["suture export p"], [file], notes=["Only tested on Mondays."]).text(patch)
    assert "| rude answers | 80.6 % | 15.0 % | -65.6 pt [-75.0, -55.0] | not measured | 80 |" in text
    assert "| perplexity | 1.600 | 1.700 | +6.0 % [+5.0, +7.0] | +1.0 % [+0.0, +2.0] | 40 |" in text
    assert "- rank: `2`" in text
    assert "suture eval m --patch 'a b.safetensors'\nsuture export p" in text
    assert hashlib.sha256(file.read_bytes()).hexdigest() in text
    assert "Only tested on Mondays." in text
    for name, stamp in patch.before.items():
        assert name in text
        assert stamp.sha256 in text
        assert patch.after[name].sha256 in text


def test_what_was_not_measured_is_said(llama, low_rank):
    patch = low_rank(llama, ["mlp.gate"])
    text = Card(kept={"w": 0.5}).text(0.5 * patch)
    assert "Not measured: no report was given." in text
    assert "50.0%" in text
    assert "promises no hash" in text


def test_a_patch_of_a_stranger_can_not_write_into_the_card(llama, low_rank, tmp_path):
    """Names and settings come from a file: they break no table, no code and no front matter."""
    evil = 'a"); import os #\n---\nlicense: x\n```\n<script>|{base}'
    made = replace(low_rank(llama, ["mlp.gate"]), provenance=Provenance(evil, {evil: evil}, {"name": evil}))
    path = Card("lora", commands=[evil]).export(made, tmp_path).path
    assert "license" not in check(path)
    text = path.read_text()
    assert "<script>" not in text.split("```bash")[0]
    assert text.count("```") == 4
    code = text.split("```")[1].removeprefix("python\n")
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    assert len(calls) == 2  # a whole program still, and nothing else is called


def test_only_reports_are_reports(tmp_path):
    for number, content in enumerate(("{", "[]", '{"lines": [{}]}', json.dumps({"lines": [{"role": "target"}]}))):
        path = tmp_path / f"{number}.json"
        path.write_text(content)
        with pytest.raises(DataError):
            read_report(path)
    with pytest.raises(DataError):
        read_report(tmp_path / "none.json")
    (tmp_path / "bare.md").write_text("# no front matter")
    with pytest.raises(DataError):
        check(tmp_path / "bare.md")
