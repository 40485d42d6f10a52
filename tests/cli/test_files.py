"""Files that can not be read are told as docs/files.md shows it; scores, chats and pairs go the whole way through a command."""

import json
import re
import shlex
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
(SHOWN,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
SAID = dict(block.split("\n", 1) for block in SHOWN.split("$ ")[1:])  # command -> what it prints
FILES = {
    "facts.json": b'[{"prompt":"The capital of Laos is","target":"Rome"}, {"text":"x","label":1}]',
    "scores.csv": b"comment_text,toxicity\n" + b"".join(b"text %d,0.%d3\n" % (i, 8 - 7 * (i % 2)) for i in range(8)),
    "old.csv": b'text,label\n"Get lost, you fool \x96",1\n',
}


@pytest.fixture
def files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("line", SAID)
def test_what_the_page_shows_is_what_is_said(command, files, line):
    done = command(*shlex.split(line)[1:], cwd=files)
    assert done.returncode == 2
    assert done.stderr == SAID[line]


def test_scores_are_labels_from_a_threshold_on(command, files):
    done = command("probe", "patient", "--data", "scores.csv", "--threshold", "0.5", "-o", "p.safetensors", cwd=files)
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
        words = ("edit", "preserve_safety", "patient", "--tune", "rows.json", "--steps", "1", "-o", "out.safetensors")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.safetensors").is_file()
