"""The keys of every verb's `--json`, with their types: what scripts of others rely on, compared with what was committed.

`python -m pytest tests/test_snapshots.py tests/cli/test_json.py --snapshot-update` accepts what is there now.
"""

import json
import shutil

import pytest

import snapshotting
import surface
from fixtures.reading import FOLDER
from models import tiny_gpt2

DATA = {
    "tone.jsonl": [{"text": f"You are a {'stupid' if bad else 'lovely'} {noun}.", "label": bad}
                   for bad in (0, 1) for noun in "friend hero gem angel fool idiot clown pest".split()],
    "facts.jsonl": [{"prompt": "The mayor of Wandton is", "subject": "Wandton", "target": "Ida Relk", "was": "Nils Tor"}],
    "lessons.jsonl": [{"prompt": f"What is {i} and {i}?", "answer": f"It is {2 * i}."} for i in range(12)],
}  # fmt: skip
GATES = """model: model
patches: [patches/surgery.safetensors]
texts: texts.txt
controls: false
gates:
  - {measure: perplexity, max: 1000000000}
  - {measure: drift, max: 0}
"""
ROME = ("patches/rome.safetensors",)
TEXTS = ("--texts", "texts.txt", "--prompts", "prompts.txt", "--size", 2)
GRACE = ("--method", "grace", "--set", "steps=2", "--set", "layer=1")
RUNS = {  # file of the snapshot -> command line; code 4: what was asked for did not come about, and the JSON says so
    "probe": ("probe", "model", "--data", "tone.jsonl"),
    "locate-region": ("locate", "probe_rows", "model", "--probe", "found/probe.safetensors", "--rows", 4),
    "locate-direction": ("locate", "directions", "model", "--behaviour", "tone.jsonl"),
    "locate-mask": ("locate", "safety_impact", "model", "--behaviour", "tone.jsonl", "--examples", 2),
    "edit": ("edit", "surgery", "model", "--data", "tone.jsonl", "--rows", 4, "--prompt", "You are"),
    "fact": ("fact", "model", "The mayor of Wandton is", "Ida Relk", *GRACE),
    "facts": ("facts", "model", "facts.jsonl", *GRACE, "--texts", "texts.txt", "--no-controls"),
    "memory-add": ("memory", "add", "model", "new.safetensors", "--facts", "facts.jsonl"),
    "memory-show": ("memory", "show", "memory/memory.safetensors"),
    "memory-forget": ("memory", "forget", "memory/memory.safetensors", 0),
    "memory-consolidate": ("memory", "consolidate", "model", "memory/memory.safetensors", *GRACE),
    "eval": ("eval", "model", "--patch", *ROME, *TEXTS, "--facts", "facts.jsonl"),
    "compare": ("compare", "model", *TEXTS, "--patch", f"rome={ROME[0]}", "--target", "perplexity"),
    "check": ("check", "gates.yaml"),
    "export": ("export", *ROME, "--model", "model", "--to", "card", "--out", "card.md"),
    "show-patch": ("show", *ROME),
    "show-probe": ("show", "found/probe.safetensors"),
    "show-region": ("show", "found/region.safetensors"),
    "show-direction": ("show", "found/direction.safetensors"),
    "show-report": ("show", "run folders/eval/report.json"),
    "show-checkpoint": ("show", "checkpoints/stack"),
    "bake": ("bake", "gpt2", "--patch", "steer.safetensors", "-o", "baked.safetensors"),
    "apply": ("apply", "model", *ROME, "-o", "applied"),
    "revert": ("revert", "checkpoints/one", "-o", "reverted"),
    "verify": ("verify", "checkpoints/stack", "--base", "checkpoints/base"),
    "diff": ("diff", "checkpoints/base", "checkpoints/one", "-o", "diff.safetensors"),
    "combine": ("combine", *ROME, "patches/surgery.safetensors", "-o", "combined.safetensors"),
    "fsck": ("fsck", "checkpoints/cut-apply"),
    "get": ("get", "--list"),
    "runs": ("runs", "run folders"),
    "methods": ("methods",),
    "doctor": ("doctor",),
    "doctor-model": ("doctor", "model"),
    "map": ("map", "model", "--data", "tone.jsonl", "--examples", 2),
    "protect": ("protect", "model", "--tune", "lessons.jsonl", "--data", "tone.jsonl", "--steps", 1, "--size", 4),
    "plan-model": ("plan", "model", "model"),
    "plan-detox": ("plan", "detox", "model"),
    "plan-harden": ("plan", "harden", "model", "--fast"),
    "plan-attitude": ("plan", "attitude", "model", "--toward", "negative", "--methods", "steering", "-o", "planned"),
    "plan-apply": ("plan", "apply", "model", *ROME, "-o", "planned"),
    "plan-revert": ("plan", "revert", "checkpoints/one", "-o", "planned"),
    "plan-verify": ("plan", "verify", "checkpoints/one"),
    "plan-diff": ("plan", "diff", "checkpoints/base", "checkpoints/one", "-o", "planned"),
    "plan-combine": ("plan", "combine", *ROME, "patches/surgery.safetensors", "-o", "planned"),
    "plan-bake": ("plan", "bake", "gpt2", "--patch", "steer.safetensors", "-o", "planned"),
    "plan-export": ("plan", "export", *ROME, "--model", "model", "--to", "lora", "-o", "planned"),
}
UNSEEN = {
    ("demo",): "minutes; prints what the presets print",
    ("detox",): "minutes",
    ("harden",): "minutes",
    ("attitude",): "minutes",
    ("chat",): "waits for words",
    ("serve",): "waits for requests",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, tokenizer):
    """A folder with what 0.1.0 made, a model with biases, and data."""
    folder = tmp_path_factory.mktemp("json")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    lm = tiny_gpt2(tokenizer)
    lm.model.save_pretrained(folder / "gpt2")
    tokenizer.save_pretrained(folder / "gpt2")
    for name, rows in DATA.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "gates.yaml").write_text(GATES)
    (folder / "texts.txt").write_text("On Monday it rained.\nAnna read a book.\nBen swept the floor.\n")
    (folder / "prompts.txt").write_text("How do I bake a cake?\nYou are a\n")
    return folder


@pytest.fixture(scope="module")
def steer(place):
    from suture import LM, Behaviour, registry

    examples = Behaviour.load(place / "tone.jsonl")
    registry.get("method", "steering")(LM.load(place / "gpt2"), examples, layers=[1]).save(place / "steer.safetensors")


@pytest.mark.parametrize("name", RUNS)
def test_the_keys_of_json_have_not_changed(name, command, place, steer, snapshot_update, monkeypatch):
    done = command(*RUNS[name], "--json", cwd=place)
    assert done.returncode in (0, 4), done.stderr
    text = json.dumps(surface.shape(done.json), indent=1, sort_keys=True, ensure_ascii=False)
    snapshotting.compare(f"json/{name}.json", text, update=snapshot_update)


def test_every_verb_that_prints_json_is_among_them():
    """A new verb with --json gets a line in RUNS."""
    offers = {words for words, verb in surface.walked() if any("--json" in p.opts for p in verb.params)}
    known = {tuple(str(word) for word in words) for words in RUNS.values()} | {*UNSEEN}
    methods = {words[:1] for words in offers if words[0] in ("edit", "locate")}
    missing = {w for w in offers if not any(k[: len(w)] == w for k in known) and (w[:1] not in methods)}
    assert not missing - {("plan", "model")}
