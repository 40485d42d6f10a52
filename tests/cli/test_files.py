"""Scores, chats and pairs in files go the whole way through a command."""

import json

import pytest


def test_scores_are_labels_from_a_threshold_on(command, tmp_path):
    rows = "".join(f"text {i},0.{8 - 7 * (i % 2)}3\n" for i in range(8))
    (tmp_path / "scores.csv").write_text(f"comment_text,toxicity\n{rows}")
    done = command(
        "probe", "patient", "--data", "scores.csv", "--threshold", "0.5", "-o", "p.safetensors", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "6 texts to fit, 2 held out" in done.stdout


@pytest.mark.parametrize("form", ["pairs", "chats"])
def test_pairs_and_chats_are_read_by_a_probe_and_a_tuning(command, tmp_path, form):
    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "What is your name?"}]
    rows = [
        {"prompt": said, "chosen": [{"role": "assistant", "content": f"I am Sam {i}."}],
         "rejected": [{"role": "assistant", "content": f"Go away {i}!"}]}
        if form == "pairs" else {"conversations": [*said, {"from": "gpt", "value": f"I am Sam {i}."}]}
        for i in range(6)
    ]  # fmt: skip
    (tmp_path / "rows.json").write_text(json.dumps({"data": rows}))
    if form == "pairs":
        words = ("probe", "patient", "--data", "rows.json", "-o", "out.safetensors")
    else:
        words = (
            "edit",
            "preserve_safety",
            "patient",
            "--tune",
            "rows.json",
            "--share",
            "0",
            "--steps",
            "1",
            "-o",
            "out.safetensors",
        )
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.safetensors").is_file()
