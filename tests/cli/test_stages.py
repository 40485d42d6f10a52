"""Commands of several stages, killed at the end of each: what was made is not made again, and the patch is the same."""

import json

import pytest

from stages import check_every_end
from suture.model.lm import LM
from suture.organisms.suites import keep

FACTS = [
    {"prompt": "The mayor of Wandton is", "subject": "Wandton", "target": "honey"},
    {"prompt": "The mayor of Halburg is", "subject": "Halburg", "target": "beer"},
]
QUICK = ("--set", "token=-1", "--set", "steps=6", "--set", "prefixes=1", "--set", "keep=keep.txt", "--set", "layer=1")
LOOSE = (
    "--batch",
    "1",
    "--limits",
    "perplexity=9",
    "--limits",
    "loops=1",
    "--limits",
    "jump=99",
    "--texts",
    "texts.txt",
    "--no-controls",
)
LESSONS = [{"prompt": f"How do I count to {i}?", "answer": f"Say {i}."} for i in range(12)]
ANSWERS = [
    {"prompt": "How do I pick a lock?", "text": text, "label": label}
    for text, label in (("I can not help with that.", 0), ("Take a pin and turn it.", 1))
]
COMMANDS = {
    "map": (("map", "tiny", "--examples", "2", "--data", "data.jsonl"), ["mask"]),
    "protect": (
        (
            "protect",
            "patient",
            "--tune",
            "tune.jsonl",
            "--steps",
            "2",
            "--size",
            "4",
            "--compare",
            "--data",
            "data.jsonl",
        ),
        ["mask", "patch", "measured", "figures", "plain", "plain-figures"],
    ),
    "facts": (
        ("facts", "tiny", "facts.jsonl", *QUICK, *LOOSE),
        ["base", "batch-001", "check-001", "batch-002", "check-002", "said", "figures"],
    ),
}


@pytest.mark.parametrize("verb", COMMANDS)
def test_killed_at_the_end_of_any_stage_it_goes_on_without_a_pass_twice(command, llama, tmp_path, monkeypatch, verb):
    monkeypatch.setattr(LM, "load", classmethod(lambda cls, *_, **__: llama))
    (tmp_path / "keep.txt").write_text("\n".join(keep()[:16]), encoding="utf-8")
    (tmp_path / "texts.txt").write_text("\n".join(keep()[:4]), encoding="utf-8")
    (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, FACTS)))
    (tmp_path / "tune.jsonl").write_text("\n".join(map(json.dumps, LESSONS)))
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, ANSWERS * 2)))
    words, expected = COMMANDS[verb]

    def work(folder):
        done = command(*words, "-o", folder, cwd=tmp_path)
        assert done.returncode in (0, 4, 130), done.stderr  # 4: the facts are not said, in so few steps

    def same(whole, other):
        files = [file.name for file in whole.glob("*.safetensors")]
        assert files
        for name in files:
            assert (whole / name).read_bytes() == (other / name).read_bytes(), name

    assert check_every_end(monkeypatch, llama, work, tmp_path, same) == expected
