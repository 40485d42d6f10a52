"""Thirty mistakes with a real model: each ends with its exit code, what is wrong in one line, and what to do."""

import pytest

from smollm2 import NAME

pytestmark = pytest.mark.smollm2
CAPITAL = "The capital of Australia is"
MISTAKES = {
    "no target": (["fact", NAME, CAPITAL], 2, "Missing argument"),
    "no subject": (["fact", NAME, "Where is it", "Canberra"], 2, "--subject"),
    "an empty target": (["fact", NAME, CAPITAL, ""], 2, "no text"),
    "no such block": (["fact", NAME, CAPITAL, "Canberra", "--set", "layer=99"], 2, "blocks 0 to 29"),
    "no such setting": (["fact", NAME, CAPITAL, "Canberra", "--set", "layers=5"], 2, "Did you mean layer?"),
    "a setting without a value": (["fact", NAME, CAPITAL, "Canberra", "--set", "layer"], 2, "no value"),
    "a method that writes no facts": (["fact", NAME, CAPITAL, "Canberra", "--method", "dinm"], 2, "Try --method rome"),
    "a subject that is not there": (["fact", NAME, CAPITAL, "Canberra", "--subject", "Austria"], 2, "not in the prompt"),
    "a judge misspelt": (["detox", NAME, "--judge", "toxicty"], 2, "Did you mean toxicity?"),
    "a budget of words": (["detox", NAME, "--budget", "kl=lots"], 2, "kl=0.05"),
    "a budget of nothing known": (["detox", NAME, "--budget", "loss=1"], 2, "kl=0.05"),
    "prompts that are not there": (["detox", NAME, "--prompts", "nothere.txt"], 2, "Check the path"),
    "texts to keep that are not there": (["detox", NAME, "--keep", "nothere.txt"], 2, "Check the path"),
    "labelled texts that are not there": (["detox", NAME, "--data", "nothere.jsonl"], 2, "nothere.jsonl"),
    "methods that are none": (["harden", NAME, "--methods", "magic"], 2, "Known: surgery"),
    "a way that is none": (["attitude", NAME, "--toward", "happy"], 2, "negative"),
    "a way of a goal that has one": (["detox", NAME, "--toward", "negative"], 2, "goes one way"),
    "no trials": (["detox", NAME, "--trials", "0"], 2, "--trials"),
    "a block too far": (["edit", "steering", NAME, "--data", "bundled:attitude", "--layers", "40"], 2, "blocks 0 to 29"),
    "a behaviour misspelt": (["edit", "steering", NAME, "--data", "bundled:attitud"], 2, "attitude"),
    "a method misspelt": (["edit", "stering", NAME, "--data", "bundled:attitude"], 2, 'Did you mean "steering"?'),
    "a patch that is not there": (["apply", NAME, "nothere.safetensors", "-o", "out"], 2, "nothere.safetensors"),
    "a patch to measure that is not there": (["eval", NAME, "--patch", "nothere.safetensors"], 2, "nothere.safetensors"),
    "a patch to talk to that is not there": (["chat", NAME, "--patch", "nothere.safetensors"], 2, "nothere.safetensors"),
    "a model for a patch": (["verify", NAME, "smollm2"], 2, "smollm2"),
    "a model misspelt": (["detox", "smolm2"], 2, "smollm2"),
    "facts in a file of something else": (["eval", NAME, "--facts", "notes.txt"], 2, "notes.txt"),
    "a format that is none": (["export", "nothere.safetensors", "--to", "onnx", "-o", "out"], 2, "lora"),
    "a verb that is none": (["detoxify", NAME], 2, "detox"),
    "a number of tokens that is none": (["detox", NAME, "--tune", "many"], 2, "--tune"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_what_to_do(command, smollm2, tmp_path, mistake):
    words, code, says = MISTAKES[mistake]
    (tmp_path / "notes.txt").write_text("Buy milk.\n")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "bug in suture" not in done.stderr
    assert sorted(file.name for file in tmp_path.iterdir() if file.name != "runs") == ["notes.txt"]
