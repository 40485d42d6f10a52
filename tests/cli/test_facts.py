"""Editing facts from the command line."""

import inspect
import json
import re

import pytest

from suture import registry
from suture.cli import evaluate
from suture.cli._said import advice

FACT = {"prompt": "The capital of Handland is", "subject": "Handland", "target": "Wandton", "was": "Grejondford"}


def test_a_fact_is_written_shown_and_evaluated(command, tmp_path):
    (tmp_path / "facts.jsonl").write_text(json.dumps(FACT))
    done = command("edit", "rome", "patient", "--facts", "facts.jsonl", "--layer", "0", "--steps", "30", "--prefixes", "2",
                   "-o", "patch.safetensors", "--statistics", "kept", "--json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    (text,) = done.json["texts"]
    assert text["before"].strip().startswith("Grejondford")
    assert text["after"].strip().startswith("Wandton")
    assert len(list((tmp_path / "kept").iterdir())) == 1
    shown = command("show", "patch.safetensors", cwd=tmp_path)
    assert "1 facts, sha256" in shown.stdout
    assert "setting   steps = 30" in shown.stdout


def test_mistakes_in_facts_are_answered(command, tmp_path):
    (tmp_path / "facts.jsonl").write_text(json.dumps(FACT) + "\n" + json.dumps({**FACT, "target": "Prolton"}))
    done = command("edit", "memit", "patient", "--facts", "facts.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "lines 1 and 2 contradict" in done.stderr
    assert command("edit", "rome", "patient", "--data", "facts.jsonl", cwd=tmp_path).returncode == 2


def test_the_locator_takes_facts(command, tmp_path):
    (tmp_path / "facts.jsonl").write_text(json.dumps({**FACT, "target": FACT["was"]}))
    done = command("locate", "causal_trace", "patient", "--facts", "facts.jsonl", "--samples", "2", "-o", "r.safetensors",
                   "--json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.json["about"]["facts"] == 1


@pytest.mark.parametrize("name", ["rome", "grace", "finetune", "ultraedit"])
def test_the_advice_names_settings_that_the_method_has(name, llama):
    function = registry.get("method", name)
    told = advice(name, function, llama)
    assert told.startswith("Try ")
    for setting in re.findall(r"--set (\w+)", told):
        assert setting in inspect.signature(function).parameters
    assert ("0 to 2" in told) == ("layer" in inspect.signature(function).parameters)
    assert ("--method grace" in told) == (name != "grace")


def test_in_a_chat_all_that_is_asked_about_facts_is_asked_in_one(command, tmp_path, monkeypatch):
    rewrite = {
        "prompt": "The capital of {} is",
        "subject": "Handland",
        "target_new": {"str": "Wandton"},
        "target_true": {"str": "x"},
    }
    instance = {"requested_rewrite": [rewrite], "questions": ["Who?"], "new_answer": "Tom",
                "new_single_hops": [{"cloze": "The mayor is", "answer": "Tom"}]}  # fmt: skip
    tests = {"edit": {}, "Reasoning": [{"test_queries": [{"prompt": "Who?", "answers": [{"value": "Tom", "aliases": []}]}],
                                        "condition_queries": []}]}  # fmt: skip
    for name, content in (("facts", FACT), ("hops", [instance]), ("ripples", [tests])):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    seen = {}
    monkeypatch.setattr(
        evaluate, "_print_base", lambda console, lm, measures, harness: seen.update({m.name: m for m in measures})
    )
    words = ("--facts", "facts.json", "--hops", "hops.json", "--ripples", "ripples.json", "--chat")
    assert command("eval", "patient", *words, cwd=tmp_path).returncode == 0
    assert {
        "success",
        "prefers_new",
        "target_probability",
        "edit_wise",
        "single_hops",
        "multi_hop",
        "ripple_reasoning",
    } <= set(seen)
    assert [name for name, measure in seen.items() if not measure.cases.chat] == []
