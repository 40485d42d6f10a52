"""What is wrong with a model is said with the same words and exit code by every command that takes one."""

import json
import shutil

import pytest

from broken_models import CONFIG, MADE
from models import tiny_llama
from suture.checkpoint.format.causes import CAUSES

RUN = {  # what runs a model
    "eval": ("--texts", "texts.txt"),
    "edit": ("surgery", "--data", "tone data.jsonl", "-o", "new.safetensors"),
    "probe": ("--data", "tone data.jsonl", "-o", "new.safetensors"),
    "fact": ("The capital of Handland is", "Wandton", "--subject", "Handland", "-o", "new.safetensors"),
    "chat": ("--prompt", "Hello"),
    "serve": ("--port", "0"),
    "plan": (),
}
STREAM = {  # what reads files alone
    "apply": ("patch.safetensors", "-o", "out"), "diff": ("patient", "-o", "new.safetensors"), "verify": (),
    "plan apply": ("patch.safetensors", "-o", "out"),
}  # fmt: skip
FILES = ("gguf", "adapter", "pickled", "lfs", "cut", "missing shard")
KINDS = ("quantised", "pictures", "encoder-decoder", "remote code", "broken config")


@pytest.fixture(scope="module")
def sound(tokenizer, tmp_path_factory):
    lm, path = tiny_llama(tokenizer), tmp_path_factory.mktemp("sound") / "model"
    lm.model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.mark.parametrize("cause", [*FILES, *KINDS])
def test_every_command_says_the_same_of_a_model(cause, command, folder, sound, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(folder, work)
    shutil.copytree(sound, work / "tried")
    shutil.copy(work / "patch.safetensors", work / "tried")
    given = MADE[cause][-1 if cause == "gguf" else 0](work / "tried") or work / "tried"
    name = str(given.relative_to(work))
    said = {}
    verbs = {**RUN, **(STREAM if cause in FILES else {})}
    for verb, words in verbs.items():
        placed = (words[0], name, *words[1:]) if verb == "edit" else (name, *words)
        done = command(*verb.split(), *placed, cwd=work)
        assert done.returncode == CAUSES[cause].kind.exit_code, (verb, done.stderr)
        said[verb] = [line for line in done.stderr.splitlines() if line.startswith(("error", "  why", "  try"))]
    assert len({json.dumps(lines) for lines in said.values()}) == 1, said
    assert not (work / "out").exists()


def test_a_sound_model_is_none_of_them(command, folder, sound, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(folder, work)
    shutil.copytree(sound, work / "tried")
    assert (work / "tried" / CONFIG).is_file()
    assert command("plan", "tried", cwd=work).returncode == 0
